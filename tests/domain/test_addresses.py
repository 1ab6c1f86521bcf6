"""Numbers and mailboxes have one spelling each, and doubtful ones are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.messages import E164, Sms
from worker.domain.addresses import (
    find_timezone,
    guess_timezone,
    is_timezone,
    normalize_email,
    sender_e164,
    to_e164,
    to_sms_sender,
    why_no_timezone,
)

_WRITTEN = st.text(alphabet="+0123456789 ().-/x\u2011\u00a0'eE", max_size=25)


@pytest.mark.parametrize(
    ("written", "region"),
    [
        ("+1 212 555 0123", ""),
        ("(212) 555-0123", "US"),
        ("212.555.0123", "US"),
        ("1 212 555 0123", "US"),
        ("'+12125550123", ""),
        ("12125550123.0", "US"),
        ("\uff12\uff11\uff12 555 0123", "US"),
        ("001 212 555 0123", "DE"),
    ],
)
def test_every_way_to_write_a_number_is_one_number(written, region):
    assert to_e164(written, region) == "+12125550123"


@pytest.mark.parametrize(
    ("written", "region", "remedy"),
    [
        ("212 555 0123", "", "name a default country"),
        ("555-0123", "US", "with the area code"),
        ("+1 212 555 0123 0199", "", "two numbers"),
        ("00493090182233", "US", r"write \+ for the 00 in front"),
        ("030 9018 2233 1", "US", "of another country"),
        ("212 555 0123 ext. 7", "US", "without extension"),
        ("2.12556E+10", "US", "scientific notation"),
        ("call me", "US", "without extension"),
        ("+1 199 555 0123", "", "check the digits"),
        ("", "US", "is empty"),
    ],
)
def test_a_doubtful_number_is_refused_with_a_remedy(written, region, remedy):
    with pytest.raises(ValueError, match=remedy) as refusal:
        to_e164(written, region)

    assert not written or written not in str(refusal.value)


@given(_WRITTEN, st.sampled_from(["", "US", "GB", "DE", "FR"]))
def test_what_is_written_becomes_a_sendable_number_or_a_refusal(written, region):
    try:
        number = to_e164(written, region)
    except ValueError:
        return

    assert E164.fullmatch(number)
    assert to_e164(number) == number


@pytest.mark.parametrize(
    ("written", "sender"),
    [
        ("8885551212", "+18885551212"),
        ("+1 555 123 4567", "+15551234567"),
        ("12345", "12345"),
        ("MG" + "0a" * 16, "MG" + "0a" * 16),
        ("Acme", "Acme"),
    ],
)
def test_a_sender_of_texts_is_one_that_a_text_accepts(written, sender):
    assert to_sms_sender(written, "US") == sender
    assert Sms(attempt_id="a", to="+12125550123", sender=sender, body="b").sender == sender


def test_the_range_of_our_own_number_is_not_questioned():
    assert sender_e164("+15551234567") == "+15551234567"


def test_a_name_that_no_carrier_shows_is_refused():
    with pytest.raises(ValueError, match="up to 11"):
        to_sms_sender("Acme Renewals Team", "US")


def test_a_mailbox_has_one_spelling():
    assert normalize_email(" Ann.Lee@Example.COM ") == "ann.lee@example.com"


@pytest.mark.parametrize(
    "written", ["ann", "ann@host", "a@b.c, d@e.f", "Ann <ann@example.com>", "ann@exa mple.com", ""]
)
def test_what_is_no_mailbox_is_refused(written):
    with pytest.raises(ValueError, match="has the form"):
        normalize_email(written)


def test_a_number_tells_its_zone_where_it_can():
    assert guess_timezone("+12125550123") == "America/New_York"
    assert guess_timezone("+493023125123") == "Europe/Berlin"
    assert guess_timezone("+442079460123") == "Europe/London"


@pytest.mark.parametrize("number", ["+18005550199", "+61491570156", "+12", "", "+15551234567"])
def test_a_number_that_does_not_tell_its_zone_gives_none(number):
    assert guess_timezone(number) == ""


def test_a_zone_is_found_whatever_its_case():
    assert find_timezone("america/new york") == "America/New_York"
    assert is_timezone("America/New_York")


@pytest.mark.parametrize("name", ["UTC", "CET", "GMT", "Etc/UTC", "Etc/GMT+5", "EST5EDT", "US/Eastern", "Japan"])
def test_a_zone_without_a_city_is_one_too(name):
    assert find_timezone(name.lower()) == name
    assert is_timezone(name)


@pytest.mark.parametrize("name", ["EST", "mst"])
def test_a_name_that_most_who_write_it_mean_otherwise_is_refused_with_both_zones(name):
    assert find_timezone(name) == ""
    assert not is_timezone(name)
    said = why_no_timezone(name)
    assert "does not say whether there is summer time" in said
    assert all(is_timezone(word.strip(",")) for word in said.split() if "/" in word)


@pytest.mark.parametrize(
    "name", ["Eastern", "America/Nowhere", "", "../etc/passwd", "localtime", "Factory", "posix/CET"]
)
def test_what_is_no_zone_of_the_database_is_none(name):
    assert find_timezone(name) == ""
    assert not is_timezone(name)
