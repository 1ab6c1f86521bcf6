"""Counts an audience in one statement, whatever its size: the database groups, and sends the groups.

1. Each person is judged once, in a subquery that the planner may not dissolve: written out, its conditions would be
   judged anew for every column.
2. A country is told by the first characters of a number, see `worker.domain.countries`.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
)

from channels.messages import ChannelKind
from worker.domain.audience import Selection
from worker.domain.audience_counts import AudienceCounts, Reach
from worker.domain.countries import PREFIX_LENGTH, country_of_prefix
from worker.store import audiences, dialect, segments
from worker.store.audiences import Window
from worker.store.document_tables import contacts, suppressions
from worker.store.suppressions import EVERY_CHANNEL

_BELONGS: Final = -1
_OUTSIDE: Final = -2
_OPEN, _CLOSED, _NONE = "open", "closed", "none"


def count(
    conn: Connection,
    tenant_id: str,
    selection: Selection,
    *,
    channels: Collection[ChannelKind] = (),
    needed: Collection[tuple[str, ...]] = (),
    window: Window | None = None,
) -> AudienceCounts:
    """Count the people of a selection, or of a window of it.

    `channels`: those a campaign uses; `needed`: paths into what is kept of a person.
    """
    used, needed = [kind for kind in ChannelKind if kind in channels], sorted(needed)
    excluded = audiences.exclusions(conn, tenant_id, selection, window)
    person = _judged(conn, tenant_id, selection, [holds for _, holds in excluded], window)
    belongs = person.c.verdict == _BELONGS
    groups = [
        person.c.verdict,
        case((belongs, func.substr(person.c.phone, 1, PREFIX_LENGTH))),
        case((belongs, person.c.timezone)),
        *(case((belongs, _state(tenant_id, person, channel))) for channel in used),
    ]
    lacks = [func.sum(cast(_lacks(conn, person, path, belongs), Integer)) for path in needed]
    rows: Sequence[Any] = conn.execute(select(func.count(), *lacks, *groups).group_by(*groups)).all()
    return _added_up(rows, used, needed, [reason for reason, _ in excluded])


def lacking(
    conn: Connection,
    tenant_id: str,
    selection: Selection,
    needed: Collection[tuple[str, ...]],
    *,
    parts: int = 20,
    of: int = 1000,
) -> tuple[int, Mapping[tuple[str, ...], int]]:
    """How many people were looked at, and how many of them have nothing at each path.

    Of a large audience so many `parts` `of` so many candidates: a launch does not wait until a million are counted.
    """
    people = 0
    missing: Counter[tuple[str, ...]] = Counter()
    for head in audiences.parts(conn, tenant_id, selection, parts, most=of):
        found = count(conn, tenant_id, selection, needed=needed, window=head)
        people += found.total
        missing.update(found.lacking)
    return people, missing


def _judged(
    conn: Connection,
    tenant_id: str,
    selection: Selection,
    excluded: Sequence[ColumnElement[bool]],
    window: Window | None,
) -> FromClause:
    """Every candidate with a verdict: belongs, is outside of the segment, or which of the reasons keeps them out."""
    outside = [] if selection.include is None else [(not_(segments.holds(conn, selection.include)), literal(_OUTSIDE))]
    reasons = [(holds, literal(place)) for place, holds in enumerate(excluded)]
    verdict = case(*outside, *reasons, else_=_BELONGS) if outside or reasons else literal(_BELONGS)
    row = contacts.c
    person = select(verdict.label("verdict"), row.phone, row.email, row.timezone, row.blocked, row.fields)
    there = (*audiences.candidate(tenant_id, selection, window), *audiences.within(row.contact_id, window))
    return person.where(row.tenant_id == tenant_id, *there).offset(0).subquery()


def _state(tenant_id: str, person: FromClause, channel: ChannelKind) -> ColumnElement[str]:
    """Whether a channel reaches somebody."""
    address = person.c.email if channel is ChannelKind.EMAIL else person.c.phone
    row = suppressions.c
    suppressed = exists().where(
        row.tenant_id == tenant_id, row.address == address, row.channel.in_([channel, EVERY_CHANNEL])
    )
    return case((address == "", _NONE), (or_(person.c.blocked, suppressed), _CLOSED), else_=_OPEN)


def _lacks(
    conn: Connection, person: FromClause, path: tuple[str, ...], belongs: ColumnElement[bool]
) -> ColumnElement[bool]:
    return case((belongs, dialect.kind_at(conn, person.c.fields, path).is_(None)), else_=false())


def _added_up(
    rows: Sequence[Any], used: Sequence[ChannelKind], needed: Sequence[tuple[str, ...]], reasons: Sequence[Any]
) -> AudienceCounts:
    verdicts: Counter[int] = Counter()
    countries: Counter[str] = Counter()
    timezones: Counter[str] = Counter()
    states: Counter[tuple[ChannelKind, str]] = Counter()
    best: Counter[str] = Counter()
    lacking: Counter[tuple[str, ...]] = Counter(dict.fromkeys(needed, 0))
    for row in rows:
        people, verdict = row[0], row[1 + len(needed)]
        verdicts[verdict] += people
        if verdict != _BELONGS:
            continue
        lacking.update(dict(zip(needed, row[1 : 1 + len(needed)], strict=True)))
        prefix, timezone, *by_channel = row[2 + len(needed) :]
        countries[country_of_prefix(prefix)] += people
        timezones[timezone] += people
        states.update(dict.fromkeys(zip(used, by_channel, strict=True), people))
        best[next((state for state in (_OPEN, _CLOSED) if state in by_channel), _NONE)] += people
    return AudienceCounts(
        total=verdicts[_BELONGS],
        outside=verdicts[_OUTSIDE],
        excluded=tuple((reason, verdicts[place]) for place, reason in enumerate(reasons)),
        countries=countries,
        timezones=timezones,
        channels={
            channel: Reach(
                reachable=states[channel, _OPEN],
                suppressed=states[channel, _CLOSED],
                without=states[channel, _NONE],
            )
            for channel in used
        },
        suppressed=best[_CLOSED],
        without=best[_NONE],
        lacking=lacking,
    )
