"""What SMS and voice share at Twilio: settings, one SDK client, and what the outcome of a create means.

1. The SDK's client is built once per adapter, with our HTTP client under it (`transport`).
2. A create answers with a SendResult whatever happens after its first byte: an exception here would hide the results
   of all messages sent beside it.
3. Twilio has no idempotency key. The attempt id travels in the callback URL, the only thing Twilio gives back verbatim.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

from twilio.rest import Client  # type: ignore[import-untyped]

from channels.base import Probe, Standing
from channels.connections import Connections, begun_by
from channels.errors import InvalidSettings
from channels.messages import E164
from channels.results import Certainty, Reason, SendResult
from channels.transport import AioTwilioHttpClient, captured, certainty_of, retry_after
from channels.vendors.twilio_codes import refusal

RETRY_POLICY: Final = "#rc=3&rp=all"
"""Connection overrides, twilio.com/docs/usage/webhooks/webhooks-connection-overrides: a callback that fails in any way
is sent up to three times more (by default once, and only when no connection was made). Not part of the signature."""

_ACTIVE: Final = "active"
_NOT_LET_IN: Final = frozenset({401, 403})

PAGE_SIZE: Final = 1000
MOST_PAGES: Final = 5
LOOKBACK: Final = timedelta(minutes=10)
"""How far our clock may be ahead of Twilio's when we ask for what was created since a moment. Generous: a message that
is overlooked is sent again, and what was created before it is mostly known to be another attempt's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioSettings:
    """An account of Twilio. The first of `auth_tokens` signs in; callbacks may be signed with any (rotation).

    `public_url` is where Twilio reaches us, as the outside world writes it: scheme, host, perhaps a path.
    """

    account_sid: str
    auth_tokens: tuple[str, ...] = field(repr=False)
    public_url: str
    base_url: str = "https://api.twilio.com"
    timeout_seconds: float = 15.0
    connect_timeout_seconds: float = 3.0
    max_in_flight: int = 50

    def __post_init__(self) -> None:
        _require(self.account_sid, "account_sid", "AC…")
        _require(self.auth_tokens and all(self.auth_tokens), "auth_tokens", "at least one, none empty")
        _require(0 < self.connect_timeout_seconds < self.timeout_seconds, "connect_timeout_seconds", "below the other")
        _require(self.max_in_flight > 0, "max_in_flight", "at least 1")
        _require(re.fullmatch(r"https?://[^?#\s]*[^/?#\s]", self.base_url), "base_url", "http(s), no / at its end")
        _require(re.fullmatch(r"https?://[^?#\s]*[^/?#\s]", self.public_url), "public_url", "http(s), no / at its end")
        _require("_" not in (urlsplit(self.public_url).hostname or ""), "public_url", "a host without _, says Twilio")

    def callback_url(self, path: str, attempt_id: str) -> str:
        """Where Twilio reports on an attempt: `path` is one of the webhook paths, like `sms`."""
        return f"{self.public_url}/webhooks/twilio/{path}?attempt={quote(attempt_id, safe='')}{RETRY_POLICY}"


def _require(holds: object, name: str, expected: str) -> None:
    if not holds:
        raise InvalidSettings(f"twilio {name}: expected {expected}")


class TwilioAccount:
    """The SDK's client of one account, and how its answers are read. Made inside the running loop."""

    def __init__(self, settings: TwilioSettings) -> None:
        self._connections = Connections(
            limit=settings.max_in_flight,
            timeout_seconds=settings.timeout_seconds,
            connect_timeout_seconds=settings.connect_timeout_seconds,
        )
        client = Client(
            settings.account_sid,
            settings.auth_tokens[0],
            http_client=AioTwilioHttpClient(self._connections),
            environment={"TWILIO_EDGE": "", "TWILIO_REGION": ""},  # settings decide, not the environment
        )
        client.api.base_url = settings.base_url
        self.resources: Any = client.api.v2010.account

    def deadline(self) -> float:
        """The moment after which a send that begins now starts no more requests: it ends within two timeouts."""
        return self._connections.deadline()

    async def create(self, create: Callable[..., Awaitable[Any]], *, until: float, **fields: Any) -> SendResult:
        """Call a create of the SDK with `fields`. Never raises; `until` as given by `deadline`."""
        with captured() as answer:
            try:
                with begun_by(until):
                    resource = await create(**fields)
            except Exception as error:  # noqa: BLE001 - rule 2: whatever broke, the others' results must survive
                return _broken(error, answer.status, retry_after(answer.headers))
        if not isinstance(resource.sid, str) or not resource.sid:
            # The SDK makes a resource without a sid out of an empty 2xx. It was probably created.
            return SendResult(certainty=Certainty.UNKNOWN, reason=Reason.PROVIDER_ERROR, code=str(answer.status))
        return SendResult(
            certainty=Certainty.ACCEPTED,
            provider_ref=resource.sid,
            segments=_count(getattr(resource, "num_segments", 0)),
        )

    async def records(self, page: Callable[..., Awaitable[Any]], **filters: Any) -> AsyncIterator[Any]:
        """All records of a list, page by page. Raises what the SDK raises, and TooManyPages after `MOST_PAGES`."""
        current = await page(page_size=PAGE_SIZE, **filters)
        for left in reversed(range(MOST_PAGES)):
            for record in current:
                yield record
            if not current.next_page_url:
                return
            if not left:
                raise TooManyPages
            current = await current.next_page_async()

    async def probe(self, lists: Sequence[Any], senders: Sequence[str]) -> Probe:
        """Fetch the account, and look for the numbers among `senders` in these lists of it. Never raises."""
        with captured() as answer:
            try:
                account = await self.resources.fetch_async()
                if account.status != _ACTIVE:
                    return Probe(standing=Standing.REFUSED, sentence=f"the Twilio account is {account.status}")
                numbers = [sender for sender in senders if E164.fullmatch(sender)]
                strangers = tuple([number for number in numbers if not await _owns(lists, number)])
            except Exception as error:  # noqa: BLE001 - whatever broke, the honest answer is that we could not ask
                return _not_asked(error, answer.status)
        return Probe(standing=Standing.OK, strangers=strangers)

    async def close(self) -> None:
        await self._connections.close()


class TooManyPages(Exception):
    """The list is longer than we read; what was looked for may be further on."""


async def _owns(lists: Sequence[Any], number: str) -> bool:
    for one in lists:
        if any(True for _ in await one.page_async(phone_number=number, page_size=1)):
            return True
    return False


def _not_asked(error: Exception, status: int) -> Probe:
    if status in _NOT_LET_IN:
        return Probe(standing=Standing.REFUSED, sentence=f"Twilio refuses the account or its token ({status})")
    why = f"answered {status}" if status else f"cannot be asked: {type(error).__name__}"
    return Probe(standing=Standing.UNREACHABLE, sentence=f"Twilio {why}")


def _broken(error: Exception, status: int, wait: float | None) -> SendResult:
    """The result of a create that raised. `status` 0: there was no answer."""
    if not status:
        certainty, reason = certainty_of(error)
        return SendResult(certainty=certainty, reason=reason)
    code = getattr(error, "code", None)  # both exception types of the SDK have it; those of a cut body do not
    certainty, reason = refusal(status, code if isinstance(code, int) else 0)
    if certainty is Certainty.UNKNOWN:
        reason = certainty_of(error)[1]  # tells an answer that never ended from an unreadable one
    waits = wait if certainty is Certainty.NOT_SENT else None
    return SendResult(certainty=certainty, reason=reason, code=str(code or status), retry_after=waits)


def _count(segments: object) -> int:
    return int(segments) if isinstance(segments, str | int) and str(segments).isdecimal() else 0
