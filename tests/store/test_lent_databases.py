"""A database of PostgreSQL serves one test after the other, and none of them meets what another has left."""

import psycopg
import pytest

CHANGES = {
    "a table more": "CREATE TABLE more (id integer)",
    "a column of another kind": "ALTER TABLE inbox ALTER COLUMN note TYPE varchar(99)",
    "an index less": "DROP INDEX uq_attempts_live",
    "a function more": "CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "another version": "UPDATE alembic_version SET version_num = 'none'",
}


def database_and_rows(url):
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT current_database(), (SELECT count(*) FROM signals)").fetchone()


@pytest.mark.parametrize("rows", [3, 3000])
def test_it_is_empty_when_it_is_lent_again_and_counts_from_one(postgres_databases, rows):
    put = f"""
        INSERT INTO signals (tenant_id, enrollment_id, event, at)
        SELECT 'acme', 'enr_1', 'news', 1 FROM generate_series(1, {rows}) RETURNING signal_id
    """
    with postgres_databases.lend() as url:
        name, _ = database_and_rows(url)
        forgotten = psycopg.connect(url)
        forgotten.execute(put)
        forgotten.commit()
        forgotten.execute("SELECT * FROM signals FOR UPDATE")

    with postgres_databases.lend() as url, psycopg.connect(url) as connection:
        assert database_and_rows(url) == (name, 0)
        assert connection.execute(put).fetchone() == (1,)
    forgotten.close()


@pytest.mark.parametrize("change", CHANGES)
def test_one_with_another_schema_is_not_lent_again(postgres_databases, change):
    with postgres_databases.lend() as url:
        name, _ = database_and_rows(url)
        with psycopg.connect(url) as connection:
            connection.execute(CHANGES[change])

    with postgres_databases.lend() as url:
        other, _ = database_and_rows(url)
        assert other != name
