"""No more leave than the rate allows, however many claim at once, and nobody waits for a claim that has room."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from tests.store.builders import TENANT, claim_texts, queued_run
from worker.store import pacing, rates, transactions
from worker.store.rows import Rate
from worker.store.tables import attempts, messages

RATE = Rate(per_second=0.001, burst=30)


def written(store, table, **where):
    with store.engine.connect() as conn:
        return len(conn.execute(select(table).filter_by(**where)).all())


def test_workers_that_claim_at_once_send_no_more_than_the_rate_allows(store):
    run_id = queued_run(store, 100)

    def drain(_):
        return sum(len(claim_texts(store, run_id, 7, rate=RATE).attempts) for _ in range(6))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(drain, range(4))) == 30
    assert (written(store, attempts), written(store, messages, status="queued")) == (30, 70)


@pytest.mark.parametrize("burst", [3, 30])
def test_what_the_rate_does_not_allow_is_not_written(store, burst):
    run_id = queued_run(store, 10)

    claimed = claim_texts(store, run_id, rate=Rate(per_second=0.001, burst=burst))

    assert len(claimed.attempts) == written(store, attempts) == min(burst, 10)
    assert (claimed.retry_at is None) == (burst == 30)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)  # SQLite has one writer: nobody can be
def test_where_somebody_else_was_faster_what_was_written_is_taken_back(store):
    queued_run(store, 4)
    tried = []

    def write(go):
        if not tried:
            with store.engine.begin() as other:
                other.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
                rates.take(other, TENANT, "twilio/sms/+1", Rate(per_second=0.001, burst=4), 3)
        tried.append(len(go))
        conn.execute(messages.update().values(attempts=messages.c.attempts + len(go)))

    with store.engine.begin() as conn:
        rows = conn.execute(select(messages)).all()
        few = Rate(per_second=0.001, burst=4, sender="+1")
        _, granted, retry_at = pacing.paced(conn, TENANT, "twilio/sms", rows, rate=few, write=write)

    assert (tried, granted, retry_at is None) == ([4, 1], 1, False)
    assert written(store, messages, attempts=1) == 4


def test_a_bucket_with_room_for_all_is_taken_after_all_is_written(store):
    queued_run(store, 2)
    seen = []

    def claim(conn):
        rows = conn.execute(select(messages)).all()

        def write(_):
            seen.append(conn.execute(select(rates.rates.c.free_at)).scalars().first())

        return pacing.paced(conn, TENANT, "twilio/sms", rows, rate=RATE, write=write)

    transactions.write(store.engine, claim)

    assert seen in ([None], [0])
