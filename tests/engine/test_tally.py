"""Which outcomes count for which rate."""

import pytest

from tests.engine.builders import a_campaign
from worker.domain.disposition import Disposition
from worker.domain.dispositions import SYSTEM, DispositionBook
from worker.domain.guard import Rate
from worker.engine.guard import Count
from worker.engine.tally import Filed, tally

BOOK = DispositionBook(a_campaign())
NOTHING = (Count(), Count(), Count())


def counted(code: str, *, attempted: bool = True, book: DispositionBook = BOOK) -> tuple[Count, ...]:
    """For failures, opt-outs, complaints."""
    total = tally([Filed(disposition=code, count=3, attempted=attempted)], book)
    return tuple(total[rate] for rate in Rate)


GOOD, BAD, STOPPED, NONE = Count(3, 0), Count(3, 3), Count(0, 3), Count()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("EMAIL_DELIVERED", (GOOD, GOOD, GOOD)),
        ("SMS_DELIVERED", (GOOD, GOOD, NONE)),
        ("SMS_SENT", (GOOD, GOOD, NONE)),
        ("VOICE_HUMAN", (GOOD, NONE, NONE)),
        ("VOICE_NO_ANSWER", (GOOD, NONE, NONE)),
        ("VOICE_INVALID", (BAD, NONE, NONE)),
        ("EMAIL_BOUNCED", (BAD, NONE, NONE)),
        ("SMS_FILTERED", (BAD, NONE, NONE)),
        ("SMS_CONFIG", (BAD, NONE, NONE)),
        ("EMAIL_UNSUBSCRIBED", (NONE, STOPPED, NONE)),
        ("EMAIL_SPAM_REPORT", (NONE, STOPPED, STOPPED)),
        ("EMAIL_OPENED", NOTHING),
        ("EMAIL_DROPPED_UNSUB", NOTHING),
        ("CAMPAIGN_CANCELLED", NOTHING),
        ("UNKNOWN_RESULT", NOTHING),
        ("RENEWED", NOTHING),
    ],
)
def test_each_outcome_counts_for_the_rates_it_says_something_about(code, expected):
    assert counted(code) == expected


def test_a_stop_in_reply_is_an_opt_out_and_a_refusal_for_an_old_one_is_not():
    assert counted("SMS_OPTED_OUT", attempted=False) == (NONE, STOPPED, NONE)
    assert counted("SMS_OPTED_OUT", attempted=True) == NOTHING


def test_what_a_gate_stopped_is_no_trial():
    assert counted("SUPPRESSED_DNC", attempted=False) == counted("NO_ADDRESS", attempted=False) == NOTHING


def test_a_template_that_fails_is_a_failure_although_nothing_was_sent():
    assert counted("RENDER_FAILED", attempted=False) == (BAD, NONE, NONE)


def test_an_outcome_counts_whatever_name_the_campaign_files_it_under():
    own = Disposition.parse(
        {"dispositionId": "d1", "name": "Never again", "code": "NEVER_AGAIN", "systemCodes": ["EMAIL_SPAM_REPORT"]}
    )
    book = DispositionBook(a_campaign(dispositions=["d1"]), [own])

    assert counted("NEVER_AGAIN", book=book) == (NONE, STOPPED, STOPPED)


def test_every_code_of_the_system_can_be_weighed():
    assert tally([Filed(disposition=code, count=1) for code in SYSTEM], BOOK)[Rate.FAILURE].bad > 0
