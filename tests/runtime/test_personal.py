"""PERSONAL campaigns: one user's inbox, not a broadcast."""

from typing import Any

import pytest

from tests.engine.builders import a_campaign
from worker.runtime.personal import MOST_PEOPLE, personal_reasons

ANN = {"userId": "usr_ann", "username": "ann@example.com", "phone": "(202) 555-0100", "email": "Ann@Example.com"}
MINE = {"contactListId": "l", "name": "mine", "createdBy": "usr_ann"}
OTHERS = {"contactListId": "l", "name": "all", "createdBy": "usr_bob"}


def reasons(lists: Any = (MINE,), people: int = 3, users: Any = None, **changes: Any) -> list[str]:
    given = {
        "type": "PERSONAL",
        "supervisor": "usr_ann",
        "smsFromAddress": "+12025550100",
        "callerId": "+12025550100",
        "emailFromAddress": "ann@example.com",
        **changes,
    }
    known = {"usr_ann": ANN} if users is None else users
    return list(personal_reasons(a_campaign(**given), known, lists, people, "US"))


def test_it_may_write_as_its_user_to_a_list_of_that_user():
    assert reasons() == []
    assert reasons(supervisor=None, createdBy="usr_ann") == []
    assert reasons(lists=[{**OTHERS, "userId": "usr_ann"}]) == []


def test_a_campaign_for_everybody_may_do_as_it_likes():
    assert reasons(type="DEFAULT", supervisor=None, lists=(), people=10_000) == []


@pytest.mark.parametrize("key", ["smsFromAddress", "callerId", "emailFromAddress"])
def test_it_may_not_send_as_anybody_else(key):
    other = "bob@example.com" if key == "emailFromAddress" else "+12025550111"

    [reason] = reasons(**{key: other})

    assert key in reason
    assert "usr_ann" in reason


def test_a_channel_that_is_off_may_have_any_sender():
    assert reasons(useForSMS=False, smsFromAddress="+12025550111") == []


def test_a_user_without_a_number_or_an_address_cannot_send_from_it():
    assert len(reasons(users={"usr_ann": {"userId": "usr_ann", "username": "ann", "phone": "soon"}})) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"supervisor": None},
        {"supervisor": "usr_nobody"},
        {"users": {"usr_ann": {**ANN, "enabled": False}}},
        {"users": {"usr_ann": {**ANN, "deletedAt": 1700000000000}}},
        {"supervisor": ["usr_ann", "usr_bob"]},
    ],
)
def test_it_belongs_to_exactly_one_user_who_is_there(changes):
    [reason] = reasons(**changes)

    assert "user" in reason


def test_one_contact_may_come_from_anywhere_more_only_from_a_list_of_the_user():
    assert reasons(lists=[OTHERS], people=1) == []
    assert "usr_ann" in reasons(lists=[OTHERS])[0]
    assert reasons(lists=[MINE, OTHERS])
    assert reasons(lists=[])


def test_its_list_is_short():
    assert reasons(people=MOST_PEOPLE) == []
    assert str(MOST_PEOPLE + 1) in reasons(people=MOST_PEOPLE + 1)[0]
