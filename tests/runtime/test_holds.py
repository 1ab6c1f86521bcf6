"""What nobody can tell waits for a person, who looks it up and decides."""

from channels.messages import ChannelKind
from channels.results import Reason
from tests.runtime.house import MAIL, NOWHERE, TEXT
from worker.domain.attempt import PersonSays, Shown
from worker.runtime.holds import decide, held
from worker.runtime.reconcile import reconcile


def hold_a_mail(house):
    """One whose answer was lost; no event ever comes and nobody can be asked."""
    house.launch(MAIL)
    house.advance()
    house.faults(next=["refuse_503"])
    house.dispatch(ChannelKind.EMAIL)
    for _ in range(12):
        house.later(minutes=5)
        house.reconcile()
    assert house.message().status == "held"


def test_a_held_mail_is_listed_and_sent_again_when_a_person_says_so(house):
    hold_a_mail(house)
    [waiting] = held(house.rt, house.run_id)

    assert decide(house.rt, waiting.attempt_id, PersonSays.RESEND)
    house.dispatch(ChannelKind.EMAIL)

    assert len(house.ledger()) == 1
    assert held(house.rt, house.run_id) == []


def test_a_held_mail_that_is_dropped_ends_its_enrollment_and_the_run(house):
    hold_a_mail(house)
    [waiting] = held(house.rt, house.run_id)

    decide(house.rt, waiting.attempt_id, PersonSays.DROP)
    house.play()

    assert house.status() == "completed"
    assert house.ledger() == []


def test_what_the_provider_showed_and_why_nobody_knows_is_there_for_the_person(house):
    hold_a_mail(house)

    [waiting] = held(house.rt)

    assert (waiting.run_id, waiting.reason, waiting.code) == (house.run_id, Reason.PROVIDER_ERROR, "503")
    assert waiting.finding.shown is Shown.CANNOT_SAY
    assert waiting.finding.asked > 1
    assert waiting.dispatched_at < waiting.finding.at < waiting.next_look


def test_what_is_settled_already_is_not_decided_again(house):
    hold_a_mail(house)
    [waiting] = held(house.rt, house.run_id)
    decide(house.rt, waiting.attempt_id, PersonSays.DROP)

    assert not decide(house.rt, waiting.attempt_id, PersonSays.RESEND)


def test_a_held_text_is_found_by_itself_when_the_provider_can_be_asked_again(house):
    house.launch(TEXT)
    house.advance()
    house.faults(next=["accept_then_500"])
    house.dispatch()
    blind = house.runtime(twilio_base_url=NOWHERE)
    for _ in range(12):
        house.later(minutes=5)
        blind.run(reconcile(blind))
    assert house.message().status == "held"

    house.later(hours=2)
    house.reconcile()

    assert house.attempts()[0].provider_ref
    assert house.message().status in {"accepted", "settled"}
    assert len(house.ledger()) == 1
