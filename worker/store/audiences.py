"""Who belongs to a selection: as conditions on contacts, as windows in which they are enrolled, and as counts.

1. Candidates are the members of the lists, or all contacts. Who of them belongs is judged in a window of the primary
   key, so that each chunk of an enrollment costs the same however few belong. Every table that is asked about a window
   is asked within it: else a planner may read a list of a million for two thousand people.
2. Whoever is left out is counted once, under the first reason that applies; the counts add up to the candidates.
3. Nobody without an address is left out: they are counted, enrolled, and end with a reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, exists, func, not_, or_, select, union

from worker.domain.attempt import AttemptStatus
from worker.domain.audience import Selection
from worker.domain.audience_counts import Excluded, Exclusion
from worker.domain.search import Query
from worker.store import dialect, segments
from worker.store.codec import millis
from worker.store.contacts import contact_of
from worker.store.document_tables import LIVE_CONTACT, contact_list_members, contacts
from worker.store.rows import ContactRow
from worker.store.tables import attempts, enrollments, last_contacts, messages

Condition = ColumnElement[bool]

CLOCKS_DIFFER_MS: Final = 2000
"""Who came to a list, and who launches over it, may read the database's clock so differently: whoever was imported just
before a launch belongs. So may somebody who was imported in the same two seconds."""

Window = tuple[str, str]
"""After this contact id, up to and with that one."""

LEFT: Final = tuple(status for status in AttemptStatus if status not in (AttemptStatus.REFUSED, AttemptStatus.NOT_SENT))
"""Attempts that reached somebody, or may have."""


def bound(conn: Connection, tenant_id: str, selection: Selection, after: str, size: int) -> tuple[str, int]:
    """The last of the next `size` candidates after this contact id, and how many there are: fewer only at the end."""
    window = _candidates(tenant_id, selection, after, size).subquery("window")
    last, candidates = conn.execute(select(func.max(window.c.contact_id), func.count())).one()
    return last or "", candidates


def candidates(conn: Connection, tenant_id: str, selection: Selection) -> int:
    """How many candidates there are, those who came after the selection's moment among them."""
    if not selection.lists:
        people = select(func.count()).select_from(contacts).where(contacts.c.tenant_id == tenant_id)
        return conn.execute(people).scalar_one()
    member = contact_list_members.c
    one_each = func.count() if len(selection.lists) == 1 else func.count(member.contact_id.distinct())
    members = select(one_each).where(member.tenant_id == tenant_id, member.contact_list_id.in_(selection.lists))
    return conn.execute(members).scalar_one()


def is_over(conn: Connection, tenant_id: str, selection: Selection, most: int) -> bool:
    """Whether more people than that belong; no more of them are looked at."""
    belonging = _belonging(conn, tenant_id, selection).limit(most + 1).subquery()
    return conn.execute(select(func.count()).select_from(belonging)).scalar_one() > most


def left_out(conn: Connection, tenant_id: str, include: Query, share: float) -> tuple[int, int]:
    """How many contacts there are, and how many of them a segment leaves out; past this share no more are counted."""
    people = select(func.count()).select_from(contacts).where(contacts.c.tenant_id == tenant_id, LIVE_CONTACT)
    contacts_in_all = conn.execute(people).scalar_one()
    outside = select(contacts.c.contact_id).where(
        contacts.c.tenant_id == tenant_id, LIVE_CONTACT, not_(segments.holds(conn, include))
    )
    counted = outside.limit(int(contacts_in_all * share) + 1).subquery()
    return contacts_in_all, conn.execute(select(func.count()).select_from(counted)).scalar_one()


def anybody_with(conn: Connection, tenant_id: str, selection: Selection, path: Sequence[str]) -> bool:
    """Whether somebody who belongs has something at this path of what is kept of them."""
    has_it = dialect.kind_at(conn, contacts.c.fields, path).is_not(None)
    return conn.execute(_belonging(conn, tenant_id, selection).where(has_it).limit(1)).first() is not None


def nobody_has(conn: Connection, tenant_id: str, names: Iterable[str]) -> tuple[str, ...]:
    """Which of these attributes no contact has: most often a slip of the pen."""
    return tuple(
        name
        for name in dict.fromkeys(names)
        if conn.execute(
            select(contacts.c.contact_id)
            .where(contacts.c.tenant_id == tenant_id, LIVE_CONTACT, segments.has_attribute(conn, name))
            .limit(1)
        ).first()
        is None
    )


def _belonging(conn: Connection, tenant_id: str, selection: Selection) -> Select[str]:
    holds = conditions(conn, tenant_id, selection)
    return select(contacts.c.contact_id).where(contacts.c.tenant_id == tenant_id, *holds)


def _candidates(tenant_id: str, selection: Selection, after: str, size: int) -> Select[str]:
    """Each list is walked by its key and no further than it must be, so the union costs `size` rows of each."""
    if not selection.lists:
        contact = contacts.c
        ids = select(contact.contact_id).where(contact.tenant_id == tenant_id, contact.contact_id > after)
        if selection.people:
            ids = ids.where(contact.contact_id.in_(selection.people))
        return ids.order_by(contact.contact_id).limit(size)
    walks = [_walk(tenant_id, list_id, after, size) for list_id in selection.lists]
    if len(walks) == 1:
        return walks[0]
    merged = union(*(select(walk.subquery()) for walk in walks)).subquery("merged")
    return select(merged.c.contact_id).order_by(merged.c.contact_id).limit(size)


def _walk(tenant_id: str, list_id: str, after: str, size: int) -> Select[str]:
    member = contact_list_members.c
    ids = select(member.contact_id).where(
        member.tenant_id == tenant_id, member.contact_list_id == list_id, member.contact_id > after
    )
    return ids.order_by(member.contact_id).limit(size)


def size(conn: Connection, tenant_id: str, selection: Selection) -> int:
    """How many people belong."""
    belonging = _belonging(conn, tenant_id, selection).subquery()
    return conn.execute(select(func.count()).select_from(belonging)).scalar_one()


def conditions(conn: Connection, tenant_id: str, selection: Selection, window: Window | None = None) -> list[Condition]:
    """What must hold of a contact of this tenant for it to belong. `window`: where the caller looks."""
    belongs = [*candidate(tenant_id, selection, window)]
    if selection.include is not None:
        belongs.append(segments.holds(conn, selection.include))
    return belongs + [not_(one) for _, either in _reasons(conn, tenant_id, selection, window) for one in either]


def candidate(tenant_id: str, selection: Selection, window: Window | None = None) -> list[Condition]:
    """That a contact is on one of the lists, or is there at all, since the selection's moment at the latest."""
    at = millis(selection.as_of) + CLOCKS_DIFFER_MS
    if selection.people:
        return [LIVE_CONTACT, contacts.c.contact_id.in_(selection.people)]
    if not selection.lists:
        return [LIVE_CONTACT, contacts.c.created_at <= at]
    member = contact_list_members.c
    on_a_list = select(member.contact_id).where(
        member.tenant_id == tenant_id,
        member.contact_list_id.in_(selection.lists),
        member.added_at <= at,
        *within(member.contact_id, window),
    )
    return [LIVE_CONTACT, contacts.c.contact_id.in_(on_a_list)]


def exclusions(
    conn: Connection, tenant_id: str, selection: Selection, window: Window | None = None
) -> list[tuple[Excluded, Condition]]:
    """What keeps a candidate out, the first reason first."""
    return [(reason, or_(*either)) for reason, either in _reasons(conn, tenant_id, selection, window)]


def _reasons(
    conn: Connection, tenant_id: str, selection: Selection, window: Window | None
) -> Iterator[tuple[Excluded, Sequence[Condition]]]:
    """The same, each in parts of which one is enough: a planner makes no join of NOT (EXISTS … OR EXISTS …)."""
    for list_id in selection.exclude_lists:
        yield Excluded(Exclusion.LIST, list_id), [_on_list(conn, tenant_id, list_id, window)]
    if selection.exclude is not None:
        yield Excluded(Exclusion.SEGMENT), [segments.holds(conn, selection.exclude)]
    for run_id in selection.exclude_runs:
        yield Excluded(Exclusion.RUN, run_id), [_in_run(conn, tenant_id, run_id, window)]
    if selection.contacted_since is not None:
        since = millis(selection.contacted_since)
        contacted = [_contacted(conn, tenant_id, since, window), _contacted_before(conn, tenant_id, since, window)]
        yield Excluded(Exclusion.CONTACTED), contacted


def sample(conn: Connection, tenant_id: str, selection: Selection, count: int) -> list[ContactRow]:
    """So many people who belong, spread over the candidates; the same ones each time."""
    picked = [first_of(conn, tenant_id, selection, part, count) for part in parts(conn, tenant_id, selection, count)]
    by_turn = [rows[turn] for turn in range(count) for rows in picked if turn < len(rows)]
    return sorted(by_turn[:count], key=lambda row: row.contact_id)


def parts(conn: Connection, tenant_id: str, selection: Selection, count: int, *, most: int = 0) -> Iterator[Window]:
    """The candidates in so many parts of about the same size. `most`: only so many at the head of each; 0: all."""
    step = max(1, -(-candidates(conn, tenant_id, selection) // count))
    head = min(step, most or step)
    after = ""
    while last := bound(conn, tenant_id, selection, after, step)[0]:
        yield after, last if head == step else bound(conn, tenant_id, selection, after, head)[0]
        after = last


def first_of(conn: Connection, tenant_id: str, selection: Selection, window: Window, count: int) -> list[ContactRow]:
    """The first people who belong in a window, so many at most."""
    holds = conditions(conn, tenant_id, selection, window)
    query = select(contacts).where(contacts.c.tenant_id == tenant_id, *within(contacts.c.contact_id, window), *holds)
    return [contact_of(row) for row in conn.execute(query.order_by(contacts.c.contact_id).limit(count)).all()]


def within(contact_id: ColumnElement[str], window: Window | None) -> Sequence[Condition]:
    """That a contact is in the window, if there is one."""
    return () if window is None else (contact_id > window[0], contact_id <= window[1])


def _on_list(conn: Connection, tenant_id: str, list_id: str, window: Window | None) -> Condition:
    member = contact_list_members.c
    return exists().where(
        member.tenant_id == tenant_id,
        member.contact_list_id == list_id,
        member.contact_id == contacts.c.contact_id,
        *dialect.narrowed(conn, member.contact_id, window),
    )


def _in_run(conn: Connection, tenant_id: str, run_id: str, window: Window | None) -> Condition:
    row = enrollments.c
    return exists().where(
        row.tenant_id == tenant_id,
        row.run_id == run_id,
        row.contact_id == contacts.c.contact_id,
        *dialect.narrowed(conn, row.contact_id, window),
    )


def _contacted(conn: Connection, tenant_id: str, since: int, window: Window | None) -> Condition:
    return exists().where(
        messages.c.tenant_id == tenant_id,
        messages.c.contact_id == contacts.c.contact_id,
        *dialect.narrowed(conn, messages.c.contact_id, window),
        attempts.c.message_id == messages.c.message_id,
        attempts.c.dispatched_at >= since,
        attempts.c.status.in_(LEFT),
    )


def _contacted_before(conn: Connection, tenant_id: str, since: int, window: Window | None) -> Condition:
    """The same by runs that are archived."""
    row = last_contacts.c
    return exists().where(
        row.tenant_id == tenant_id,
        row.contact_id == contacts.c.contact_id,
        *dialect.narrowed(conn, row.contact_id, window),
        row.at >= since,
    )
