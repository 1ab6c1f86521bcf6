"""Which of a campaign's email accounts the next mails leave from: the first one that works.

1. An account that refuses for its own configuration (401, 403, an unverified sender), or that takes nothing, rests for
   a while; the next one takes its place. What it surely did not take is queued for that one.
2. A recipient's fault is nobody's reason to change the account, and a mail that may have left is never sent by another.
3. When every account rests, the first is asked again; a refusal of its configuration then stands.
4. What is known of accounts is this process's own: another one learns it by itself, at the cost of one request.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic_settings import DotEnvSettingsSource

from channels.messages import ChannelKind, Email, Message
from channels.results import Certainty, Reason, SendResult
from worker.domain.campaign import Campaign
from worker.domain.email_account import EmailAccount, sender_pool
from worker.runtime.settings import Settings
from worker.store.rows import Rate

REFUSED_REST_SECONDS: Final = 600.0
"""A person has to see to it."""
OUTAGE_REST_SECONDS: Final = 60.0


class Mailers:
    """What this process knows of email accounts."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._rests_until: dict[str, float] = {}

    def pick(self, pool: Sequence[EmailAccount]) -> EmailAccount | None:
        """The account to send from now; None where no account of the pool has its credential here."""
        usable = [one for one in pool if has_credential(one)]
        awake = (one for one in usable if not self._rests(one))
        return next(awake, usable[0] if usable else None)

    def learn(
        self, mailer: EmailAccount, pool: Sequence[EmailAccount], results: Sequence[SendResult]
    ) -> Sequence[SendResult]:
        """Take in what came of a send; what another account can still take is no refusal."""
        refused = [one for one in results if _refuses_us(one)]
        unsent = [one for one in results if one.certainty is Certainty.NOT_SENT]
        if refused:
            self._rest(mailer, REFUSED_REST_SECONDS)
        elif unsent:
            self._rest(mailer, max([OUTAGE_REST_SECONDS, *(one.retry_after or 0 for one in unsent)]))
        elif any(one.certainty is Certainty.ACCEPTED for one in results):
            self._rests_until.pop(mailer.email_account_id, None)
        if not any(has_credential(one) and not self._rests(one) for one in pool):
            return results
        return [_for_the_next(one) for one in results]

    def _rest(self, mailer: EmailAccount, seconds: float) -> None:
        self._rests_until[mailer.email_account_id] = self._elapsed() + seconds

    def _rests(self, mailer: EmailAccount) -> bool:
        return self._elapsed() < self._rests_until.get(mailer.email_account_id, 0.0)


def _refuses_us(result: SendResult) -> bool:
    return result.certainty is Certainty.REFUSED and result.reason is Reason.CONFIGURATION


def _for_the_next(result: SendResult) -> SendResult:
    """Another account is there: nothing has left, and nothing is said against the message."""
    if _refuses_us(result):
        return replace(result, certainty=Certainty.NOT_SENT)
    return replace(result, retry_after=None) if result.certainty is Certainty.NOT_SENT else result


def secret_named(name: str) -> str:
    """The secret of this name, from the environment or from .env; "" where there is none."""
    return os.environ.get(name) or DotEnvSettingsSource(Settings, env_file=".env").env_vars.get(name.lower()) or ""


def has_credential(account: EmailAccount) -> bool:
    """Whether this process can sign in as it; one without a `credentialRef` uses SENDGRID_API_KEY."""
    return not account.credential_ref or bool(secret_named(account.credential_ref))


def within_own(rate: Rate, mailer: EmailAccount) -> Rate:
    """The speed limit, with the account's own where that is slower."""
    own = mailer.per_minute / 60 if mailer.per_minute else rate.per_second
    return replace(rate, per_second=min(rate.per_second, own), sender=mailer.email_address)


def from_account(mailer: EmailAccount, mail: Message, own: str) -> Message:
    """A mail as it leaves from this account; one whose action names another sender than the campaign's `own` stays."""
    if not isinstance(mail, Email) or mail.sender != own:
        return mail
    return replace(
        mail,
        sender=mailer.email_address,
        sender_name=mail.sender_name or mailer.display_name,
        reply_to=mail.reply_to or mailer.reply_to,
    )


def accounts_of(campaign: Campaign, documents: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The documents of a campaign's email accounts, in its order: what a run keeps as its option `emailAccounts`."""
    return [documents[account_id] for account_id in campaign.email_account_ids if account_id in documents]


def account_reasons(campaign: Campaign, documents: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What stands in the way of sending from a campaign's email accounts."""
    if ChannelKind.EMAIL not in campaign.channels or not campaign.email_account_ids:
        return
    for account_id in campaign.email_account_ids:
        if account_id not in documents:
            yield f"its email account {account_id!r} does not exist; save it first"
    pool = sender_pool(campaign.email_from_address, accounts_of(campaign, documents))
    if not pool:
        yield "none of its email accounts can send: they are of another type than SENDGRID, or not enabled"
    for account in pool:
        if not has_credential(account):
            name = account.credential_ref
            yield f"{name} is not set, the credentialRef of email account {account.email_account_id}; put it into .env"
