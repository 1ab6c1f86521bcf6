"""Steps who is due in the commit that claims what they owe: no lease, no queue, no second commit.

1. Whoever sends on a channel takes the steps that lead there. What these owe on other channels is queued as ever.
2. The rows are locked meanwhile, and their epochs counted up. A step that raises is left to be taken as any other.
3. Such a step is not counted before it is taken. So a process first leaves a *trace*: one that died before it ended its
   trace may have died of somebody's step. For a while nobody takes straight steps in that run; the counted ones
   find out whose it was, and fail it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Integer, Select, Text, bindparam, delete, func, or_, select

from channels.messages import ChannelKind
from worker.store import dialect, outcomes, steps
from worker.store.codec import millis
from worker.store.document_tables import contacts
from worker.store.kept import clock, clock_ms, kept
from worker.store.rows import StepCommit
from worker.store.signals import BULK
from worker.store.stepping import Step
from worker.store.steps import Owed
from worker.store.tables import enrollments as table
from worker.store.tables import messages, tick_leases

COUNTED: Final = timedelta(minutes=10)
"""How long after a death steps are counted: until five claims of ninety seconds each have come to their end."""
LATELY: Final = timedelta(seconds=5)
_DONE: Final = ""
"""Whose trace it is that somebody has ended."""


class Trace(Enum):
    """What a trace tells others."""

    FRESH = auto()
    """Straight steps are taken."""
    COLD = auto()
    """They were, until somebody died: now steps have to be counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Steps that were taken. `owed`: messages to be claimed now; `queued`: channels on which others are queued."""

    stepped: int = 0
    owed: Sequence[Owed] = ()
    queued: frozenset[ChannelKind] = frozenset()


def leave_trace(conn: Connection, tenant_id: str, run_id: str, owner: str, lasts: timedelta) -> bool:
    """Say that this process takes straight steps in a run. False where another one has died of that, or may have."""
    row, now = tick_leases.c, dialect.now_ms(conn)
    of_run = row.name.startswith(_prefix(tenant_id, run_id), autoescape=True)
    forgotten = or_(row.owner == _DONE, row.until <= now - _millis(COUNTED))
    conn.execute(delete(tick_leases).where(of_run, row.until <= now, forgotten))
    if conn.execute(select(row.name).where(of_run, row.owner != owner, row.until <= now)).first() is not None:
        return False
    _write(conn, _prefix(tenant_id, run_id) + owner, owner, lasts)
    return True


def end_trace(conn: Connection, tenant_id: str, run_id: str, owner: str) -> None:
    """Say that it is done, and alive."""
    _write(conn, _prefix(tenant_id, run_id) + owner, _DONE, LATELY)


def traces(conn: Connection, tenant_id: str) -> Mapping[str, Trace]:
    """By run: whether somebody takes straight steps there, or has done so just now, or has died of that."""
    row, prefix, now = tick_leases.c, _prefix(tenant_id, "")[:-1], dialect.now_ms(conn)
    query = select(row.name, row.owner, row.until > now).where(row.name.startswith(prefix, autoescape=True))
    found: dict[str, Trace] = {}
    for name, owner, holds in conn.execute(query.order_by(row.until.desc())).all():
        if holds or owner != _DONE:
            found[name.removeprefix(prefix).partition(":")[0]] = Trace.FRESH if holds else Trace.COLD
    return found


def _write(conn: Connection, name: str, owner: str, lasts: timedelta) -> None:
    until = dialect.now_ms(conn) + _millis(lasts)
    trace = dialect.upsert(conn, tick_leases).values(name=name, owner=owner, until=until)
    conn.execute(trace.on_conflict_do_update(index_elements=["name"], set_={"owner": owner, "until": until}))


def _prefix(tenant_id: str, run_id: str) -> str:
    return f"steps:{tenant_id}:{run_id}:"


def _millis(length: timedelta) -> int:
    return round(length.total_seconds() * 1000)


def take(
    conn: Connection, tenant_id: str, run_id: str, channel: ChannelKind, *, limit: int, now: datetime, step: Step
) -> Taken:
    """Step up to `limit` people of a running run, which the caller has locked, who are due and whom nobody has claimed.

    Their states are written, and what they owe on other channels than this one.
    """
    given = {"of_tenant": tenant_id, "of_run": run_id, "at": millis(now), "most": limit} | clock(conn)
    rows = conn.execute(_due(conn), given).all()
    if not rows:
        return Taken()
    news = steps.news_of(conn, tenant_id, [row.enrollment_id for row in rows])
    claims = steps.readable(tenant_id, rows, news, now)
    written = steps.write_state(conn, [taken for claim in claims if (taken := step(claim)) is not None], now)
    owed = steps.owed_by(conn, written, now)
    elsewhere = [one for one in owed if one.channel != channel]
    steps.owe(conn, elsewhere)
    outcomes.file_steps(conn, written, now)
    steps.forget_news(conn, written)
    here = _as_gates_ask([one for one in owed if one.channel == channel], rows)
    return Taken(
        stepped=len(written),
        owed=_with_earlier_tries(conn, written, here, channel),
        queued=frozenset(ChannelKind(one.channel) for one in elsewhere),
    )


@kept
def _due(conn: Connection) -> Select[Any]:
    row, now = table.c, clock_ms(conn)
    picked = (
        select(*(row[name] for name in steps.OF_ENROLLMENT), row.tenant_id, row.opted_out)
        .where(
            row.tenant_id == bindparam("of_tenant", type_=Text),
            row.run_id == bindparam("of_run", type_=Text),
            row.priority == BULK,
            row.due_at <= bindparam("at", type_=BigInteger),
            row.finished_at.is_(None),
            or_(row.lease_until.is_(None), row.lease_until <= now),
        )
        .order_by(row.due_at)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
        .cte("picked")
        .prefix_with("MATERIALIZED")
    )
    owner = (contacts.c.tenant_id == picked.c.tenant_id) & (contacts.c.contact_id == picked.c.contact_id)
    enrollment = (picked.c[name] for name in steps.OF_ENROLLMENT)
    contact = (contacts.c[name] for name in steps.OF_CONTACT)
    columns = (*enrollment, *contact, picked.c.opted_out, contacts.c.blocked)
    return select(*columns).select_from(picked.outerjoin(contacts, owner))


def _as_gates_ask(owed: Sequence[Owed], rows: Sequence[Any]) -> Sequence[Owed]:
    """With what the gates ask of those who were stepped. Whoever was erased counts as blocked."""
    stopped = {row.enrollment_id: row for row in rows if row.opted_out or row.blocked is not False}
    return [
        one._replace(blocked=row.blocked is not False, opted_out=row.opted_out)
        if (row := stopped.get(one.enrollment_id))
        else one
        for one in owed
    ]


def _with_earlier_tries(
    conn: Connection, written: Sequence[StepCommit], owed: Sequence[Owed], channel: ChannelKind
) -> Sequence[Owed]:
    """Each with the attempts that count at other messages to the same person on this channel."""
    known = (commit.claim.enrollment for commit in written)
    written_to = {one.enrollment_id for one in known if any(note.channel is channel for note in one.messages.values())}
    if not written_to:
        return owed
    given = dialect.ids(conn, "enrollment_id", sorted(written_to)).c
    of_them = (messages.c.enrollment_id == given.enrollment_id) & (messages.c.channel == channel)
    counted = select(func.sum(messages.c.counted)).where(of_them, messages.c.counted > 0).scalar_subquery()
    rows = conn.execute(select(given.enrollment_id, counted)).all()  # each looked up by itself: an index serves it
    tries = {enrollment_id: int(tried) for enrollment_id, tried in rows if tried}
    return [one._replace(counted_elsewhere=tries.get(one.enrollment_id, 0)) for one in owed] if tries else owed
