"""Rows written for COPY come out as they went in, whatever is in them."""

import re

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.store import copy_text

CELLS = st.none() | st.booleans() | st.integers() | st.text(st.sampled_from("aé☎\\\t\n\r'\",N."), max_size=5)
UNESCAPED = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}


def read(block):
    """As the manual of PostgreSQL says that COPY reads it."""
    assert block.endswith(b"\n")
    return [tuple(map(cell, line.split("\t"))) for line in block.decode()[:-1].split("\n")]


def cell(text):
    assert "\r" not in text
    return None if text == "\\N" else re.sub(r"\\(.)", lambda escaped: UNESCAPED[escaped[1]], text)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[CELLS] * width), min_size=1, max_size=5)))
def test_rows_are_read_back_as_they_were(rows):
    assert read(copy_text.block(rows)) == [tuple(None if c is None else str(c) for c in row) for row in rows]


@pytest.mark.parametrize("hard", ["a\tb", "a\nb", "a\rb", "\\N", "\\.", "\\", "a\\tb", "", "None"])
def test_the_server_reads_them_so_too(postgres_url, hard):
    with psycopg.connect(postgres_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE given (place bigint, text text, flag boolean)")
        with cursor.copy("COPY given FROM STDIN") as copy:
            copy.write(copy_text.block([(1, hard, True), (2, None, False)]))
        assert cursor.execute("SELECT * FROM given ORDER BY place").fetchall() == [(1, hard, True), (2, None, False)]
