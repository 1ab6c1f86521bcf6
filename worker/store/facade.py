"""The store as the rest of the worker sees it: every call is one transaction, retried as a whole where that is safe.

The functions are documented where they are written; here they only get their transaction. A `writes` may raise
CommitUnknown; a `reads` sees one snapshot.
"""

import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, select

from worker.store import (
    alerts,
    archive,
    archived,
    attempts,
    audience_counts,
    audiences,
    cancel,
    changes,
    contact_documents,
    contact_imports,
    contacts,
    dates,
    dialect,
    document_writes,
    documents,
    due,
    enroll,
    enrollments,
    event_effects,
    event_runs,
    events,
    guards,
    imports,
    inbox,
    launches,
    leases,
    messages,
    reports,
    run_changes,
    runs,
    schedules,
    schema,
    search,
    signals,
    straight,
    suppressions,
    terms,
    tokens,
    transactions,
)
from worker.store.codec import moment, new_id

P = ParamSpec("P")
T = TypeVar("T")


def writes(work: Callable[Concatenate[Connection, P], T]) -> Callable[Concatenate["Store", P], T]:
    """A method that runs `work` in a write transaction."""

    @wraps(work)
    def method(self: "Store", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return transactions.write(self.engine, lambda conn: work(conn, *args, **kwargs))

    return method


def reads(work: Callable[Concatenate[Connection, P], T]) -> Callable[Concatenate["Store", P], T]:
    """A method that runs `work` on one snapshot."""

    @wraps(work)
    def method(self: "Store", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return transactions.read(self.engine, lambda conn: work(conn, *args, **kwargs))

    return method


def _now(conn: Connection) -> datetime:
    """The clock that leases are read on."""
    return moment(conn.execute(select(dialect.now_ms(conn))).scalar_one())


class Store:
    """A database. Make one per process, after any fork, and close it. Safe for threads, except in memory.

    `Store("sqlite:///path")`, `Store("postgresql://user@host/name")`, `Store("sqlite://")` in memory.
    `clock_ns` and `new_id`: see `dialect.make_engine`.
    """

    def __init__(
        self, url: str, *, clock_ns: Callable[[], int] = time.time_ns, new_id: Callable[[], str] = new_id
    ) -> None:
        self.engine = dialect.make_engine(url, clock_ns=clock_ns, new_id=new_id)
        self.new_id = new_id

    def close(self) -> None:
        """Release all connections."""
        self.engine.dispose()

    migrate = writes(schema.migrate)
    check_schema = reads(schema.check)
    now = reads(_now)

    def gather_statistics(self, *, of_people: bool = False) -> tuple[str, ...]:
        """Have a planner that needs them look at large tables it knows too little of. Returns the names of those."""
        if not dialect.plans_by_statistics(self.engine):
            return ()
        if of_people:
            self._count_changes()
        return self._gather_statistics(of_people=of_people)

    _count_changes = writes(dialect.count_changes)
    _gather_statistics = writes(dialect.gather_statistics)

    put_documents = writes(documents.put)
    get_document = reads(documents.get)
    find_document = reads(documents.find)
    list_documents = reads(documents.list_of)
    get_documents = reads(documents.get_many)
    create_document = writes(document_writes.create_document)
    save_documents = writes(document_writes.save_documents)
    change_document = writes(document_writes.change_document)
    delete_document = writes(documents.delete)
    search_documents = reads(search.find_documents)
    documents_with_old_terms = reads(documents.with_old_terms)
    put_terms = writes(documents.put_terms)
    term_holders = reads(terms.holders)
    changes_of = reads(changes.of_document)

    create_contacts = writes(contact_documents.create)
    create_contact = writes(document_writes.create_contact)
    taken_contact = reads(contact_documents.taken)
    change_contact = writes(contact_documents.change)
    delete_contact = writes(contact_documents.remove)
    search_contacts = reads(search.find_contacts)

    add_token = writes(tokens.add)
    get_token = reads(tokens.get)
    tokens_of = reads(tokens.of_tenant)
    revoke_token = writes(tokens.revoke)

    import_contacts = writes(contact_imports.import_batch)
    import_has_come_to = reads(imports.come_to)
    finish_import = writes(imports.finish)
    get_contact = reads(contacts.get)
    find_contacts = reads(contacts.find)
    block_contact = writes(contacts.block)
    contact_fields = reads(contacts.field_names)
    list_size = reads(contacts.list_size)

    suppress = writes(suppressions.add)
    unsuppress = writes(suppressions.remove)

    create_run = writes(launches.create)
    start_draft = writes(launches.start_draft)
    get_run = reads(runs.get)
    find_runs = reads(runs.find)
    change_run_status = writes(runs.change_status)
    fire_run = writes(schedules.fire)
    give_up_run = writes(schedules.give_up)
    move_run = writes(schedules.move)
    dates_looked_at = writes(dates.looking)
    dated_people = reads(dates.window)
    enroll_dated = writes(dates.enroll)
    finish_look = writes(dates.finish_look)
    audience_size = reads(audiences.size)
    count_audience = reads(audience_counts.count)
    audience_sample = reads(audiences.sample)
    audience_lacking = reads(audience_counts.lacking)
    audience_is_over = reads(audiences.is_over)
    audience_has = reads(audiences.anybody_with)
    segment_leaves_out = reads(audiences.left_out)
    nobody_has = reads(audiences.nobody_has)
    enroll_chunk = writes(enroll.enroll_chunk)
    pass_canary = writes(enroll.pass_canary)
    close_run = writes(runs.close)
    note_run = writes(runs.note)
    run_changes = reads(run_changes.of_run)
    finish_run_if_done = writes(runs.finish_if_done)
    cancel_chunk = writes(cancel.cancel_chunk)
    in_flight = reads(runs.in_flight)

    claim_enrollments = writes(enrollments.claim)
    commit_steps = writes(enrollments.commit)
    signal = writes(signals.post)
    enrollments_awaiting = reads(reports.awaiting)

    claim_messages = writes(messages.claim)
    leave_trace = writes(straight.leave_trace)
    end_trace = writes(straight.end_trace)
    attempt_facts = reads(attempts.facts)
    facts_by_ref = reads(attempts.facts_by_ref)
    in_doubt = reads(attempts.in_doubt)
    settle = writes(archived.settle)

    due_work = reads(due.due_work)
    stale_dispatching = reads(attempts.stale_dispatching)
    due_unknown = reads(attempts.due_unknown)
    silent_accepted = reads(attempts.silent_accepted)
    held = reads(attempts.held)

    guard_news = reads(guards.news)
    commit_guard = writes(guards.commit)

    add_alert = writes(alerts.add)
    claim_alerts = writes(alerts.claim)
    note_told = writes(alerts.note_told)
    alerts_of_run = reads(alerts.of_run)

    inbox_add = writes(inbox.add)
    inbox_is_waiting = reads(inbox.is_waiting)
    inbox_claim = writes(inbox.claim)
    inbox_done = writes(inbox.done)
    inbox_defer = writes(inbox.defer)
    purge_inbox = writes(inbox.purge)

    accept_events = writes(events.accept)
    events_are_waiting = reads(events.is_waiting)
    claim_events = writes(events.claim)
    apply_events = writes(event_effects.apply)
    defer_event = writes(events.defer)
    list_events = reads(events.of_tenant)
    get_event = reads(events.get)
    replay_events = writes(events.replay)
    count_unread_events = reads(events.count_unread)
    purge_events = writes(events.purge)
    listening_runs = reads(event_runs.under_way)

    lease_is_free = reads(leases.is_free)
    take_lease = writes(leases.take)

    archive_state = reads(archive.state)
    archive_candidates = reads(archive.candidates)
    begin_archive = writes(archive.begin)
    read_for_archive = reads(archive.read)
    seal_archive = writes(archive.seal)
    abandon_archive = writes(archive.abandon)
    drop_archived = writes(archive.drop)
    finish_archive = writes(archive.finish)

    run_report = reads(reports.run_report)
    run_progress = reads(reports.progress)
    history = reads(reports.history)
