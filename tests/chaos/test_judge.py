"""Each judgement of the chaos run, shown failing on a small ledger: what could not fail would prove nothing."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.chaos.audience import CANCELLED, MAIN, PAUSED, Person
from tests.chaos.evidence import read_evidence
from tests.chaos.happened import Ending, Facts, Happening, Held, Stop
from tests.chaos.judge import judge, percentile, recoveries
from tests.chaos.schedule import Kind

ANN = Person(campaign="main", phone="+12025000001", email="ann@example.com", last="voice")
BOB = Person(campaign="paused", phone="+12025000002", email="bob@example.com", last="sms")
EVE = Person(campaign="cancelled", phone="+12025000003", email="eve@example.com", last="sms")
JOE = Person(campaign="main", phone="+12025000004", email="joe@example.com", last="sms")
"""He said stop before anything was sent to him."""
PEOPLE = (ANN, BOB, EVE, JOE)
STOPS = tuple(Stop(campaign="main", since=1.0, until=2.0, word=word) for word in ("pause", "cancel"))
SENDERS = {sender: c.name for c in (MAIN, PAUSED, CANCELLED) for sender in (c.sms, c.mail)}
SENDER_OF = {(name, "@" in sender): sender for sender, name in SENDERS.items()}


def at(second):
    return datetime.fromtimestamp(second, UTC).isoformat()


def accepted(person, step, second, *, version="v1", attempt=""):
    channel, address = next((channel, address) for name, channel, address in person.owed() if name == step)
    text = f"chaos {person.campaign}/{step}/{version}"
    return {
        "kind": "accepted",
        "at": at(second),
        "channel": channel,
        "to": address,
        "from": SENDER_OF[person.campaign, channel == "email"],
        "ref": f"ref-{person.phone}-{step}-{second}",
        "attempt": attempt or f"{person.phone}/{step}",
        "body": [text] if channel == "email" else text,
    }


def callback(ref, second, *, http=200, **more):
    line = {"kind": "callback", "at": at(second), "channel": "sms", "ref": ref, "attempt": "", "http": http, "ms": 12.0}
    return line | more


def stop_from(person, second):
    ref = f"stop-{person.phone}"
    said = {"kind": "reply", "at": at(second), "from": person.phone, "ref": ref, "body": "STOP", "attempt": ""}
    return [said, callback(ref, second + 1)]


def fault(line, name):
    return {"kind": "fault", "at": line["at"], "channel": line["channel"], "ref": line["ref"], "fault": name}


def all_of(person, begin=10):
    return [accepted(person, step, begin + 10 * place) for place, (step, _, _) in enumerate(person.owed())]


def report(people, **taken):
    return {
        "audience": people,
        "enrollments": {"finished": people},
        "messages": {"accepted": {"sms": 0, "email": 0, "voice": 0} | taken},
    }


ALL = [*(line for person in (ANN, BOB, EVE) for line in all_of(person)), *stop_from(JOE, 5)]
FACTS = Facts(
    people=PEOPLE,
    senders=SENDERS,
    http_seconds=3.0,
    happened=(),
    stops=STOPS,
    reports={
        "main": report(2, sms=1, email=1, voice=1),
        "paused": report(1, sms=2, email=1),
        "cancelled": report(1, sms=2, email=1),
    },
    endings=tuple(
        Ending(campaign=p.campaign, phone=p.phone, status="finished", disposition="", reason="") for p in PEOPLE
    ),
    held=(),
    leftovers={"news not applied": 0},
    forged={403: 5, 0: 1},
    unknown_ids={200: 5},
    healed=60.0,
    finished=70.0,
)


def wrong(lines, facts=FACTS):
    return {one.name for one in judge(read_evidence(lines), facts) if not one.holds}


def held(person, step, second, attempt="doubt"):
    channel = next(channel for name, channel, _ in person.owed() if name == step)
    return Held(
        campaign=person.campaign, phone=person.phone, channel=channel, step=step, attempt=attempt, at=float(second)
    )


def without(lines, person, *steps):
    gone = [line["ref"] for line in all_of(person) if any(f"/{step}/" in str(line["body"]) for step in steps)]
    return [line for line in lines if line["ref"] not in gone]


def test_a_run_in_which_everybody_got_everything_once_passes():
    assert wrong(ALL) == set()


def test_a_message_accepted_twice_fails_it():
    again = [*ALL, accepted(ANN, "mail", 50, attempt="another")]
    assert wrong(again) >= {"messages accepted twice", "accepted per message owed"}


def test_a_message_accepted_twice_fails_it_for_whoever_opted_out_too():
    lines = [*ALL, accepted(ANN, "first", 50, attempt="another"), *stop_from(ANN, 60)]
    assert "messages accepted twice" in wrong(lines)


@pytest.mark.parametrize("step", ["first", "mail", "last"])
def test_a_message_never_sent_fails_it(step):
    assert wrong(without(ALL, BOB, step)) >= {"never sent, without a reason", "accepted per message owed"}


def test_nobody_sent_anything_fails_it():
    assert "accepted per message owed" in wrong([])


def test_whoever_said_stop_is_owed_nothing_more():
    lines = [*without(ALL, ANN, "mail", "last"), *stop_from(ANN, 12)]
    facts = replace(FACTS, reports={**FACTS.reports, "main": report(2, sms=1)})
    assert wrong(lines, facts) == set()


def test_only_the_cancelled_campaign_may_end_people_as_cancelled():
    for person, excused in ((EVE, True), (ANN, False)):
        endings = [replace(e, status="cancelled") if e.phone == person.phone else e for e in FACTS.endings]
        found = wrong(without(ALL, person, "last"), replace(FACTS, endings=endings))
        assert ("never sent, without a reason" not in found) is excused


def test_a_text_nobody_is_owed_fails_it():
    stranger = {**accepted(ANN, "first", 50), "to": "+12025009999"}
    assert "messages nobody is owed" in wrong([*ALL, stranger])
    assert "messages nobody is owed" in wrong([*ALL, {**stranger, "body": "hello"}])


def test_more_than_half_a_percent_held_fails_it():
    facts = replace(FACTS, held=[held(ANN, "mail", 20)])
    assert wrong(without(ALL, ANN, "mail", "last"), facts) >= {"held"}


def test_what_waits_behind_a_held_message_is_not_lost_and_what_went_before_it_is_owed():
    facts = replace(FACTS, held=[held(ANN, "mail", 20)])
    assert "never sent, without a reason" not in wrong(without(ALL, ANN, "mail", "last"), facts)
    assert "never sent, without a reason" in wrong(without(ALL, ANN, "first", "mail", "last"), facts)


NEEDLESS = "held although their fate could be known"


def test_a_message_held_although_we_were_told_of_it_fails_it():
    mail = accepted(ANN, "mail", 20, attempt="doubt")
    facts = replace(FACTS, held=[held(ANN, "mail", 20)])
    lines = [*without(ALL, ANN, "mail"), mail, fault(mail, "accept_then_500")]
    told = callback("", 21, http=204, attempts=["doubt"])
    assert NEEDLESS not in wrong(lines, facts)
    assert NEEDLESS not in wrong([*lines, {**told, "http": 503}], facts)
    assert NEEDLESS in wrong([*lines, told], facts)


def test_a_message_held_although_nothing_went_wrong_fails_it():
    lines = [*without(ALL, ANN, "mail"), accepted(ANN, "mail", 20, attempt="doubt")]
    facts = replace(FACTS, held=[held(ANN, "mail", 20)])
    assert NEEDLESS in wrong(lines, facts)
    for kind, target, excused in (
        (Kind.KILL_WORKER, "email", True),
        (Kind.KILL_WORKER, "sms", False),
        (Kind.POSTGRES_CRASH, "", True),
        (Kind.REDIS_FLUSH, "", False),
    ):
        one = Happening(kind=kind, target=target, began=20.5, ended=20.5)
        assert (NEEDLESS not in wrong(lines, replace(facts, happened=[one]))) is excused
        long_ago = replace(one, began=2.0, ended=2.0)
        assert NEEDLESS in wrong(lines, replace(facts, happened=[long_ago]))


REPORT = "differences between report and ledger"


def test_a_report_that_counts_one_message_more_or_less_fails_it():
    for count in (0, 2):
        reports = {**FACTS.reports, "main": report(2, sms=1, email=count, voice=1)}
        assert wrong(ALL, replace(FACTS, reports=reports)) == {REPORT}


def test_a_held_message_in_the_ledger_is_missing_from_the_report_rightly():
    facts = replace(FACTS, held=[held(ANN, "mail", 20, attempt=f"{ANN.phone}/mail")])
    assert REPORT in wrong(ALL, facts)
    reports = {**FACTS.reports, "main": report(2, sms=1, email=0, voice=1)}
    assert REPORT not in wrong(ALL, replace(facts, reports=reports))


def test_people_that_do_not_add_up_to_the_audience_fail_it():
    for broken in ({"audience": 3}, {"enrollments": {"finished": 2, "cancelled": 1}}, {"enrollments": {}}):
        reports = {**FACTS.reports, "main": {**FACTS.reports["main"], **broken}}
        assert wrong(ALL, replace(FACTS, reports=reports)) == {REPORT}


@pytest.mark.parametrize("word", ["pause", "cancel"])
def test_a_message_after_a_stop_fails_it(word):
    stop = Stop(campaign="paused", since=25.0, until=29.0, word=word)
    assert wrong(ALL, replace(FACTS, stops=[*STOPS, stop])) == set()
    assert wrong(ALL, replace(FACTS, stops=[*STOPS, replace(stop, until=31.0)])) == {f"sent after {word}"}
    assert wrong(ALL, replace(FACTS, stops=[*STOPS, replace(stop, until=float("inf"))])) == {f"sent after {word}"}
    other = replace(stop, campaign="main", since=30.5, until=float("inf"))
    assert wrong(ALL, replace(FACTS, stops=[*STOPS, other])) == set()


@pytest.mark.parametrize("word", ["pause", "cancel"])
def test_a_run_that_stopped_nothing_proves_nothing_about_stopping(word):
    facts = replace(FACTS, stops=[stop for stop in STOPS if stop.word != word])
    assert wrong(ALL, facts) == {"stops that were promised"}


def test_a_run_in_which_nobody_said_stop_proves_nothing_about_it():
    assert "stops that were promised" in wrong([line for line in ALL if not line["ref"].startswith("stop")])


def test_a_message_on_any_channel_to_whoever_said_stop_fails_it():
    name = "sent after a person said stop"
    assert name not in wrong([*ALL, *stop_from(ANN, 30)])
    assert name not in wrong([*ALL, *stop_from(ANN, 26)]), "what was under way when we answered may arrive"
    assert name in wrong([*ALL, *stop_from(ANN, 25)]), "the call"
    assert name in wrong([*ALL, *stop_from(ANN, 15)]), "the mail"
    unanswered = stop_from(ANN, 15)
    unanswered[1]["http"] = 503
    assert name not in wrong([*ALL, *unanswered]), "nobody has told us"


def test_a_text_of_the_edited_workflow_fails_it():
    lines = [*without(ALL, ANN, "mail"), accepted(ANN, "mail", 20, version="v2")]
    assert wrong(lines) == {"texts of the edited workflow"}


def test_a_forged_callback_that_is_not_refused_fails_it():
    for http in (200, 400, 503):
        assert wrong(ALL, replace(FACTS, forged={403: 5, http: 1})) == {"forged callbacks not refused with 403"}


def test_a_signed_callback_that_is_turned_away_fails_it():
    turned_away = replace(FACTS, unknown_ids={200: 5, 403: 1})
    assert wrong(ALL, turned_away) == {"signed callbacks for unknown attempts turned away"}


def test_anything_left_over_fails_it():
    assert wrong(ALL, replace(FACTS, leftovers={"news not applied": 1})) == {"leftovers"}


def test_a_recovery_lasts_from_the_end_of_a_fault_to_the_next_send_on_its_channel():
    kill = Happening(kind=Kind.KILL_WORKER, target="email", began=12.0, ended=12.0)
    away = Happening(kind=Kind.REDIS_AWAY, target="redis", began=11.0, ended=14.0)
    after_all = Happening(kind=Kind.KILL_WORKER, target="email", began=99.0, ended=99.0)
    found = recoveries(read_evidence(all_of(ANN)), replace(FACTS, happened=[kill, away, after_all]))
    assert found == {Kind.KILL_WORKER: [8.0], Kind.REDIS_AWAY: [6.0]}


def test_percentiles_are_values_that_occurred():
    assert [percentile([3.0, 1.0, 2.0, 4.0], share) for share in (0.0, 0.5, 0.95, 1.0)] == [1.0, 3.0, 4.0, 4.0]
