"""What is asked often, or of large tables, is answered from an index: on SQLite, which has no statistics to go by."""

from collections.abc import Callable

import pytest
from sqlalchemy import event

from tests.store.builders import LEASE, NOW, TENANT
from worker.engine.triggers import Listening
from worker.store import audiences, event_traces
from worker.store.document_tables import contacts
from worker.store.event_people import Person
from worker.store.event_traces import Entering
from worker.store.facade import Store
from worker.store.rows import ContactRow


def ask_of_people(store):
    """What whoever applies an event asks of its person, and of an audience."""
    with store.engine.connect() as conn:
        ann = Entering(person=Person(ContactRow(contact_id="c1", phone="+12025570001")), since=1)
        event_traces.of_people(conn, TENANT, [ann], ["order.placed"], [])
        window = ("a", "b")
        within = audiences.within(contacts.c.contact_id, window)
        event_traces.taken_out(conn, TENANT, Listening(), within, window=window, since=NOW, now=NOW)


LOOKS: dict[str, Callable[[Store], object]] = {
    "attempts by the provider's ids": lambda store: store.facts_by_ref(["SM1", "SM2"], "twilio", TENANT),
    "attempts in doubt to some addresses": lambda store: store.in_doubt(TENANT, ["+12025570001"]),
    "due work": lambda store: store.due_work(TENANT, NOW),
    "what is in the inbox": lambda store: store.inbox_is_waiting(TENANT),
    "a claim of the inbox": lambda store: store.inbox_claim(TENANT, limit=5, lease=LEASE),
    "old news": lambda store: store.purge_inbox(TENANT, NOW, limit=5),
    "attempts of unknown fate": lambda store: store.due_unknown(TENANT, NOW, limit=5),
    "a claim of events": lambda store: store.claim_events(TENANT, limit=5, lease=LEASE),
    "what took people out": ask_of_people,
}
WANTED = {
    "attempts by the provider's ids": {"uq_attempts_provider_ref (provider=? AND provider_ref=?)"},
    "attempts in doubt to some addresses": set(),
    "due work": {
        "ix_enrollments_open (run_id=?)",
        "ix_messages_under_way (run_id=?)",
        "ix_messages_queued (run_id=? AND channel=?)",
        "ix_inbox_open (tenant_id=? AND due_at<?)",
        "ix_messages_watched (status=? AND due_at<?)",
        "ix_events_waiting (tenant_id=? AND due_at<?)",
        "ix_events_received_at (tenant_id=? AND received_at<?)",
        "ix_event_traces_occurred_at (tenant_id=? AND occurred_at<?)",
    },
    "what is in the inbox": {"ix_inbox_open (tenant_id=? AND due_at<?)"},
    "a claim of the inbox": {"ix_inbox_open (tenant_id=? AND due_at<?)"},
    "old news": {"ix_inbox_tenant_id_received_at (tenant_id=? AND received_at<?)"},
    "attempts of unknown fate": {"ix_messages_watched (status=? AND due_at<?)"},
    "a claim of events": {"ix_events_waiting (tenant_id=? AND due_at<?)"},
    "what took people out": {
        "ix_event_traces_named (tenant_id=? AND kind=? AND named=? AND occurred_at>?)",
        "ix_events_waiting (tenant_id=?)",
    },
}


BIG = ("attempts", "messages", "inbox", "enrollments", "events", "event_traces", "contacts")


@pytest.fixture
def sqlite(sqlite_url):
    opened = Store(sqlite_url)
    yield opened
    opened.close()


def plan_of(store, look):
    """The lines of EXPLAIN QUERY PLAN for all that the look asks."""
    asked = []
    event.listen(store.engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    look(store)
    statements = [one for one in asked if one[0].startswith(("SELECT", "WITH", "UPDATE", "DELETE"))]
    with store.engine.connect() as conn:
        return [row.detail for s, given in statements for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {s}", given)]


@pytest.mark.parametrize("name", LOOKS)
def test_what_is_asked_often_is_answered_from_an_index(sqlite, name):
    plan = plan_of(sqlite, LOOKS[name])
    assert {index for index in WANTED[name] if not any(line.endswith(index) for line in plan)} == set()
    scanned = [line for line in plan if line.startswith("SCAN") and "INDEX" not in line]
    assert [line for line in scanned if line.split()[1] in BIG] == []
