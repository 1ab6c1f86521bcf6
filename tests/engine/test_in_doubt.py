"""What becomes of messages nobody knows the fate of: found out, sent again by policy, held, or set aside in the end."""

from dataclasses import replace
from datetime import timedelta

import pytest

from channels.messages import ChannelKind
from channels.results import Candidate, Receipt, ReceiptKind, Sighting
from tests.engine.builders import NOW, a_campaign, an_attempt
from worker.domain.attempt import WORKER_DIED, AttemptStatus, Finding, MessageStatus, Shown
from worker.domain.dispositions import DispositionBook
from worker.engine.retry import MAX_UNSENT
from worker.engine.settlement import SettlementOptions, from_crash, from_sighting
from worker.engine.settling import MAX_DEATHS, MAX_RESENT

BOOK = DispositionBook(a_campaign())
OPTIONS = SettlementOptions()
LATER = NOW + timedelta(minutes=31)
UNKNOWN = {"status": AttemptStatus.UNKNOWN, "message_status": MessageStatus.UNKNOWN}

NOTHING, SILENCE = Sighting(seen=False), Sighting(seen=None)
RECORDS = Sighting.among(
    Candidate(receipt=Receipt(event_key=ref, kind=ReceiptKind.SENT, provider_ref=ref), exact=False)
    for ref in ("SM1", "SM2")
)


def look(facts, sighting, now=LATER, options=OPTIONS):
    return from_sighting(facts, sighting, BOOK, now, options)


def policy(**silences):
    return replace(OPTIONS, resend_after={ChannelKind(name): minutes for name, minutes in silences.items()})


@pytest.mark.parametrize(
    ("sighting", "shown", "refs"),
    [(NOTHING, Shown.NOTHING, ()), (SILENCE, Shown.CANNOT_SAY, ()), (RECORDS, Shown.RECORDS, ("SM1", "SM2"))],
)
def test_what_the_provider_showed_is_kept_for_whoever_has_to_decide(sighting, shown, refs):
    first = look(an_attempt(**UNKNOWN), sighting)
    second = look(an_attempt(**UNKNOWN, finding=first.finding), sighting, LATER + timedelta(minutes=5))

    assert first.finding == Finding(shown=shown, asked=1, at=LATER, refs=refs)
    assert (second.finding.asked, second.finding.at) == (2, LATER + timedelta(minutes=5))


def test_that_its_worker_died_is_kept_as_the_reason_nobody_knows():
    assert from_crash(an_attempt(), NOW, OPTIONS).code == WORKER_DIED


@pytest.mark.parametrize("channel", ChannelKind)
def test_silence_alone_never_sends_again(channel):
    facts = an_attempt(channel, **UNKNOWN)

    assert look(facts, SILENCE, NOW + timedelta(days=365)).message_status is MessageStatus.HELD
    assert look(facts, SILENCE, LATER, policy(**{channel: None})).message_status is MessageStatus.HELD


@pytest.mark.parametrize("channel", ChannelKind)
def test_a_policy_sends_again_after_its_silence_and_not_a_moment_before(channel):
    facts, options = an_attempt(channel, **UNKNOWN), policy(**{channel: timedelta(minutes=30)})

    before = look(facts, SILENCE, NOW + timedelta(minutes=29), options)
    after = look(facts, SILENCE, NOW + timedelta(minutes=30), options)

    assert (before.message_status, before.due_at) == (MessageStatus.UNKNOWN, NOW + timedelta(minutes=30))
    assert (after.message_status, after.attempt_status) == (MessageStatus.QUEUED, AttemptStatus.NOT_SENT)


def test_a_policy_for_silence_holds_what_a_record_at_the_provider_may_be():
    options = policy(sms=timedelta(minutes=30))

    assert look(an_attempt(**UNKNOWN), RECORDS, LATER, options).message_status is MessageStatus.HELD


def test_a_policy_comes_to_an_end_and_a_person_decides():
    facts = an_attempt(ChannelKind.EMAIL, **UNKNOWN, number=MAX_RESENT)

    assert look(facts, SILENCE, LATER, policy(email=timedelta(minutes=30))).message_status is MessageStatus.HELD


def test_a_message_that_kills_its_workers_is_set_aside_and_says_why():
    facts = an_attempt(**UNKNOWN, lookups=1, number=MAX_DEATHS, deaths=MAX_DEATHS)

    news = look(facts, NOTHING)

    assert (news.attempt_status, news.message_status) == (AttemptStatus.NOT_SENT, MessageStatus.SETTLED)
    assert (news.disposition, news.category) == ("QUARANTINED", "FAILED_TECH")
    assert news.detail == "quarantined: 5 workers died over it in 5 attempts; see their logs"
    assert [signal.disposition for signal in news.signals] == ["QUARANTINED"]
    assert not news.counts


def test_workers_that_died_over_a_message_that_may_have_left_set_nothing_aside():
    facts = an_attempt(**UNKNOWN, lookups=1, number=9, deaths=9)

    assert look(facts, SILENCE).message_status is MessageStatus.HELD
    assert look(facts, Sighting(seen=True, provider_ref="SM1")).message_status is MessageStatus.ACCEPTED


def test_an_outage_of_the_provider_is_waited_out_at_growing_distances_and_ends():
    def due_in(number):
        news = look(an_attempt(**UNKNOWN, lookups=1, number=number), NOTHING, NOW + timedelta(minutes=3))
        return None if news.due_at is None else news.due_at - NOW

    assert [due_in(number) for number in (1, 6, 7, 9, MAX_UNSENT - 1, MAX_UNSENT)] == [
        timedelta(minutes=3),
        timedelta(minutes=3),
        timedelta(seconds=320),
        timedelta(minutes=15),
        timedelta(minutes=15),
        None,
    ]
    last = look(an_attempt(**UNKNOWN, lookups=1, number=MAX_UNSENT), NOTHING)
    assert (last.disposition, "never reached the provider" in last.detail) == ("QUARANTINED", True)
