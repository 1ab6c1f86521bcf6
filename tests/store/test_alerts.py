"""Alerts in the database: written with what they tell of, leased, told once, given up at last."""

from datetime import timedelta

import pytest

from tests.store.builders import LEASE, NOW, STRANGER, TENANT, new_run
from worker.domain.alert import AlertKind
from worker.domain.run import Canary, RunStatus, Who
from worker.store.alerts import KEEP_TRYING


def claimed(store, lease=LEASE, tenant=TENANT):
    return store.claim_alerts(tenant, limit=10, lease=lease)


@pytest.mark.parametrize(
    ("canary", "to", "kind"),
    [
        (Canary.NONE, RunStatus.PAUSED, AlertKind.AUTO_PAUSED),
        (Canary.PASSED, RunStatus.PAUSED, AlertKind.AUTO_PAUSED),
        (Canary.WATCHED, RunStatus.PAUSED, AlertKind.CANARY_FAILED),
        (Canary.ENROLLING, RunStatus.PAUSED, AlertKind.CANARY_FAILED),
        (Canary.NONE, RunStatus.FAILED, AlertKind.FAILED),
    ],
)
def test_what_the_system_does_to_a_run_is_told_with_its_reason(store, canary, to, kind):
    run_id = new_run(store, canary=canary)

    store.change_run_status(TENANT, run_id, to, NOW, who=Who.SYSTEM, reason="because")

    [alert] = store.alerts_of_run(TENANT, run_id)
    assert (alert.kind, alert.at, alert.detail["reason"]) == (kind, NOW, "because")


def test_what_a_person_does_is_not(store):
    run_id = new_run(store)

    store.change_run_status(TENANT, run_id, RunStatus.PAUSED, NOW, who=Who.SUPERVISOR, by="usr_ann")

    assert store.alerts_of_run(TENANT, run_id) == []


def test_an_alert_is_leased_to_one_worker_of_its_tenant_until_it_dies(store):
    store.add_alert(TENANT, "run_1", AlertKind.FINISHED, NOW)

    assert claimed(store, tenant=STRANGER) == []
    [first] = claimed(store, lease=timedelta(seconds=-1))
    [second] = claimed(store)
    assert (first.tries, second.tries) == (1, 2)
    assert claimed(store) == []


def test_who_was_told_is_kept_and_when_all_were_it_is_over(store):
    store.add_alert(TENANT, "run_1", AlertKind.FINISHED, NOW)
    [alert] = claimed(store, lease=timedelta(seconds=-1))

    store.note_told(TENANT, alert, ["usr_ann"], NOW)

    [kept] = store.alerts_of_run(TENANT, "run_1")
    assert (kept.told, kept.delivered_at) == (("usr_ann",), NOW)
    assert claimed(store) == []


def test_what_could_not_be_told_waits_and_is_given_up_in_the_end(store):
    store.add_alert(TENANT, "run_1", AlertKind.FINISHED, NOW)
    [alert] = claimed(store, lease=timedelta(seconds=-1))

    store.note_told(TENANT, alert, [], NOW, missing="webhook: answered 500")
    assert claimed(store) == []
    assert store.alerts_of_run(TENANT, "run_1")[0].delivered_at is None

    store.note_told(TENANT, alert, [], NOW + KEEP_TRYING + timedelta(seconds=1), missing="webhook: answered 500")
    assert store.alerts_of_run(TENANT, "run_1")[0].note == "given up: webhook: answered 500"
