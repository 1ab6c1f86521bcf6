"""Launches: runs are made, and drafts started.

1. Of two equal launches at once one is refused: they wait for one another.
2. The start of a run is one transaction with its first change, and with what it is of as it starts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace as replaced
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from worker.domain.run import UNDER_WAY, Run, RunStatus
from worker.store import archived, dialect, documents, run_changes, runs
from worker.store.codec import millis, millis_or_none, to_json
from worker.store.document_rows import Document, DocumentType
from worker.store.errors import AlreadyListening, AlreadyRunning, AlreadyStarted
from worker.store.tables import runs as table


def create(
    conn: Connection,
    run: Run,
    *,
    saving: Sequence[Document] = (),
    by: str = "",
    reason: str = "",
    again: bool = False,
    replace: bool = False,
) -> None:
    """Record a launch and save the documents that come with it, in the name of `by`. Nobody is enrolled yet.

    Raises NameTaken, NotFound for a campaign deleted meanwhile, PeopleArchived, and AlreadyRunning unless `again`: of
    two equal launches at once one is refused. `replace`: this run listens from now on, the one that did is closed.
    """
    if run.status in UNDER_WAY or run.status is RunStatus.SCHEDULED:
        _refuse_a_second(conn, run, again=again, replace=replace, by=by)
    if saving:
        documents.put(conn, run.tenant_id, saving, run.created_at, by=by)
    documents.require_not_deleted(conn, run.tenant_id, DocumentType.CAMPAIGN, run.campaign_id)
    insert_run(conn, run, by=by, reason=reason)


def insert_run(conn: Connection, run: Run, *, by: str, reason: str = "") -> bool:
    """Write a new run. False if its series has this occurrence already. Raises PeopleArchived."""
    require_people(conn, run)
    insert = dialect.upsert(conn, table).values(
        run_id=run.run_id,
        tenant_id=run.tenant_id,
        campaign_id=run.campaign_id,
        status=run.status,
        **snapshot_columns(run),
        enrolled=run.enrolled,
        open_ended=run.open_ended,
        urgent=run.urgent,
        series=run.series,
        next_at=millis_or_none(run.next_at),
        created_at=millis(run.created_at),
        started_at=millis_or_none(run.started_at),
        finished_at=millis_or_none(run.finished_at),
    )
    if run.series:
        insert = insert.on_conflict_do_nothing()
    if conn.execute(insert.returning(table.c.run_id)).first() is None:
        return False
    run_changes.add(conn, run.tenant_id, run.run_id, run.created_at, by=by, after=run.status, reason=reason)
    return True


def require_people(conn: Connection, run: Run) -> None:
    """Raise PeopleArchived where a run leaves out people of one that is archived, or is being archived."""
    archived.require_people(conn, run.tenant_id, run.selection.get("excludeRuns", ()))


def snapshot_columns(run: Run) -> dict[str, Any]:
    """What a run is of, and over whom; a draft and a scheduled run have it written anew when they start."""
    return {
        "campaign": to_json(run.campaign),
        "workflows": to_json(run.workflows),
        "dispositions": to_json(run.dispositions),
        "options": to_json(run.options),
        "contact_list_id": run.contact_list_id,
        "selection": to_json(run.selection),
        "guarding": to_json(run.guarding),
        "canary": run.canary,
        "occurrence": millis_or_none(run.occurrence),
    }


def start_draft(
    conn: Connection,
    run: Run,
    now: datetime,
    *,
    by: str,
    reason: str = "",
    again: bool = False,
    replace: bool = False,
) -> None:
    """Start a draft with these options and this canary; `again` and `replace` as for a launch.

    Raises NotFound, AlreadyStarted, AlreadyRunning, AlreadyListening, PeopleArchived.
    """
    row = runs.require(conn, run.tenant_id, run.run_id)
    if row.status != RunStatus.DRAFT:
        raise AlreadyStarted(run.run_id, RunStatus(row.status))
    started = replaced(run, status=RunStatus.RUNNING, created_at=now)
    _refuse_a_second(conn, started, again=again, replace=replace, by=by)
    documents.require_not_deleted(conn, run.tenant_id, DocumentType.CAMPAIGN, run.campaign_id)
    require_people(conn, run)
    conn.execute(runs.this(run.tenant_id, run.run_id).values(**snapshot_columns(run)))
    runs.write_status(conn, row, RunStatus.RUNNING, now, by=by, reason=reason)


def _refuse_a_second(conn: Connection, run: Run, *, again: bool, replace: bool, by: str) -> None:
    dialect.serialize(conn, f"launch:{run.tenant_id}:{run.campaign_id}")
    rivals = (RunStatus.SCHEDULED,) if run.status is RunStatus.SCHEDULED else UNDER_WAY
    for other in runs.find(conn, run.tenant_id, run.campaign_id, rivals):
        if other.open_ended and run.open_ended and not other.enrolled:
            if not replace:
                raise AlreadyListening(other.run_id, other.status, "events" if other.urgent else "dates")
            runs.close(conn, run.tenant_id, other.run_id, run.created_at, by=by, reason=f"{run.run_id} took its place")
        elif not again and not (run.open_ended or other.open_ended) and _same_audience(run, other):
            raise AlreadyRunning(other.run_id, other.status)


def _same_audience(run: Run, other: Run) -> bool:
    return audience_key(run.selection, run.contact_list_id) == audience_key(other.selection, other.contact_list_id)


def audience_key(selection: Mapping[str, Any], contact_list_id: str = "") -> tuple[Any, ...]:
    """What makes two launches the same mistake: the same lists and the same segment."""
    lists = selection.get("lists") or ([] if selection else [contact_list_id])
    return (sorted(selection.get("people", [])), sorted(lists), selection.get("segment", ""))
