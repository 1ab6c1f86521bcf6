"""What comes after: other processes go on, and then the provider's ledger and our tables must agree.

1. Recovery is what happens by itself: time goes on, claims run out, somebody ticks. Nothing is repaired by hand but
   what is put before a person.
2. The judge is the ledger. Our tables must say the same.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import requests
from sqlalchemy import Column, Table

from channels.messages import ChannelKind
from tests.runtime.house import TENANT, House, until
from worker.domain.attempt import AttemptStatus, PersonSays
from worker.domain.enrollment import FINAL
from worker.domain.run import RunStatus
from worker.runtime import launch as launching
from worker.runtime.holds import decide
from worker.runtime.reports import ledger_differences, make_report
from worker.store.codec import from_json
from worker.store.facade import Store
from worker.store.queue_tables import event_traces, events
from worker.store.tables import attempts, enrollments, inbox, messages, outcomes, runs, signals, tick_leases

ROUNDS = 8
"""Of 16, 32, 64 … minutes: the slowest thing is news of a stranger, which is given up after a day."""

_MOMENTS: Mapping[Table, list[Column[int]]] = {
    table: [column for column in table.columns if column.name == "until" or column.name.endswith(("_at", "_until"))]
    for table in (runs, enrollments, messages, attempts, inbox, tick_leases, events, event_traces)
}
"""What the tables know about time."""

ARRIVED: Mapping[str, tuple[str, str]] = {
    ChannelKind.SMS: ("SMS_DELIVERED", "SMS_DELIVERED"),
    ChannelKind.EMAIL: ("EMAIL_SENT", "EMAIL_DELIVERED"),
    ChannelKind.VOICE: ("VOICE_HUMAN", "VOICE_HUMAN"),
}
"""What a message to somebody who can be reached ends as, without news of it and with: SendGrid cannot be asked."""


def time_passes(store: Store, **how_much: float) -> None:
    """Everything that has happened happened so much earlier, and what is planned comes so much sooner.

    The clocks stay as they are: ours, the database's, by which claims run out, and the provider's agree all the time.
    """
    by = round(timedelta(**how_much).total_seconds() * 1000)
    with store.engine.begin() as conn:
        for table, moments in _MOMENTS.items():
            conn.execute(table.update().values({moment: moment - by for moment in moments}))


def recover(house: House, leaves: RunStatus) -> None:
    """Let time pass and somebody tick, until nothing is open that could end. A paused run then goes on to its end."""
    _pass_time_until(house, leaves)
    if leaves is RunStatus.PAUSED:
        assert house.ledger() == []
        launching.resume(house.rt, TENANT, house.run_id)
        _pass_time_until(house, RunStatus.COMPLETED)


def _pass_time_until(house: House, status: RunStatus) -> None:
    for doubled in range(ROUNDS):
        _everybody_has_lived_on(house)
        house.tick_only()
        _person_decides(house)
        if _is_over(house, status):
            return
        time_passes(house.store, minutes=16 * 2**doubled)
    raise AssertionError(f"not over: {_picture(house)}")


def provider_has_read_all(house: House) -> None:
    """Whatever a process wrote before its end has been dealt with: the first answer comes after that was read."""
    for _ in range(2):
        requests.get(f"{house.sandbox.url}/sandbox/health", timeout=5).raise_for_status()


def _everybody_has_lived_on(house: House) -> None:
    """Nothing is left to happen to what the provider has taken."""
    until(lambda: not house.sandbox._core.agenda, "the sandbox's people")


def _person_decides(house: House) -> None:
    """A mail whose fate nobody can tell is held; a person looks at what the provider has."""
    taken = {line["attempt"] for line in house.ledger()}
    for facts in house.store.held(TENANT, house.run_id):
        assert facts.channel is ChannelKind.EMAIL, "Twilio could have been asked"
        decide(house.rt, facts.attempt_id, PersonSays.SENT if facts.attempt_id in taken else PersonSays.RESEND)


def _is_over(house: House, status: RunStatus) -> bool:
    run = house.store.get_run(TENANT, house.run_id)
    open_news = any(row.processed_at is None for row in house.inbox())
    return not open_news and run.status is status and (run.finished_at is not None or status is RunStatus.PAUSED)


def judge(house: House, leaves: RunStatus) -> None:
    """Nothing is open, every message was accepted once, of a cancelled run none, and the report says so too."""
    accepted = 0 if leaves is RunStatus.CANCELLED else 1
    message_of = {row.attempt_id: row.message_id for row in house.rows(attempts)}
    by_message = Counter(message_of[line["attempt"]] for line in house.ledger())
    assert by_message == {row.message_id: accepted for row in house.rows(messages) if accepted}
    _nothing_is_open(house)
    _every_message_is_settled(house)
    ledger = Counter(line["channel"] for line in house.ledger())
    assert ledger_differences(make_report(house.rt, house.run_id), ledger) == []


def _nothing_is_open(house: House) -> None:
    for row in house.rows(enrollments):
        assert (row.status in FINAL, row.due_at, row.lease_until, row.claims) == (True, None, None, 0)
    for row in house.rows(attempts):
        assert row.lease_until is None
        assert row.status not in {AttemptStatus.DISPATCHING, AttemptStatus.UNKNOWN}
    assert all(row.processed_at for row in house.inbox())
    assert house.rows(signals) == []


def _every_message_is_settled(house: House) -> None:
    references = {line["attempt"]: line["ref"] for line in house.ledger()}
    heard_of = {from_json(row.payload)["attempt_id"] for row in house.inbox()}
    ends = {row.message_id: "CAMPAIGN_CANCELLED" for row in house.rows(messages)}
    for row in house.rows(attempts):
        if row.attempt_id in references:
            ends[row.message_id] = ARRIVED[row.channel][row.attempt_id in heard_of]
            assert row.provider_ref.partition("/")[0] in {references[row.attempt_id], ""}
    assert {row.message_id: row.disposition for row in house.rows(messages)} == ends
    assert {row.status for row in house.rows(messages)} <= {"settled"}
    filed = Counter(row.message_id for row in house.rows(outcomes) if row.message_id)
    assert filed == dict.fromkeys(ends, 1), "each message under one outcome"


def _picture(house: House) -> dict[str, Any]:
    return {
        "run": house.status(),
        "enrollments": house.counts(),
        "messages": Counter((row.channel, row.status) for row in house.rows(messages)),
        "attempts": Counter(row.status for row in house.rows(attempts)),
        "inbox": Counter((row.processed_at is None, row.tries) for row in house.inbox()),
    }
