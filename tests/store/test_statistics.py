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


@pytest.fixture
def expected(fresh):
    """The tables that are looked at where people have come; none where plans need no statistics."""
    return {"contacts", "contact_list_members"} if fresh.engine.dialect.name == "postgresql" else set()


@pytest.fixture
def grown(fresh, expected):
    """The same with many people, whose tables have been looked at."""
    fresh.import_contacts(TENANT, "everybody", people(LARGE), NOW)
    assert set(fresh.gather_statistics()) == expected
    return fresh


def test_large_tables_that_were_never_looked_at_are_looked_at_once(grown):
    assert grown.gather_statistics() == ()


def test_tables_that_have_doubled_since_are_looked_at_again(grown, expected):
    grown.import_contacts(TENANT, "others", people(3 * LARGE)[LARGE:], NOW)

    assert set(grown.gather_statistics()) == expected
    assert grown.gather_statistics() == ()


def test_whoever_came_since_is_looked_at_before_a_launch(grown, expected):
    grown.import_contacts(TENANT, "others", people(LARGE + 2000)[LARGE:], NOW)

    assert grown.gather_statistics() == ()
    assert set(grown.gather_statistics(of_people=True)) == expected
    assert grown.gather_statistics(of_people=True) == ()


def test_small_tables_are_left_alone(fresh):
    fresh.import_contacts(TENANT, "everybody", people(10), NOW)

    assert fresh.gather_statistics() == ()
