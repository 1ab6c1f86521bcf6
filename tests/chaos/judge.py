"""The judge: pure functions from the provider's ledger and the facts of a run to what is wrong with it.

1. The ledger decides what was sent. Our tables are asked only who is held, cancelled, or where our report stands.
2. A judgement that could not fail would be none: each is shown failing in test_judge.py.
3. It looks at everything and says everything; one thing wrong is enough to fail the run.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from tests.chaos.audience import CANCELLED, Person
from tests.chaos.evidence import Evidence, Message
from tests.chaos.happened import Facts, Held
from tests.chaos.schedule import POSTGRES, REDIS, Kind

MOST_HELD: Final = 0.005
"""Of all messages."""
_EXAMPLES: Final = 5
_DIES: Final = frozenset({Kind.KILL_WORKER, Kind.KILL_CHILD, Kind.FREEZE_WORKER, Kind.RESTART_WORKER})
_CHANNEL_OF: Final = {"sms": "sms", "sms2": "sms", "email": "email", "voice": "voice"}
_SETTLES_SECONDS: Final = 15.0
"""How long an answer is kept and written again while the database is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One thing that must hold. `found` and `demanded` as the table shows them; `examples` of what is wrong."""

    name: str
    found: str
    demanded: str
    holds: bool
    examples: Sequence[str] = ()


@dataclass(frozen=True)
class Case:
    """What a judgement is made on."""

    seen: Evidence
    facts: Facts

    @cached_property
    def held(self) -> dict[Message, Held]:
        """The messages our tables cannot tell the fate of."""
        by_phone = {person.phone: person for person in self.facts.people}
        return {_message(by_phone[held.phone], held.step): held for held in self.facts.held}


def judge(seen: Evidence, facts: Facts) -> list[Judgement]:
    """Every judgement, in the order of the table."""
    case = Case(seen, facts)
    return [verdict for look in _JUDGEMENTS for verdict in look(case)]


def owed(case: Case) -> Iterator[tuple[Person, Message]]:
    """The messages that must have been accepted exactly once, whatever happened."""
    ended = {ending.phone: ending.status for ending in case.facts.endings}
    held = case.held
    for person in case.facts.people:
        if person.phone in case.seen.said_stop:
            continue
        if person.campaign == CANCELLED.name and ended.get(person.phone) == "cancelled":
            continue
        for step, _, _ in person.owed():
            message = _message(person, step)
            if message in held:
                break  # it waits for a person, and what follows waits for it
            yield person, message


def _message(person: Person, step: str) -> Message:
    return next(Message(person.campaign, name, *how) for name, *how in person.owed() if name == step)


def _times(case: Case) -> Iterator[Judgement]:
    """Accepted per message: exactly once where owed, never twice for anybody."""
    taken = case.seen.accepted
    counts = [len(taken.get(message, ())) for _, message in owed(case)]
    known = {_message(person, step) for person in case.facts.people for step, _, _ in person.owed()}
    most = max((len(several) for several in taken.values()), default=0)
    lost = [message for _, message in owed(case) if not taken.get(message)]
    again = [message for message, several in taken.items() if len(several) > 1]
    strange = [message for message in taken if message not in known]
    yield Judgement(
        name="accepted per message owed",
        found=f"{min(counts, default=0)} to {max(counts, default=0)}, most of any {most}",
        demanded="1 to 1, most 1",
        holds=bool(counts) and min(counts) == max(counts) == 1 == most,
    )
    yield _none("messages accepted twice", [_name(one) for one in again])
    yield _none("never sent, without a reason", [_name(one) for one in lost])
    yield _none("messages nobody is owed", [_name(one) for one in strange] + ["a text of nobody"] * case.seen.strange)


def _holds(case: Case) -> Iterator[Judgement]:
    """Few messages are held, and only such as nobody could know about."""
    messages = 3 * len(case.facts.people)
    share = len(case.facts.held) / messages
    yield Judgement(
        name="held",
        found=f"{len(case.facts.held)} ({share:.2%})",
        demanded=f"at most {MOST_HELD:.1%}",
        holds=share <= MOST_HELD,
    )
    needless = [f"{held.attempt} ({held.channel})" for held in case.held.values() if _could_be_known(case, held)]
    yield _none("held although their fate could be known", needless)


def _could_be_known(case: Case, held: Held) -> bool:
    """News of it was answered by us; or it was taken, answered well, and nobody died or was away meanwhile."""
    if held.attempt in case.seen.told:
        return True
    taken = any(one.attempt == held.attempt for several in case.seen.accepted.values() for one in several)
    return taken and held.attempt not in case.seen.faulty and not _disturbed(case.facts, held)


def _disturbed(facts: Facts, held: Held) -> bool:
    ends = held.at + facts.http_seconds + _SETTLES_SECONDS
    return any(
        (one.kind in POSTGRES or (one.kind in _DIES and _CHANNEL_OF.get(one.target) == held.channel))
        and one.began <= ends
        and one.ended >= held.at
        for one in facts.happened
    )


def _reports(case: Case) -> Iterator[Judgement]:
    """Our report says what the ledger says, to the message, and its people add up to the audience."""
    differences = []
    for campaign, report in case.facts.reports.items():
        people = sum(person.campaign == campaign for person in case.facts.people)
        counted = sum(report["enrollments"].values())
        if not report["audience"] == counted == people:
            differences.append(f"{campaign}: {people} people, audience {report['audience']}, by state {counted}")
        ledger, doubtful = Counter[str](), Counter[str]()
        for message, several in case.seen.accepted.items():
            if message.campaign == campaign:
                ledger[message.channel] += len(several)
                doubtful[message.channel] += message in case.held
        ours = report["messages"]["accepted"]
        differences += [
            f"{campaign}: {ours[channel]} {channel} by our report, {doubtful[channel]} in doubt, {count} in the ledger"
            for channel, count in ((channel, ledger[channel]) for channel in ours)
            if ours[channel] + doubtful[channel] != count
        ]
    yield _none("differences between report and ledger", differences)


def _stops(case: Case) -> Iterator[Judgement]:
    """Nothing leaves after a pause, a cancel or a person's wish has been answered."""
    lines = case.seen.lines
    kept = Counter(stop.word for stop in case.facts.stops)
    yield Judgement(
        name="stops that were promised",
        found=f"{kept['pause']} by pause, {kept['cancel']} by cancel, {len(case.seen.stop_answered)} by people",
        demanded="some of each",
        holds=bool(kept["pause"] and kept["cancel"] and case.seen.stop_answered),
    )
    for word in ("pause", "cancel"):
        late = [
            f"{_name(line.message)} {line.at - stop.since:.3f} s after"
            for stop in case.facts.stops
            if stop.word == word
            for line in lines
            if case.facts.senders.get(line.sender) == stop.campaign and stop.since < line.at < stop.until
        ]
        yield _none(f"sent after {word}", late)
    phone_of = {person.email: person.phone for person in case.facts.people}
    late = []
    for line in lines:
        phone = phone_of.get(line.message.address, line.message.address)
        answered = case.seen.stop_answered.get(phone)
        if answered is not None and line.at > answered + case.facts.http_seconds:
            late.append(f"{_name(line.message)} {line.at - answered:.1f} s after")
    yield _none("sent after a person said stop", late)


def _versions(case: Case) -> Iterator[Judgement]:
    """People keep the workflow they started with."""
    yield _none(
        "texts of the edited workflow", [_name(line.message) for line in case.seen.lines if line.version != "v1"]
    )


def _callbacks(case: Case) -> Iterator[Judgement]:
    """What is not signed is refused. Where nobody answered, web was away: nothing was believed either."""
    forged = [f"HTTP {http}: {count}" for http, count in sorted(case.facts.forged.items()) if http not in (0, 403)]
    yield _none("forged callbacks not refused with 403", forged)
    refused = [f"HTTP {http}: {count}" for http, count in case.facts.unknown_ids.items() if 400 <= http < 500]
    yield _none("signed callbacks for unknown attempts turned away", refused)


def _leftovers(case: Case) -> Iterator[Judgement]:
    """Nothing is forgotten: no open claim, no unread news, no message that waits for nobody, no unfinished run."""
    left = [f"{name}: {count}" for name, count in case.facts.leftovers.items() if count]
    yield _none("leftovers", left)


_JUDGEMENTS: Final[tuple[Callable[[Case], Iterator[Judgement]], ...]] = (
    _times,
    _holds,
    _reports,
    _stops,
    _versions,
    _callbacks,
    _leftovers,
)


def _none(name: str, wrong: Sequence[str]) -> Judgement:
    return Judgement(name=name, found=str(len(wrong)), demanded="0", holds=not wrong, examples=wrong[:_EXAMPLES])


def _name(message: Message) -> str:
    """A message in words; the people of a chaos run are made up."""
    return f"{message.campaign}/{message.step} ({message.channel}) to {message.address}"


def recoveries(seen: Evidence, facts: Facts) -> dict[Kind, list[float]]:
    """Seconds from the end of each fault to the next acceptance on the channel it concerned; any, where it is all."""
    times: dict[str, list[float]] = defaultdict(list)
    for line in seen.lines:
        times[line.message.channel].append(line.at)
        times[""].append(line.at)
    found: dict[Kind, list[float]] = defaultdict(list)
    for one in facts.happened:
        if one.kind in _DIES or one.kind in REDIS or one.kind in POSTGRES or one.kind is Kind.OUTAGE:
            channels = one.target.split(",") if one.kind is Kind.OUTAGE else [_CHANNEL_OF.get(one.target, "")]
            later = [at for channel in channels for at in times[channel] if at > one.ended]
            if later:
                found[one.kind].append(min(later) - one.ended)
    return dict(found)


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that so many of them do not exceed. `values` is not empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
