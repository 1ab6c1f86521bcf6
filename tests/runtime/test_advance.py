"""Stepping: once per claim, news before the clock, and one broken enrollment stops nobody else."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from sqlalchemy import select
from twilio.request_validator import RequestValidator

from channels.base import Callback
from channels.messages import ChannelKind
from channels.sandbox.settings import AUTH_TOKEN
from tests.runtime.house import ASK, TENANT, TEXT, person
from worker.domain.effects import Transition
from worker.domain.enrollment import Enrollment, Frame, Recipient
from worker.runtime.hints import Work
from worker.runtime.intake import Intake
from worker.store.codec import to_json
from worker.store.rows import StepCommit
from worker.store.tables import enrollments, messages, outcomes

OURS = "+15550001111"
BROKEN = to_json(
    Enrollment(
        enrollment_id="",
        recipient=Recipient(contact_id=""),
        frames=(Frame(function="", state="begin", index=-99),),
    ).to_json()
)
"""A place before the first action: stepping from there raises."""
UNREADABLE = '{"from": "a newer version"}'


def reply(house, sender):
    """A text from a person, taken by our HTTP process; no worker has looked at anything yet."""
    url = f"{house.settings.public_url}/webhooks/twilio/sms"
    form = {"MessageSid": "SM1", "From": sender, "To": OURS, "Body": "Yes, please"}
    signature = RequestValidator(AUTH_TOKEN).compute_signature(url, form)
    callback = Callback(
        url=url,
        headers={"x-twilio-signature": signature},
        body=urlencode(form).encode(),
        received_at=house.rt.now(),
    )

    async def take():
        await Intake(house.rt).take(house.rt.channel(ChannelKind.SMS), callback)

    house.rt.run(take())


def claim(house):
    return house.store.claim_enrollments(
        TENANT, house.run_id, owner="another", limit=100, lease=house.settings.lease, now=house.rt.now()
    )


def test_everybody_is_stepped_once(house):
    house.launch(TEXT, people=7)

    assert (house.advance(), house.advance()) == (7, 0)
    assert len(house.rows(messages)) == 7


def test_more_people_than_fit_into_one_claim_are_stepped_claim_by_claim(open_house):
    house = open_house(step_size=3)
    house.launch(TEXT, people=8)

    assert house.advance() == 8
    assert [hint.work for hint in house.hints] == [Work.SMS] * 3


def test_who_is_being_stepped_elsewhere_is_left_alone(house):
    house.launch(TEXT, people=3)
    assert len(claim(house)) == 3

    assert house.advance() == 0


def test_a_worker_that_wakes_up_after_its_lease_writes_nothing(house):
    house.launch(TEXT)
    [stale] = claim(house)
    house.leases_end()
    house.advance()
    written = house.enrollment()

    late = StepCommit(claim=stale, transition=Transition(enrollment=stale.enrollment))
    assert house.store.commit_steps([late], house.rt.now()) == 0

    assert house.enrollment() == written


@pytest.mark.parametrize("state", [BROKEN, UNREADABLE])
def test_one_whose_step_raises_does_not_stop_its_batch_and_is_set_aside_with_a_reason(house, state):
    house.launch(TEXT, people=5)
    first = min(row.enrollment_id for row in house.rows(enrollments))
    change = enrollments.update().where(enrollments.c.enrollment_id == first)
    with house.store.engine.begin() as conn:
        conn.execute(change.values(state=state, status="waiting", due_at=0))

    assert house.advance() == 4
    assert len(house.rows(messages)) == 4
    for _ in range(5):
        house.leases_end()
        house.advance()

    [row] = [row for row in house.rows(enrollments) if row.enrollment_id == first]
    assert row.reason.startswith("quarantined: 5 workers took it")


@pytest.mark.parametrize("state", [BROKEN, UNREADABLE])
def test_a_step_that_raises_is_logged_without_the_person_in_it(house, state, logged):
    house.launch(TEXT, people=[person(1, phone="+12025550199", fields={"firstName": "Wilhelmina"})])
    with house.store.engine.begin() as conn:
        conn.execute(enrollments.update().values(state=state, status="waiting", due_at=0))

    house.advance()

    said = logged.getvalue()
    assert house.enrollment().enrollment_id in said
    assert not {word for word in ("2025550199", "Wilhelmina", "p1@example.com") if word in said}


def test_a_reply_that_came_in_time_during_an_outage_counts_although_the_deadline_has_passed(house):
    house.launch(states=ASK, people=2)
    house.tick_only()
    house.later(hours=1)
    reply(house, person(0).phone)

    house.later(hours=5)
    house.advance()
    house.play()

    texts = [row.state for row in house.rows(messages) if row.address == person(0).phone]
    assert texts == ["ask"], "who has answered is not asked again"
    assert sorted(row.state for row in house.rows(messages)) == ["ask", "ask", "silent"]


def test_a_reply_that_came_after_the_deadline_had_been_acted_on_undoes_nothing(house):
    house.launch(states=ASK)
    house.tick_only()
    house.later(hours=3)
    house.tick_only()

    reply(house, person(0).phone)
    house.tick_only()

    assert sorted(row.state for row in house.rows(messages)) == ["ask", "silent"]


def test_a_step_and_all_it_owes_are_one_commit(house):
    house.launch(TEXT)
    [claimed] = claim(house)
    house.leases_end()
    house.advance()

    with house.store.engine.connect() as conn:
        owed = conn.execute(select(messages.c.enrollment_id, messages.c.visit)).all()
    assert owed == [(claimed.enrollment.enrollment_id, 1)]
    assert house.enrollment().due_at is None or house.enrollment().due_at > 0


def test_the_last_step_completes_the_run_and_files_what_it_came_to(house):
    house.launch({"type": "wait", "for": "1 day"}, people=3)
    house.advance()
    assert house.status() == "running"

    house.later(days=1, seconds=1)
    house.advance()

    assert (house.status(), house.counts()) == ("completed", {"finished": 3})
    assert house.store.get_run(TENANT, house.run_id).finished_at - house.rt.now() < timedelta(seconds=1)
    assert not house.rows(outcomes)
