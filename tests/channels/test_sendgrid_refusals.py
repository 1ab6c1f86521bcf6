"""SendGrid refuses a request as a whole: who is refused, who is sent all the same, and how often."""

from dataclasses import replace

import pytest

from channels.results import Certainty, Reason
from tests.channels import sendgrid_dialect as sendgrid
from tests.channels.loopback import Reply
from tests.channels.sendgrid_dialect import a_mail, accepted, attempts_on_wire, fault

pytestmark = pytest.mark.anyio


def _bad(*numbers: int, naming: bool):
    """A SendGrid that refuses any request with one of these people in it."""
    refused = {f"ann@person{number}.example.com" for number in numbers}

    def answer(request):
        people = [one["to"][0]["email"] for one in request.json["personalizations"]]
        places = [place for place, to in enumerate(people) if to in refused]
        if not places:
            return accepted()
        return fault(*(f"personalizations.{place}.to.0.email" if naming else None for place in places))

    return answer


@pytest.mark.parametrize(("naming", "reason"), [(True, Reason.INVALID_ADDRESS), (False, Reason.OTHER)])
async def test_a_bad_recipient_is_refused_alone_and_the_rest_is_sent_once(provider, naming, reason):
    provider.otherwise = _bad(3, 17, 60, naming=naming)

    results = await sendgrid.send(provider, *(a_mail(number) for number in range(100)))

    refused = [number for number, result in enumerate(results) if result.certainty is Certainty.REFUSED]
    assert refused == [3, 17, 60]
    assert {(results[number].reason, results[number].code) for number in refused} == {(reason, "400")}
    assert all(result.certainty is Certainty.ACCEPTED for number, result in enumerate(results) if number not in refused)
    taken = [
        attempt
        for request in provider.requests
        if _bad(3, 17, 60, naming=False)(request).status != 400
        for attempt in attempts_on_wire(request)
    ]
    assert sorted(taken) == sorted(f"attempt-{number}" for number in range(100) if number not in refused)


async def test_a_fault_in_what_all_share_refuses_all_at_once(provider):
    provider.otherwise = lambda _: fault("from.email")

    results = await sendgrid.send(provider, *(a_mail(number) for number in range(50)))

    assert {(result.certainty, result.reason) for result in results} == {(Certainty.REFUSED, Reason.CONFIGURATION)}
    assert len(provider.requests) == 1


async def test_a_fault_of_one_persons_content_is_theirs(provider):
    provider.script = [fault("personalizations.1.headers"), accepted()]

    first, second = await sendgrid.send(provider, a_mail(1), a_mail(2))

    assert first.certainty is Certainty.ACCEPTED
    assert (second.certainty, second.reason) == (Certainty.REFUSED, Reason.CONTENT)


async def test_a_place_that_does_not_exist_is_not_believed(provider):
    provider.script = [fault("personalizations.9.to.0.email"), accepted(), accepted()]

    results = await sendgrid.send(provider, a_mail(1), a_mail(2))

    assert {result.certainty for result in results} == {Certainty.ACCEPTED}


async def test_too_large_is_halved_until_it_fits(provider):
    provider.otherwise = lambda request: (
        Reply(413, b"<html>") if len(request.json["personalizations"]) > 3 else accepted(request)
    )

    results = await sendgrid.send(provider, *(a_mail(number) for number in range(10)))

    assert {result.certainty for result in results} == {Certainty.ACCEPTED}


async def test_a_mail_too_large_by_itself_is_refused(provider):
    provider.otherwise = lambda _: Reply(413, b"<html>")

    results = await sendgrid.send(provider, a_mail(1), a_mail(2))

    assert {(result.certainty, result.reason) for result in results} == {(Certainty.REFUSED, Reason.CONTENT)}


async def test_when_half_was_taken_and_half_is_unknown_each_knows_its_own(provider):
    provider.otherwise = lambda request: (
        fault(None)
        if len(request.json["personalizations"]) == 4
        else (accepted() if "attempt-0" in str(request.json) else Reply(500))
    )

    results = await sendgrid.send(provider, *(a_mail(number) for number in range(4)))

    assert [result.certainty for result in results] == ["accepted", "accepted", "unknown", "unknown"]


async def test_looking_for_the_culprit_ends_in_time_and_the_rest_was_not_sent(provider):
    provider.otherwise = lambda _: replace(fault(None), after=0.2)

    results = await sendgrid.send(provider, *(a_mail(number) for number in range(500)), timeout_seconds=1.0)

    assert {result.certainty for result in results} <= {Certainty.REFUSED, Certainty.NOT_SENT}
    assert sum(result.certainty is Certainty.NOT_SENT for result in results) > 400


async def test_a_header_sendgrid_writes_itself_refuses_its_mail_and_harms_nobody_else(provider):
    provider.otherwise = accepted

    first, bad, last = await sendgrid.send(
        provider, a_mail(1), a_mail(2, headers={"Reply-To": "re@example.com"}), a_mail(3)
    )

    assert (bad.certainty, bad.reason, bad.code) == (Certainty.REFUSED, Reason.CONTENT, "header:reply-to")
    assert first.certainty is last.certainty is Certainty.ACCEPTED
    assert [attempts_on_wire(request) for request in provider.requests] == [["attempt-1", "attempt-3"]]


async def test_a_sandboxed_mail_was_not_sent_for_real(provider):
    """200 instead of 202 is what SendGrid's sandbox mode says: validated, delivered to nobody."""
    provider.script = [Reply(200, b"", {"X-Message-Id": "abc"})]

    [result] = await sendgrid.send(provider, a_mail())

    assert (result.certainty, result.code) == (Certainty.UNKNOWN, "200")
