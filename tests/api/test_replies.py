"""What people write back: STOP holds at once and everywhere, START lifts it, an answer goes on with the workflow."""

import pytest

from channels.messages import ChannelKind
from tests.runtime.house import ASK, MAIL, TEXT, person
from worker.store.document_tables import suppressions

ANN = person(0).phone
SERVICE = "MG" + "0a" * 16


def asked(house, **changes):
    """Somebody was asked by text and has not answered yet."""
    house.launch(states=ASK, **changes)
    house.tick_only()
    assert len(house.ledger()) == 1


def test_a_reply_wakes_who_waits_for_it(house, web):
    asked(house)

    assert web.inbound(ANN, "Yes, gladly").status_code == 200
    house.tick_only()
    house.later(days=1)
    house.tick_only()

    assert len(house.ledger()) == 1, "who has answered is not asked again"
    assert house.message().state == "ask"


def test_a_reply_is_answered_with_an_empty_document_so_that_nothing_is_sent_back(house, web):
    asked(house)

    assert web.inbound(ANN, "Yes").text == '<?xml version="1.0" encoding="UTF-8"?><Response/>'


def test_a_reply_to_a_messaging_service_wakes_who_waits_for_it(house, web):
    asked(house, smsFromAddress=SERVICE)

    web.inbound(ANN, "Yes", To="+15005550006", MessagingServiceSid=SERVICE)
    house.tick_only()
    house.later(days=1)
    house.tick_only()

    assert len(house.ledger()) == 1, "who has answered is not asked again"


def test_a_reply_to_another_of_our_numbers_is_no_answer_to_this_campaign(house, web):
    asked(house)

    web.inbound(ANN, "Yes", To="+15559998888")
    house.tick_only()
    house.later(hours=3)
    house.tick_only()

    assert len(house.ledger()) == 2


@pytest.mark.parametrize("word", ["STOP", "stop.", "Unsubscribe"])
def test_stop_ends_it_for_this_person_at_once(house, web, word):
    asked(house)

    web.inbound(ANN, word)
    house.tick_only()
    house.later(days=1)
    house.tick_only()

    assert (house.enrollment().status, house.enrollment().disposition) == ("finished", "SMS_OPTED_OUT")
    assert [row.address for row in house.rows(suppressions)] == [ANN]
    assert len(house.ledger()) == 1


def test_stop_is_heard_where_only_the_provider_recognized_it(house, web):
    asked(house)

    web.inbound(ANN, "Bitte nicht mehr", OptOutType="STOP")
    house.tick_only()

    assert house.enrollment().disposition == "SMS_OPTED_OUT"


def test_stop_stops_a_text_that_is_already_queued_also_in_another_run(house, web):
    asked(house)
    house.launch(TEXT)
    house.advance()

    web.inbound(ANN, "STOP")
    house.tick_only()
    house.dispatch()

    assert len(house.ledger()) == 1
    assert house.status() == "completed"


def test_stop_to_another_of_our_numbers_holds_too(house, web):
    asked(house)

    web.inbound(ANN, "STOP", To="+15559998888")
    house.tick_only()
    house.later(hours=3)
    house.tick_only()

    assert len(house.ledger()) == 1
    assert house.enrollment().disposition == "SUPPRESSED_DNC"


def test_stop_of_somebody_in_no_run_holds_for_the_next(house, web):
    web.inbound(ANN, "STOP")
    house.tick_only()
    house.launch(TEXT)
    house.tick_only()

    assert (house.ledger(), house.message().disposition) == ([], "SUPPRESSED_DNC")


def test_stop_by_text_does_not_forbid_mail(house, web):
    web.inbound(ANN, "STOP")
    house.tick_only()
    house.launch(MAIL)
    house.tick_only()

    assert [line["channel"] for line in house.ledger()] == [ChannelKind.EMAIL]


def test_start_lifts_a_stop(house, web):
    web.inbound(ANN, "STOP", sid="SM1")
    web.inbound(ANN, "START", sid="SM2")
    house.tick_only()

    house.launch(TEXT)
    house.tick_only()

    assert (house.rows(suppressions), len(house.ledger())) == ([], 1)


def test_help_changes_nothing(house, web):
    asked(house)

    web.inbound(ANN, "HELP")
    house.tick_only()

    assert house.rows(suppressions) == []


def test_the_same_reply_twice_is_one_reply(house, web):
    asked(house)

    for _ in range(2):
        assert web.inbound(ANN, "Yes").status_code == 200
    house.tick_only()

    assert len(house.inbox()) == 1
