"""What the transport knows beyond the endings of an exchange, which the contract suite walks through."""

import asyncio
import time
from email.utils import formatdate

import pytest

from channels.connections import Connections
from channels.exchange import Cut
from channels.results import Certainty, Reason
from channels.transport import (
    AioTwilioHttpClient,
    captured,
    certainty_of,
    certainty_of_status,
    retry_after,
)
from tests.channels.loopback import Reply

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "5"}, 5),
        ({"Retry-After": "2.5"}, 2.5),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "99999999"}, 86_400),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "5", "X-RateLimit-Reset": "9999999999"}, 5),
        ({"Retry-After": "Mon, 23 Nov 2026 12:00:30 GMT", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"}, 30),
        ({"X-RateLimit-Reset": "1795435230", "Date": "Mon, 23 Nov 2026 12:00:00 GMT"}, 30),
        ({"X-RateLimit-Reset": "soon"}, None),
    ],
)
def test_when_a_provider_wants_to_be_asked_again(headers, seconds):
    assert retry_after(headers) == seconds


def test_a_date_is_read_against_our_clock_where_the_provider_sends_none():
    wanted = retry_after({"Retry-After": formatdate(time.time() + 60, usegmt=True)})

    assert wanted == pytest.approx(60, abs=1.5)


@pytest.mark.parametrize(
    ("status", "certainty", "reason"),
    [
        (429, Certainty.NOT_SENT, Reason.RATE_LIMITED),
        (401, Certainty.REFUSED, Reason.CONFIGURATION),
        (403, Certainty.REFUSED, Reason.CONFIGURATION),
        (404, Certainty.REFUSED, Reason.CONFIGURATION),
        (413, Certainty.REFUSED, Reason.CONTENT),
        (400, Certainty.REFUSED, Reason.OTHER),
        (499, Certainty.REFUSED, Reason.OTHER),
        *((status, Certainty.UNKNOWN, Reason.PROVIDER_ERROR) for status in (200, 201, 302, 408, 500, 502, 599)),
    ],
)
def test_what_a_status_proves(status, certainty, reason):
    assert certainty_of_status(status) == (certainty, reason)


@pytest.mark.parametrize("error", [ValueError(), KeyError(), OSError(), ConnectionResetError(), Cut()])
def test_an_error_nobody_foresaw_is_unknown_never_not_sent(error):
    assert certainty_of(error)[0] is Certainty.UNKNOWN


async def test_calls_side_by_side_never_see_each_others_answer(provider):
    provider.otherwise = lambda request: Reply(200, b"{}", {"X-Who": request.query["who"]}, after=0.01)
    connections = Connections(limit=50, timeout_seconds=10, connect_timeout_seconds=3)
    client = AioTwilioHttpClient(connections)

    async def ask(who: int) -> str:
        with captured() as answer:
            await client.request("GET", provider.url, params={"who": who})
            return answer.headers["X-Who"]

    answers = await asyncio.gather(*(ask(who) for who in range(200)))
    await connections.close()

    assert answers == [str(who) for who in range(200)]
    assert provider.most_in_flight <= 50
