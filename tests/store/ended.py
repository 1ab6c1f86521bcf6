"""Runs that are over, written straight into the tables: the people of one, their texts, attempts and outcomes."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from tests.store.builders import NOW, TENANT, new_run, people
from worker.domain.run import RunStatus
from worker.store.codec import millis
from worker.store.tables import attempts, enrollments, messages, outcomes

ENDED = NOW - timedelta(days=100)
TABLES = (enrollments, messages, attempts, outcomes)


def ended_run(store, count=3, tenant=TENANT, texts=2, **changes):
    """A completed run over `count` people, each with so many texts that arrived."""
    life = {"created_at": ENDED - timedelta(days=1), "started_at": ENDED - timedelta(days=1), "finished_at": ENDED}
    at = millis(changes.get("finished_at", ENDED) - timedelta(hours=1))
    run_id = new_run(store, 0, tenant, **{"status": RunStatus.COMPLETED, "enrolled": True} | life | changes)
    rows = [replace(row, contact_id=f"p{number:04}") for number, row in enumerate(people(count))]
    if count and store.get_contact(tenant, "p0000") is None:
        store.create_contacts(tenant, lambda: rows, NOW, by="test")
    own = {"tenant_id": tenant, "run_id": run_id}
    entered = [own | _enrolled(run_id, row.contact_id, at) for row in rows]
    sent = [own | _sent(one, visit, at) for one in entered for visit in range(texts)]
    tried = [own | _tried(one, at) for one in sent]
    filed = [own | _filed(one, at) for one in tried]
    with store.engine.begin() as conn:
        for table, given in zip(TABLES, (entered, sent, tried, filed), strict=True):
            if given:
                conn.execute(table.insert(), [{k: v for k, v in row.items() if k in table.c} for row in given])
    return run_id


def rows_of(store, run_id):
    """What lies in the database of a run, by table."""
    with store.engine.connect() as conn:
        return {
            table.name: sorted(map(tuple, conn.execute(select(table).where(table.c.run_id == run_id)).all()), key=str)
            for table in TABLES
        }


def left_of(store, run_id):
    """How many rows of a run lie in the database; its outcomes are left out, the newest of all stays."""
    return {name: len(rows) for name, rows in rows_of(store, run_id).items() if name != "outcomes"}


def _enrolled(run_id, contact_id, at):
    return {
        "enrollment_id": f"e-{run_id}-{contact_id}",
        "contact_id": contact_id,
        "status": "finished",
        "state": '{"variables":{"ä":1}}',
        "disposition": "SMS_DELIVERED",
        "opted_out": contact_id.endswith("1"),
        "created_at": at,
        "finished_at": at,
    }


def _sent(enrollment, visit, at):
    return {
        "message_id": f"m{visit}-{enrollment['enrollment_id']}",
        "enrollment_id": enrollment["enrollment_id"],
        "contact_id": enrollment["contact_id"],
        "state": "hello",
        "action": "text",
        "visit": visit,
        "channel": "sms",
        "status": "settled",
        "address": "+15550000000",
        "content": '{"body": "hello"}',
        "attempts": 1,
        "disposition": "SMS_DELIVERED",
        "category": "DELIVERED",
        "created_at": at,
        "settled_at": at,
    }


def _tried(message, at):
    return {
        "attempt_id": f"a-{message['message_id']}",
        "message_id": message["message_id"],
        "enrollment_id": message["enrollment_id"],
        "channel": "sms",
        "number": 1,
        "status": "closed",
        "rank": 4,
        "dispatched_at": at,
        "provider": "twilio-sms",
        "provider_ref": f"SM-{message['message_id']}",
    }


def _filed(attempt, at):
    return {
        "enrollment_id": attempt["enrollment_id"],
        "message_id": attempt["message_id"],
        "attempt_id": attempt["attempt_id"],
        "disposition": "SMS_DELIVERED",
        "category": "DELIVERED",
        "at": at,
    }
