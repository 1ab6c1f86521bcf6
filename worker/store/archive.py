"""Moves the rows of old runs out of the database: which may leave, in which steps, and what stays because others ask.

1. A run may leave when it has ended, nothing of it is open, and nobody can ask who its people were: no run that is
   under way or waits excludes them; of a campaign that takes events or dates a person enters once, so its runs stay
   until it is deleted; and no attempt in doubt is as old, which the provider's record of one of its own could be taken
   for.
2. It is *begun*, *sealed*, *dropped*, each in one commit. From the first on news changes nothing of its rows any more
   (`archived.settle`): what is read later is what was read before. Only what is sealed is deleted.
3. Rows are read and deleted a few hundred people at a time, with all that is theirs; each step may be repeated. Who was
   contacted when is remembered in the commit that deletes it.
4. The run itself stays, with its definitions, its changes and its counts. So does the newest outcome of all: SQLite
   would give its number to the next one, and guards go by the numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, delete, exists, func, select, true, tuple_

from worker.domain.run import FINAL_RUN, RunStatus
from worker.store import dialect, documents, runs
from worker.store.archived import report_as_json
from worker.store.audiences import LEFT
from worker.store.codec import from_json, millis, to_json
from worker.store.dialect import fixed_list
from worker.store.document_rows import DocumentType
from worker.store.errors import CannotArchive, NotFound
from worker.store.rows import RunReport
from worker.store.tables import UNRESOLVED, attempts, enrollments, last_contacts, messages, outcomes, signals
from worker.store.tables import runs as table

TABLES: Final[Mapping[str, Table]] = {one.name: one for one in (enrollments, messages, attempts, outcomes)}
"""Whose rows an archive holds."""

Cursor = tuple[str, str]
"""After which contact and entry to go on."""
START: Final[Cursor] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an archive is: a folder on a host. `token` tells one attempt to write it from another."""

    folder: str
    host: str
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the file of one table holds. `sha256`: of its rows, as they are read back from it."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveState:
    """How far the archive of a run is. `place` None: not begun. `contents` empty: not sealed."""

    place: Place | None = None
    contents: Mapping[str, Content] = field(default_factory=dict)
    dropped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some people of a run with all that is theirs: rows by table, the columns as the table has them."""

    rows: Mapping[str, Sequence[tuple[Any, ...]]]
    last: Cursor


def state(conn: Connection, tenant_id: str, run_id: str) -> ArchiveState:
    """How far its archive is. Raises NotFound."""
    query = select(table.c.archive).where(table.c.tenant_id == tenant_id, table.c.run_id == run_id)
    found = conn.execute(query).scalar()
    if found is None:
        raise NotFound("run", run_id)
    return _state(found)


def candidates(conn: Connection, tenant_id: str, before: datetime) -> list[str]:
    """The runs that ended before then, the oldest first, whose rows are still here."""
    row = table.c
    query = select(row.run_id, row.archive).where(
        row.tenant_id == tenant_id,
        row.status.in_(FINAL_RUN),
        row.started_at.is_not(None),
        row.finished_at < millis(before),
    )
    found = conn.execute(query.order_by(row.finished_at, row.run_id)).all()
    return [run.run_id for run in found if not _state(run.archive).dropped]


def begin(conn: Connection, tenant_id: str, run_id: str, place: Place) -> None:
    """Let nothing change the rows of a run any more. Begun anew, an attempt that was cut short seals nothing.

    Raises NotFound, CannotArchive with the reason.
    """
    row = runs.require(conn, tenant_id, run_id)
    if reason := next(_obstacles(conn, row), ""):
        raise CannotArchive(run_id, reason)
    conn.execute(runs.this(tenant_id, run_id).values(archive=to_json({"place": asdict(place)})))


def _obstacles(conn: Connection, row: Row[Any]) -> Iterator[str]:
    if row.archived_at is not None:
        yield "its rows are in an archive already"
    if RunStatus(row.status) not in FINAL_RUN:
        yield f"it is {row.status}; only what is completed, cancelled or failed can be archived"
    if row.finished_at is None or runs.has_open_work(conn, row.tenant_id, row.run_id):
        yield "not all of its people and messages have come to their end; `campaigns status` shows what is open"
    if row.started_at is None:
        yield "it was never started, there is nothing to archive"
    if _in_doubt(conn, row.tenant_id, attempts.c.run_id == row.run_id):
        yield "an attempt of it may or may not have left; `campaigns holds list` shows what is held"
    if row.open_ended and not _is_deleted(conn, row):
        yield (
            f"campaign {row.campaign_id} knows by it who has been in before, and would take them in again;"
            " delete the campaign first"
        )
    if other := _who_excludes(conn, row):
        yield f"{other} leaves its people out and has not ended; archive it after that"
    if _in_doubt(conn, row.tenant_id, attempts.c.dispatched_at <= row.finished_at):
        yield (
            "an older attempt of another run is in doubt, and is told apart by its attempts;"
            " settle that one first: campaigns holds list"
        )


def _in_doubt(conn: Connection, tenant_id: str, which: Any) -> bool:
    unresolved = attempts.c.status.in_(fixed_list(UNRESOLVED))  # the words of the index
    return bool(conn.execute(select(exists().where(attempts.c.tenant_id == tenant_id, unresolved, which))).scalar())


def _is_deleted(conn: Connection, row: Row[Any]) -> bool:
    campaign = documents.get(conn, row.tenant_id, DocumentType.CAMPAIGN, row.campaign_id)
    return campaign is not None and campaign.deleted


def _who_excludes(conn: Connection, row: Row[Any]) -> str:
    """A run that has not ended and leaves out the people of this one; "": there is none."""
    others = select(table.c.run_id, table.c.selection).where(
        table.c.tenant_id == row.tenant_id, table.c.finished_at.is_(None)
    )
    for other in conn.execute(others).all():
        if row.run_id in from_json(other.selection).get("excludeRuns", ()):
            return f"run {other.run_id}"
    return ""


def read(conn: Connection, tenant_id: str, run_id: str, *, after: Cursor, size: int) -> Batch | None:
    """The next people of a run, so many at most, with all that is theirs; None: there are no more."""
    people = _people(conn, tenant_id, run_id, after, size)
    if not people:
        return None
    mine = _theirs(conn, enrollments, "enrollment_id", [one.enrollment_id for one in people], tenant_id)
    of_people = [one.enrollment_id for one in people]
    sent = _theirs(conn, messages, "enrollment_id", of_people, tenant_id)
    tried = _theirs(conn, attempts, "message_id", [one.message_id for one in sent], tenant_id)
    filed = _theirs(conn, outcomes, "enrollment_id", of_people, tenant_id)
    found = {"enrollments": mine, "messages": sent, "attempts": tried, "outcomes": filed}
    return Batch(rows={name: [tuple(row) for row in rows] for name, rows in found.items()}, last=_end(people))


def _people(conn: Connection, tenant_id: str, run_id: str, after: Cursor, size: int) -> list[Row[str, str, str]]:
    row = enrollments.c
    query = select(row.enrollment_id, row.contact_id, row.entry).where(
        row.tenant_id == tenant_id, row.run_id == run_id, tuple_(row.contact_id, row.entry) > tuple_(*after)
    )
    return list(conn.execute(query.order_by(row.contact_id, row.entry).limit(size)).all())


def _end(people: Sequence[Row[str, str, str]]) -> Cursor:
    return people[-1].contact_id, people[-1].entry


def _theirs(conn: Connection, of: Table, column: str, ids: Sequence[str], tenant_id: str) -> Sequence[Row[Any]]:
    given = dialect.ids(conn, column, ids)
    [key] = of.primary_key.columns
    query = select(of).where(of.c[column].in_(select(given.c[column])), of.c.tenant_id == tenant_id)
    return conn.execute(query.order_by(key)).all()


def seal(
    conn: Connection,
    tenant_id: str,
    run_id: str,
    now: datetime,
    *,
    place: Place,
    contents: Mapping[str, Content],
    counts: RunReport,
    by: str,
) -> None:
    """From now on the run is what its files say. Raises NotFound, CannotArchive where somebody else has begun anew."""
    row = runs.require(conn, tenant_id, run_id)
    if row.archived_at is not None or _state(row.archive).place != place:
        raise CannotArchive(run_id, "somebody else has begun to archive it meanwhile")
    kept = {"place": asdict(place), "contents": {name: asdict(one) for name, one in contents.items()}}
    archive = to_json(kept | {"counts": report_as_json(counts)})
    conn.execute(runs.this(tenant_id, run_id).values(archive=archive, archived_at=millis(now)))
    runs.note(conn, tenant_id, run_id, now, reason=f"archived in {place.folder} on {place.host}", by=by)


def abandon(conn: Connection, tenant_id: str, run_id: str, place: Place) -> bool:
    """Forget an archive that was begun and came to nothing; the run is as it was. False: it is sealed, or another's."""
    row = runs.require(conn, tenant_id, run_id)
    ours = row.archived_at is None and _state(row.archive).place == place
    if ours:
        conn.execute(runs.this(tenant_id, run_id).values(archive="{}"))
    return ours


def drop(conn: Connection, tenant_id: str, run_id: str, *, after: Cursor, size: int) -> Cursor | None:
    """Delete the next people of a sealed run, so many at most, with all that is theirs. None: nobody was left.

    Where it goes on from is only to save time: begun anew, it finds who is still there.
    """
    sealed = select(table.c.archived_at).where(table.c.tenant_id == tenant_id, table.c.run_id == run_id)
    if conn.execute(sealed).scalar() is None:
        raise CannotArchive(run_id, "its archive is not sealed, nothing of it may be deleted")
    people = _people(conn, tenant_id, run_id, after, size)
    if not people:
        return None
    of_people = [one.enrollment_id for one in people]
    sent = [row.message_id for row in _theirs(conn, messages, "enrollment_id", of_people, tenant_id)]
    _remember_contacts(conn, tenant_id, sent)
    _delete(conn, attempts, "message_id", sent, tenant_id)
    _delete(conn, messages, "message_id", sent, tenant_id)
    _delete(conn, outcomes, "enrollment_id", of_people, tenant_id)
    _delete(conn, signals, "enrollment_id", of_people, tenant_id)
    _delete(conn, enrollments, "enrollment_id", of_people, tenant_id)
    return _end(people)


def _delete(conn: Connection, of: Table, column: str, ids: Sequence[str], tenant_id: str) -> None:
    given = dialect.ids(conn, column, ids)
    rows = delete(of).where(of.c[column].in_(select(given.c[column])), of.c.tenant_id == tenant_id)
    if of is outcomes:
        rows = rows.where(of.c.outcome_id < select(func.max(of.c.outcome_id)).scalar_subquery())
    conn.execute(rows)


def _remember_contacts(conn: Connection, tenant_id: str, message_ids: Sequence[str]) -> None:
    """When they were contacted last, whatever is known of it already. Rows are locked in one order."""
    given = dialect.ids(conn, "message_id", message_ids)
    last = (
        select(messages.c.tenant_id, messages.c.contact_id, func.max(attempts.c.dispatched_at).label("at"))
        .join_from(messages, attempts, attempts.c.message_id == messages.c.message_id)
        .where(messages.c.message_id.in_(select(given.c.message_id)), messages.c.tenant_id == tenant_id)
        .where(attempts.c.status.in_(LEFT))
        .group_by(messages.c.tenant_id, messages.c.contact_id)
        .order_by(messages.c.contact_id)
        .subquery("last")
    )
    names = ("tenant_id", "contact_id", "at")
    insert = dialect.upsert(conn, last_contacts).from_select(names, select(last).where(true()))
    row, new = last_contacts.c, insert.excluded
    conn.execute(
        insert.on_conflict_do_update(
            index_elements=["tenant_id", "contact_id"], set_={"at": new.at}, where=row.at < new.at
        )
    )


def finish(conn: Connection, tenant_id: str, run_id: str) -> None:
    """Note that nothing of a sealed run is left here."""
    row = runs.require(conn, tenant_id, run_id)
    archive = to_json(from_json(row.archive) | {"dropped": True})
    conn.execute(runs.this(tenant_id, run_id).values(archive=archive))


def _state(text: str) -> ArchiveState:
    kept = from_json(text)
    return ArchiveState(
        place=Place(**kept["place"]) if "place" in kept else None,
        contents={name: Content(**one) for name, one in kept.get("contents", {}).items()},
        dropped=kept.get("dropped", False),
    )
