"""A run belongs to the providers it was launched against: a sandbox, which reaches nobody, or the vendors."""

from datetime import timedelta

from channels.messages import ChannelKind
from tests.runtime.house import MAIL, TENANT, TEXT
from worker.runtime.dispatch import dispatch
from worker.runtime.reconcile import reconcile


def vendors(house):
    """A worker on the same database that is set up for real. (It would find the sandbox; it must not look.)"""
    rt = house.runtime(sendgrid_base_url="https://api.sendgrid.com")
    assert not rt.settings.rehearsal
    return rt


def test_what_was_launched_in_a_sandbox_is_never_sent_by_a_worker_of_the_vendors(house):
    house.launch(TEXT)
    house.advance()
    stranger = vendors(house)

    assert not stranger.run(dispatch(stranger, TENANT, house.run_id, ChannelKind.SMS))
    assert (house.attempts(), house.ledger()) == ([], [])

    house.dispatch()
    assert len(house.ledger()) == 1


def test_a_worker_of_other_providers_proves_no_absence(house):
    house.launch(TEXT)
    house.advance()
    house.faults(next=["accept_then_500"])
    house.dispatch()
    assert house.message().status == "unknown"
    stranger = vendors(house)
    stranger.ahead = timedelta(hours=1)

    stranger.run(reconcile(stranger))

    assert house.message().status == "held", "neither found nor queued again"


def test_a_worker_of_other_providers_takes_no_silence_for_a_reason_to_send_again(house):
    house.launch(MAIL, whenUnknown={"email": {"resendAfter": "5 minutes"}})
    house.advance()
    house.faults(next=["accept_then_500"])
    house.dispatch(ChannelKind.EMAIL)
    stranger = vendors(house)
    stranger.ahead = timedelta(hours=1)

    stranger.run(reconcile(stranger))

    assert house.message().status == "held"
