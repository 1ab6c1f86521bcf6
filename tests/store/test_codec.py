"""Stored values: ids sort by time, times survive to the millisecond."""

import time
from datetime import UTC, datetime

from ulid import ULID

from worker.store.codec import from_json, millis, moment, new_id, to_json


def test_an_id_is_a_ulid_of_this_moment():
    before = time.time_ns() // 1_000_000
    made = [new_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(before <= ULID.from_str(one).milliseconds <= before + 5000 for one in made)
    assert all(str(ULID.from_str(one)) == one for one in made)


def test_a_moment_survives_to_the_millisecond():
    at = datetime(2026, 11, 23, 12, 0, 0, 123000, tzinfo=UTC)
    assert moment(millis(at)) == at


def test_equal_documents_are_equal_text():
    assert to_json({"b": 1, "a": [None, "ü"]}) == to_json({"a": [None, "ü"], "b": 1})
    assert from_json(to_json({"a": 1.5})) == {"a": 1.5}
