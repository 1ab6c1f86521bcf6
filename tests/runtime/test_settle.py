"""Answers that come late or after the news: they add what they know and take nothing back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from channels.messages import ChannelKind
from channels.results import ReceiptKind
from tests.channels.loopback import json_reply
from tests.runtime.house import TENANT, TEXT, until
from tests.runtime.test_dispatch import taken
from tests.runtime.test_doubt import hear
from worker.runtime.dispatch import dispatch
from worker.runtime.intake import apply_inbox
from worker.store.tables import outcomes


@pytest.mark.parametrize("answer", [taken, lambda _: json_reply(500, {}), lambda _: json_reply(429, {})])
@pytest.mark.parametrize(("told", "disposition"), [("sent", "SMS_SENT"), ("delivered", "SMS_DELIVERED")])
def test_an_answer_that_comes_after_the_callback_takes_nothing_back(open_house, provider, answer, told, disposition):
    house = open_house(twilio_base_url=provider.url)
    house.launch(TEXT)
    house.advance()
    other = house.runtime()

    def call_back_first(request):
        [attempt] = house.attempts()
        hear(house, ReceiptKind(told), attempt.attempt_id, provider_ref="SM-told-by-the-callback")
        apply_inbox(other)
        return answer(request)

    provider.otherwise = call_back_first
    house.dispatch()
    provider.otherwise = lambda _: json_reply(500, {})  # from here on it cannot be asked
    assert [(row.status, row.provider_ref) for row in house.attempts()] == [("accepted", "SM-told-by-the-callback")]
    house.later(days=1)
    house.reconcile()
    house.dispatch()

    assert (house.message().status, house.message().disposition) == ("settled", disposition)
    assert [row.disposition for row in house.rows(outcomes)] == [disposition]
    assert [request.method for request in provider.requests].count("POST") == 1


@pytest.mark.parametrize(
    ("answer", "status"), [(taken, "accepted"), (lambda _: json_reply(400, {"code": 21614, "status": 400}), "refused")]
)
def test_an_answer_that_comes_after_the_lease_still_counts(open_house, provider, answer, status):
    house = open_house(twilio_base_url=provider.url)
    house.launch(TEXT)
    house.advance()
    provider.otherwise = lambda request: replace(answer(request), after=0.5)
    sender = house.runtime()

    with ThreadPoolExecutor() as pool:
        sending = pool.submit(lambda: sender.run(dispatch(sender, TENANT, house.run_id, ChannelKind.SMS)))
        until(lambda: provider.requests, "the request")
        house.leases_end()
        house.reconcile()
        assert house.attempts()[0].status == "unknown", "the worker was thought dead"
        sending.result()

    assert [row.status for row in house.attempts()] == [status]
    house.dispatch()
    assert len(provider.requests) == 1


def test_the_enrollment_goes_on_when_the_answer_is_there_not_before(open_house, provider):
    house = open_house(twilio_base_url=provider.url)
    house.launch(TEXT, {"type": "wait", "for": "1 hour"}, {**TEXT, "id": "second"})
    house.advance()
    house.later(hours=5)
    house.advance()
    assert house.enrollment().due_at is None, "the hour begins with the hand-over"

    provider.otherwise = taken
    house.dispatch()
    house.play()
    assert len(provider.requests) == 1
    house.later(hours=1, seconds=1)
    house.tick_only()

    assert len(provider.requests) == 2
