"""Transactions: repeated as a whole where that is safe, never where it may have been committed; and tick leases."""

import sqlite3
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from tests.store.builders import TENANT, new_run
from worker.store import dialect, transactions
from worker.store.document_tables import contacts
from worker.store.errors import CommitUnknown
from worker.store.facade import Store
from worker.store.tables import rates, runs

BODY = "see you at nine"


@pytest.fixture
def postgres(postgres_url):
    opened = Store(postgres_url)
    yield opened
    opened.close()


def rate_rows(store):
    with store.engine.connect() as conn:
        return conn.execute(select(rates)).all()


def add_rate(conn, bucket="b"):
    conn.execute(rates.insert().values(tenant_id=TENANT, bucket=bucket, free_at=0))


def kill_session(store, conn):
    """The server ends this session, as in a restart."""
    pid = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with store.engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


def test_a_connection_lost_before_the_commit_is_tried_again_as_a_whole(postgres):
    tries = []

    def work(conn):
        tries.append(conn)
        add_rate(conn)
        if len(tries) == 1:
            kill_session(postgres, conn)
            add_rate(conn, "c")

    transactions.write(postgres.engine, work)
    assert len(tries) == 2
    assert len(rate_rows(postgres)) == 1


def test_a_connection_lost_during_the_commit_is_told_and_not_tried_again(postgres):
    tries = []

    def work(conn):
        tries.append(conn)
        add_rate(conn)
        kill_session(postgres, conn)

    with pytest.raises(CommitUnknown):
        transactions.write(postgres.engine, work)
    assert len(tries) == 1


def test_workers_that_block_each_other_are_both_served(postgres):
    """A deadlock ends one of them; it is tried again and finds its way free."""
    transactions.write(postgres.engine, lambda conn: (add_rate(conn, "a"), add_rate(conn, "b")))

    def cross(order):
        def work(conn):
            for bucket in order:
                conn.execute(rates.update().where(rates.c.bucket == bucket).values(free_at=rates.c.free_at + 1))
                conn.execute(text("SELECT pg_sleep(0.05)"))

        transactions.write(postgres.engine, work)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(cross, ("ab", "ba")))
    assert [row.free_at for row in rate_rows(postgres)] == [2, 2]


def test_a_pool_whose_connections_have_died_serves_the_next_call(postgres):
    with postgres.engine.connect() as conn:
        kill_session(postgres, conn)
        conn.invalidate()
    assert postgres.now()


def test_a_mistake_is_raised_at_once_and_changes_nothing(store):
    def work(conn):
        add_rate(conn)
        conn.execute(text("SELECT nonsense"))

    started = time.monotonic()
    with pytest.raises(Exception, match="nonsense"):
        transactions.write(store.engine, work)
    assert rate_rows(store) == []
    assert time.monotonic() - started < 5


def test_a_server_that_is_not_there_is_an_error_after_a_few_tries(tmp_path):
    store = Store(f"postgresql://postgres@/none?host={tmp_path}")
    with pytest.raises(OperationalError):
        store.now()
    store.close()


def test_a_reader_sees_one_snapshot(store):
    run_id = new_run(store, 0)
    total = select(runs.c.audience)

    def look(conn):
        before = conn.execute(total).scalar_one()
        transactions.write(store.engine, lambda other: other.execute(runs.update().values(audience=9)))
        return before, conn.execute(total).scalar_one()

    assert transactions.read(store.engine, look) == (0, 0)
    assert store.run_report(TENANT, run_id).audience == 9


def test_writers_wait_for_each_other_and_lose_no_update(store):
    add_rate_once = transactions.write(store.engine, add_rate)
    assert add_rate_once is None

    def count(_):
        def work(conn):
            query = select(rates.c.free_at).with_for_update()
            found = conn.execute(query).scalar_one()
            conn.execute(rates.update().values(free_at=found + 1))

        transactions.write(store.engine, work)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(count, range(60)))
    assert rate_rows(store)[0].free_at == 60


def test_one_worker_has_the_tick_until_its_lease_is_over(store):
    assert store.take_lease("tick", "a", 60)
    assert not store.take_lease("tick", "b", 60)
    assert store.take_lease("other", "b", 60)
    assert store.take_lease("tick", "a", -1)
    assert store.take_lease("tick", "b", 60)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda n: store.take_lease("race", str(n), 60), range(8))) == 1


def test_a_store_in_memory_works_for_one_thread():
    store = Store("sqlite://")
    store.migrate()
    store.check_schema()
    assert store.take_lease("tick", "a", 1)
    store.close()


def test_sqlite_forgets_nothing_that_was_committed(sqlite_url):
    store = Store(sqlite_url)
    with store.engine.connect() as conn:
        modes = [conn.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("journal_mode", "synchronous")]
        assert modes == ["wal", 2]  # 2 is FULL
        assert conn.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    store.close()


def test_a_writer_on_sqlite_holds_the_database_from_its_first_moment(sqlite_url):
    """Also against programs that do not take turns; so nothing it reads first can change before it writes."""
    store = Store(sqlite_url)

    def work(_):
        impatient = sqlite3.connect(store.engine.url.database, timeout=0)
        with closing(impatient), pytest.raises(sqlite3.OperationalError, match="locked"):
            impatient.execute("BEGIN IMMEDIATE")

    transactions.write(store.engine, work)
    store.close()


def test_an_error_does_not_repeat_what_is_in_the_rows(store):
    """Neither the parameters nor, on PostgreSQL, what the server quotes of them."""

    def unreadable(conn):
        conn.execute(text("SELECT nonsense WHERE '' = :body"), {"body": BODY})

    def untranslatable(conn):
        batch = f'["{BODY}", "\\u0000"]'
        function = "jsonb_array_elements_text(CAST(:batch AS jsonb))" if postgres else "nonsense(:batch)"
        conn.execute(text(f"SELECT {function}"), {"batch": batch})

    def incomplete(conn):
        names = ("tenant_id", "contact_id", "phone", "fields")
        dialect.bulk_insert(conn, contacts, names, [("acme", "c", None, BODY)])

    postgres = store.engine.dialect.name == "postgresql"
    for work in (unreadable, untranslatable, incomplete):
        with pytest.raises(DBAPIError) as raised:
            transactions.write(store.engine, work)
        assert BODY not in "".join(traceback.format_exception(raised.value))
