"""PostgreSQL is not left to plan over a large table it knows nothing of, and what it knows is not gathered again."""

from collections.abc import Iterator

import pytest

from tests.store.builders import NOW, TENANT, people
from worker.store.facade import Store

LARGE = 4000


@pytest.fixture
def fresh(blank_url) -> Iterator[Store]:
    """A database nobody has had before."""
    store = Store(blank_url)
    store.migrate()
    yield store
    store.close()


def test_large_tables_that_were_never_looked_at_are_looked_at_once(fresh):
    fresh.import_contacts(TENANT, "everybody", people(LARGE), NOW)

    looked_at = fresh.gather_statistics()

    expected = {"contacts", "contact_list_members"} if fresh.engine.dialect.name == "postgresql" else set()
    assert set(looked_at) == expected
    assert fresh.gather_statistics() == ()


def test_small_tables_are_left_alone(fresh):
    fresh.import_contacts(TENANT, "everybody", people(10), NOW)

    assert fresh.gather_statistics() == ()
