"""The sender pool: mail leaves from the first account that works."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from channels.messages import Call, ChannelKind, Email, Speech
from channels.results import Certainty, Reason, SendResult
from channels.sandbox.settings import API_KEY
from tests.engine.builders import a_campaign
from tests.runtime.house import MAIL, TENANT, House
from worker.domain.email_account import EmailAccount, sender_pool
from worker.runtime import guarding
from worker.runtime.mailers import (
    OUTAGE_REST_SECONDS,
    REFUSED_REST_SECONDS,
    Mailers,
    account_reasons,
    accounts_of,
    from_account,
    has_credential,
    within_own,
)
from worker.store.rows import Rate
from worker.store.tables import rates, runs

OWN = "renewals@example.com"


def account(name: str, **changes: Any) -> dict[str, Any]:
    return {"emailAccountId": name, "name": name, "emailAddress": f"{name}@example.com", **changes}


ONE, TWO, THREE = (sender_pool("", [account(name)])[0] for name in ("one", "two", "three"))
POOL = (ONE, TWO, THREE)
ACCEPTED = SendResult(certainty=Certainty.ACCEPTED, provider_ref="r")
REFUSED = SendResult(certainty=Certainty.REFUSED, reason=Reason.CONFIGURATION, code="403")
LIMITED = SendResult(certainty=Certainty.NOT_SENT, reason=Reason.RATE_LIMITED, retry_after=90.0)
BOUNCED = SendResult(certainty=Certainty.REFUSED, reason=Reason.INVALID_ADDRESS)
LOST = SendResult(certainty=Certainty.UNKNOWN, reason=Reason.TIMEOUT)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mailers(clock: Clock) -> Mailers:
    return Mailers(clock)


def ids(pool: tuple[EmailAccount, ...]) -> list[str]:
    return [one.email_account_id for one in pool]


def test_the_account_of_the_campaigns_address_goes_first_then_the_order_given():
    written = [account("a"), account("b", emailAddress=OWN.upper()), account("c")]

    assert ids(sender_pool(OWN, written)) == ["b", "a", "c"]
    assert ids(sender_pool("other@example.com", written)) == ["a", "b", "c"]


def test_only_live_enabled_accounts_that_we_can_send_through_are_used():
    written = [account("a", type="IMAPS"), account("b", enabled=False), account("c", deletedAt=1700000000000)]

    assert ids(sender_pool(OWN, [*written, account("d", type="SendGrid")])) == ["d"]


def test_a_refusal_of_our_configuration_moves_to_the_next_and_counts_against_nobody(mailers: Mailers, clock: Clock):
    assert mailers.pick(POOL) is ONE

    [result, taken] = mailers.learn(ONE, POOL, [REFUSED, ACCEPTED])

    assert (result.certainty, result.reason) == (Certainty.NOT_SENT, Reason.CONFIGURATION)
    assert taken is ACCEPTED
    assert mailers.pick(POOL) is TWO
    clock.now = REFUSED_REST_SECONDS
    assert mailers.pick(POOL) is ONE


def test_an_outage_moves_to_the_next_for_as_long_as_the_provider_asks(mailers: Mailers, clock: Clock):
    [result] = mailers.learn(ONE, POOL, [LIMITED])

    assert result.retry_after is None  # the next account need not wait
    assert mailers.pick(POOL) is TWO
    clock.now = OUTAGE_REST_SECONDS
    assert mailers.pick(POOL) is TWO
    clock.now = 90
    assert mailers.pick(POOL) is ONE


@pytest.mark.parametrize("result", [BOUNCED, LOST, ACCEPTED])
def test_neither_a_recipients_fault_nor_an_unknown_fate_moves_anything(mailers: Mailers, result: SendResult):
    assert mailers.learn(ONE, POOL, [result]) == [result]
    assert mailers.pick(POOL) is ONE


def test_what_may_have_left_stays_unknown_beside_a_refusal(mailers: Mailers):
    assert mailers.learn(ONE, POOL, [REFUSED, LOST])[1] is LOST


def test_when_all_have_refused_the_refusal_stands_and_the_first_is_asked_again(mailers: Mailers):
    for one in POOL[:-1]:
        mailers.learn(one, POOL, [REFUSED])

    assert mailers.learn(THREE, POOL, [REFUSED]) == [REFUSED]
    assert mailers.pick(POOL) is ONE


def test_an_account_that_works_again_is_awake(mailers: Mailers):
    for one in POOL:
        mailers.learn(one, POOL, [REFUSED])
    mailers.learn(TWO, POOL, [ACCEPTED])

    assert mailers.pick(POOL) is TWO


def test_an_account_without_its_credential_here_is_passed_over(mailers: Mailers, monkeypatch):
    absent = sender_pool("", [account("four", credentialRef="NOT_SET_ANYWHERE")])[0]

    assert mailers.pick((absent, ONE)) is ONE
    assert mailers.pick((absent,)) is None
    monkeypatch.setenv("NOT_SET_ANYWHERE", "SG.x")
    assert has_credential(absent)


def test_a_credential_may_be_in_the_env_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("MARKETING_KEY=SG.y\n")

    assert has_credential(sender_pool("", [account("m", credentialRef="MARKETING_KEY")])[0])


def test_the_accounts_own_speed_holds_for_all_that_leaves_from_it():
    slow = sender_pool("", [account("slow", perMinute=30)])[0]

    assert within_own(Rate(per_second=100), slow) == Rate(per_second=0.5, sender="slow@example.com")
    assert within_own(Rate(per_second=0.1), slow).per_second == 0.1
    assert within_own(Rate(per_second=100), ONE).per_second == 100


def test_a_mail_takes_address_name_and_reply_address_of_the_account():
    named = sender_pool("", [account("n", displayName="Renewals", replyTo="answers@example.com")])[0]
    mail = Email(attempt_id="a", to="p@example.com", sender=OWN, subject="s", text="t")

    sent = from_account(named, mail, OWN)

    assert (sent.sender, sent.sender_name, sent.reply_to) == ("n@example.com", "Renewals", "answers@example.com")


def test_what_the_action_says_goes_before_the_account():
    named = sender_pool("", [account("n", displayName="Renewals", replyTo="answers@example.com")])[0]
    said = {"attempt_id": "a", "to": "p@example.com", "subject": "s", "text": "t"}
    own = Email(**said, sender=OWN, sender_name="Ann", reply_to="ann@example.com")
    other = Email(**said, sender="ceo@example.com")
    call = Call(attempt_id="c", to="+12025550100", sender="+12025550101", speech=Speech(text="x"))

    assert (from_account(named, own, OWN).sender_name, from_account(named, own, OWN).reply_to) == (
        "Ann",
        "ann@example.com",
    )
    assert from_account(named, other, OWN) is other
    assert from_account(named, call, OWN) is call


def test_a_launch_hears_what_is_wrong_with_the_accounts():
    documents = {"a": account("a", credentialRef="NOT_SET_ANYWHERE"), "b": account("b")}
    campaign = a_campaign(emailAccounts=["b", "a", "gone"])

    assert [one["emailAccountId"] for one in accounts_of(campaign, documents)] == ["b", "a"]
    missing, unset = account_reasons(campaign, documents)
    assert "'gone' does not exist" in missing
    assert "NOT_SET_ANYWHERE is not set" in unset
    assert not list(account_reasons(a_campaign(emailAccounts=["gone"], useForEmail=False), {}))
    assert "none of its email accounts" in list(account_reasons(a_campaign(emailAccounts=["x"]), {}))[-1]


# At work


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is asked of the database here is the same on both kinds."""
    return sqlite_url


@pytest.fixture
def pooled(open_house: Callable[..., House], monkeypatch) -> Callable[..., House]:
    """A run whose mail leaves from these accounts: `good` ones have the sandbox's key, others a wrong one."""
    monkeypatch.setenv("GOOD_KEY", API_KEY)
    monkeypatch.setenv("BAD_KEY", "SG.revoked")

    def open_one(*accounts: dict[str, Any], people: int = 3, **sandbox: Any) -> House:
        house = open_house(sandbox=sandbox)
        house.launch(MAIL, people=people)
        with house.store.engine.begin() as conn:
            options = {"speed": 1, "rehearsal": True, "emailAccounts": list(accounts)}
            conn.execute(runs.update().values(options=json.dumps(options)))
        house.rt._definition.cache_clear()
        house.advance()
        return house

    return open_one


def sent_from(house: House) -> list[str]:
    return sorted({line["from"] for line in house.ledger()})


def test_a_revoked_key_costs_nobody_their_mail(pooled):
    house = pooled(account("a", credentialRef="BAD_KEY"), account("b", credentialRef="GOOD_KEY", perMinute=6000))

    first = house.dispatch(ChannelKind.EMAIL)
    house.later(seconds=10)
    second = house.dispatch(ChannelKind.EMAIL)

    assert first == {Certainty.NOT_SENT: 3}
    assert second == {Certainty.ACCEPTED: 3}
    assert sent_from(house) == ["b@example.com"]
    assert house.settings.sendgrid_api_key.get_secret_value() == API_KEY
    assert "sendgrid-email/email/b@example.com" in {row.bucket for row in house.rows(rates)}


def test_an_unverified_sender_is_replaced_by_the_next_account(pooled):
    house = pooled(account("a"), account("b"), senders=frozenset({"b@example.com", "+15550001111"}))

    house.dispatch(ChannelKind.EMAIL)
    house.later(seconds=10)
    house.dispatch(ChannelKind.EMAIL)

    assert sent_from(house) == ["b@example.com"]


def test_when_no_account_is_left_the_run_is_paused(pooled):
    house = pooled(account("a", credentialRef="BAD_KEY"), account("b", credentialRef="BAD_KEY"))
    for _ in range(2):
        house.dispatch(ChannelKind.EMAIL)
        house.later(seconds=10)

    guarding.look(house.rt)

    assert house.status() == "paused"
    assert "EMAIL_CONFIG" in house.store.run_changes(TENANT, house.run_id)[-1].reason


def test_a_mail_that_may_have_left_is_not_sent_by_another_account(pooled):
    house = pooled(account("a"), account("b"), people=1)
    house.faults(next=["accept_then_reset"])

    house.dispatch(ChannelKind.EMAIL)
    house.later(seconds=60)
    house.dispatch(ChannelKind.EMAIL)

    assert house.message().status == "unknown"
    assert len(house.ledger()) == 1
