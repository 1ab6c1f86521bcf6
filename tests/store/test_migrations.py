"""The schema: what migrations make is what the code expects, whoever migrates first."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from tests.store.builders import LEASE, NOW, TENANT
from worker.store import migrations, schema
from worker.store.codec import millis
from worker.store.columns import metadata
from worker.store.document_rows import Document
from worker.store.errors import NotMigrated
from worker.store.facade import Store
from worker.store.rows import ContactRow

_INDEXES = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name != 'alembic_version' ORDER BY 1",
    "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    " AND tablename != 'alembic_version' ORDER BY 1",
}


def described(store):
    """Columns with their types and defaults, and indexes with their conditions."""
    seen = inspect(store.engine)
    columns = {
        (table, c["name"]): (str(c["type"]), c["nullable"], str(c["default"]).strip("()"))
        for table in metadata.tables
        for c in seen.get_columns(table)
    }
    with store.engine.connect() as conn:
        return columns, [tuple(row) for row in conn.execute(text(_INDEXES[store.engine.dialect.name]))]


def test_migrating_from_nothing_gives_exactly_the_tables_of_the_code(store):
    with store.engine.connect() as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []


def test_also_in_defaults_and_in_what_its_indexes_hold(store, blank_url):
    """What Alembic does not compare."""
    other = Store(blank_url)
    metadata.create_all(other.engine)
    assert other.engine.dialect.name != store.engine.dialect.name or described(store) == described(other)
    other.close()


def at_revision(store, revision, move=command.upgrade):
    with store.engine.begin() as conn:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = conn
        move(config, revision)


_ROW = {"tenant_id": TENANT, "run_id": "r", "message_id": "m", "channel": "sms"}
_AT = millis(NOW)
LEFT = {
    "runs": {"tenant_id": TENANT, "run_id": "r", "campaign_id": "c", "status": "running", "created_at": _AT},
    "messages": _ROW
    | {"enrollment_id": "e", "contact_id": "p", "state": "s", "action": "a", "visit": 1}
    | {"status": "held", "created_at": _AT},
    "attempts": _ROW
    | {"attempt_id": "a", "number": 1, "status": "unknown", "dispatched_at": _AT, "provider": "twilio-sms"},
    "inbox": {"tenant_id": TENANT, "provider": "twilio-sms", "event_key": "k", "payload": '{"code": "sent"}'}
    | {"received_at": _AT, "due_at": 0},
}
"""What the first version left in the middle of its work."""


def test_work_under_way_survives_the_upgrade_and_the_way_back(blank_url):
    store = Store(blank_url)
    at_revision(store, "0001")
    with store.engine.begin() as conn:
        for table, row in LEFT.items():
            conn.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES (:{', :'.join(row)})"), row)

    store.migrate()

    [held] = store.held(TENANT)
    assert (held.attempt_id, held.dispatched_at, held.finding) == ("a", NOW, None)
    [news] = store.inbox_claim(TENANT, limit=9, lease=LEASE)
    assert news.payload == {"code": "sent"}
    at_revision(store, "0001", command.downgrade)
    with store.engine.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM inbox, attempts")).scalar_one() == 1
    store.close()


def test_what_only_this_version_allows_is_no_obstacle_on_the_way_back(blank_url):
    store = Store(blank_url)
    store.migrate()
    now, ann = store.now(), ContactRow(contact_id="c_1", phone="+12025550101")
    store.create_contacts("t", lambda: [ann], now, by="me")
    store.delete_contact("t", "c_1", now, by="me", seen=store.get_contact("t", "c_1").stamp.modified_at)
    store.create_contacts("t", lambda: [replace(ann, contact_id="c_2")], now, by="me")
    users = [Document(type="user", id=key, name="Ann", data={}, unique=key) for key in ("u_1", "u_2")]
    store.put_documents("t", users, now)

    at_revision(store, "0002", command.downgrade)
    at_revision(store, "head", command.upgrade)

    assert [row.contact_id for row in store.find_contacts("t", "+12025550101")] == ["c_2"]
    assert len(store.list_documents("t", "user")) == 2
    store.close()


def test_a_database_that_was_not_migrated_is_refused_with_the_remedy(blank_url):
    store = Store(blank_url)
    with pytest.raises(NotMigrated, match="migrate it"):
        store.check_schema()
    store.migrate()
    store.check_schema()
    store.close()


def test_the_newest_revision_is_the_one_that_alembic_would_go_to():
    assert schema.newest() == ScriptDirectory(str(schema.MIGRATIONS)).get_current_head()


def test_processes_that_migrate_at_once_take_turns(blank_url):
    def start():
        store = Store(blank_url)
        store.migrate()
        store.check_schema()
        store.close()

    with ThreadPoolExecutor(4) as pool:
        for started in [pool.submit(start) for _ in range(4)]:
            started.result()


def test_another_kind_of_database_is_refused():
    with pytest.raises(ValueError, match="no support for 'mysql'"):
        Store("mysql://localhost/x")
