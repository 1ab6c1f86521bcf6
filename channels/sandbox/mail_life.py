"""The life of a mail: processed, delivered or not, opened, clicked; told as signed batches of events.

1. custom_args come back as top-level keys; SendGrid's own keys win.
2. An address that bounced, unsubscribed or complained is suppressed: later mails to it are accepted, then dropped.
3. A bounce that follows a delivery has lost its sg_message_id, as SendGrid's asynchronous bounces have.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from channels.sandbox.callbacks import EventBatch
from channels.sandbox.core import Core
from channels.sandbox.faults import CallbackFault
from channels.sandbox.ledger import LineKind
from channels.sandbox.people import MailEvent

_BATCH_SECONDS: Final = 0.2
"""Real seconds that events wait for company."""
_BATCH_SIZE: Final = 1000
_EARLY_SECONDS: Final = 5.0

_SECONDS_TO: Final = {
    MailEvent.PROCESSED: 0.3,
    MailEvent.DEFERRED: 3.0,
    MailEvent.DELIVERED: 2.0,
    MailEvent.BOUNCE: 2.0,
    MailEvent.BLOCKED: 2.0,
    MailEvent.DROPPED: 0.3,
    MailEvent.OPEN: 8.0,
    MailEvent.CLICK: 3.0,
    MailEvent.SPAMREPORT: 10.0,
    MailEvent.UNSUBSCRIBE: 4.0,
}
_FINAL: Final = frozenset({MailEvent.DELIVERED, MailEvent.BOUNCE, MailEvent.BLOCKED, MailEvent.DROPPED})
_AGENT: Final = {"useragent": "Mozilla/5.0 (sandbox)", "ip": "192.0.2.1"}
_DETAILS: Final[Mapping[MailEvent, Mapping[str, Any]]] = {
    MailEvent.DEFERRED: {"response": "451 4.7.1 try again later", "attempt": "1"},
    MailEvent.DELIVERED: {"response": "250 2.0.0 OK"},
    MailEvent.BOUNCE: {
        "event": "bounce",
        "type": "bounce",
        "reason": "550 5.1.1 The email account that you tried to reach does not exist.",
        "status": "5.1.1",
        "bounce_classification": "Invalid Address",
    },
    MailEvent.BLOCKED: {
        "event": "bounce",
        "type": "blocked",
        "reason": "550 5.7.1 Message blocked by the policy of the recipient.",
        "status": "5.7.1",
        "bounce_classification": "Content",
    },
    MailEvent.DROPPED: {"reason": "Unsubscribed Address", "status": "5.0.0"},
    MailEvent.OPEN: {**_AGENT, "sg_machine_open": False, "sg_content_type": "html"},
    MailEvent.CLICK: {**_AGENT, "url": "https://example.com/", "url_offset": {"index": 0, "type": "html"}},
}
_SUPPRESSED_BY: Final = {
    MailEvent.BOUNCE: "Bounced Address",
    MailEvent.UNSUBSCRIBE: "Unsubscribed Address",
    MailEvent.SPAMREPORT: "Spam Reporting Address",
}

Event = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Recipient:
    """One recipient of one accepted request. `number`: its place in it. `place`: how many of its events were told."""

    message_id: str
    number: int
    email: str = field(repr=False)
    sender: str = field(repr=False)
    attempt: str
    custom_args: Mapping[str, str]
    categories: Sequence[str]
    body_hash: str
    send_at: float
    place: int = 0


class MailLife:
    """Moves mails along."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._events: list[tuple[Event, str]] = []
        """Each with our id of its mail."""

    def begin(self, recipients: Sequence[Recipient], *, bypass: bool) -> None:
        """Start the lives of a request's mails. `bypass`: suppressed addresses are mailed all the same."""
        for recipient in recipients:
            suppressed = not bypass and recipient.email.lower() in self._core.suppressed
            script = self._core.people.behind_mailbox(recipient.email).email.events
            events = (MailEvent.DROPPED,) if suppressed else script
            self._plan(recipient, events, 0, wait=max(0.0, recipient.send_at - time.time()))

    async def hurry(self, recipients: Sequence[Recipient]) -> None:
        """Tell the first event of these mails now, and return once it was answered (or five seconds have gone)."""
        events = []
        for recipient in recipients:
            script = self._core.people.behind_mailbox(recipient.email).email.events
            if recipient.place == 0 and script[0] is MailEvent.PROCESSED:
                events.append((self._happen(recipient, MailEvent.PROCESSED, ()), recipient.attempt))
                recipient.place = 1
        if events and self._core.settings.sendgrid_events_url:
            await self._core.courier.carried(self._batch(events), _EARLY_SECONDS)

    def _plan(self, recipient: Recipient, events: tuple[MailEvent, ...], place: int, wait: float = 0.0) -> None:
        if place < len(events):
            seconds = wait + _SECONDS_TO[events[place]]
            self._core.agenda.after(seconds, lambda: self._step(recipient, events, place))

    def _step(self, recipient: Recipient, events: tuple[MailEvent, ...], place: int) -> None:
        if recipient.place == place:  # else it was hurried
            self._tell(recipient, self._happen(recipient, events[place], events[:place]))
            recipient.place += 1
        self._plan(recipient, events, place + 1)

    def _happen(self, recipient: Recipient, event: MailEvent, before: tuple[MailEvent, ...]) -> Event:
        """Write the event down, draw its consequences, and return it as it is told."""
        final = event in _FINAL
        self._core.ledger.write([{"kind": LineKind.STATUS, **self._line(recipient), "status": event, "final": final}])
        details = dict(_DETAILS.get(event, {}))
        mailbox = recipient.email.lower()
        if event is MailEvent.DROPPED and mailbox in self._core.suppressed:
            details["reason"] = self._core.suppressed[mailbox]
        if event in _SUPPRESSED_BY:
            self._core.suppressed[mailbox] = _SUPPRESSED_BY[event]
        told = {
            **recipient.custom_args,
            "email": recipient.email,
            "timestamp": int(time.time()),
            "event": event.value,
            "sg_event_id": secrets.token_urlsafe(16),
            "smtp-id": f"<{recipient.message_id}@sandbox>",
            "sg_message_id": f"{recipient.message_id}.recvd-sandbox-1-{recipient.number:X}.{recipient.number}",
            **details,
        }
        if recipient.categories:
            told["category"] = recipient.categories
        if event is MailEvent.BOUNCE and MailEvent.DELIVERED in before:
            del told["sg_message_id"], told["smtp-id"]
        return told

    def _tell(self, recipient: Recipient, happened: Event) -> None:
        if not self._core.settings.sendgrid_events_url:
            return
        event = (happened, recipient.attempt)
        fault = self._core.faults.draw_callback("email")
        if fault is not CallbackFault.NONE:
            self._core.ledger.write([{"kind": LineKind.FAULT, **self._line(recipient), "fault": fault}])
        match fault:
            case CallbackFault.NONE:
                self._gather(event)
            case CallbackFault.CALLBACK_MISSING:
                pass
            case CallbackFault.CALLBACK_DUPLICATE:
                self._gather(event)
                self._core.agenda.after_real(2 * _BATCH_SECONDS, lambda: self._gather(event))
            case CallbackFault.CALLBACK_REORDERED:
                self._core.agenda.after_real(self._core.faults.faults.reorder_seconds, lambda: self._gather(event))
            case _:
                assert_never(fault)

    def _gather(self, event: tuple[Event, str]) -> None:
        if not self._events:
            self._core.agenda.after_real(_BATCH_SECONDS, self._post)
        self._events.append(event)

    def _post(self) -> None:
        events, self._events = self._events, []
        for start in range(0, len(events), _BATCH_SIZE):
            self._core.courier.carry(self._batch(events[start : start + _BATCH_SIZE]))

    def _batch(self, events: Sequence[tuple[Event, str]]) -> EventBatch:
        return EventBatch(
            url=self._core.settings.sendgrid_events_url,
            events=[event for event, _ in events],
            attempts=[attempt for _, attempt in events],
            signer=self._core.signer,
        )

    def _line(self, recipient: Recipient) -> dict[str, Any]:
        return {
            "channel": "email",
            "ref": recipient.message_id,
            "attempt": recipient.attempt,
            "to": recipient.email,
        }
