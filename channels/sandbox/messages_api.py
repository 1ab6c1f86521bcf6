"""Twilio's Messages resource: create, fetch, list, update, delete.

1. A request is checked whole before anything is recorded; the checks and codes are Twilio's.
2. The body is hashed into the ledger; it is written out only where the settings say so.
"""

import hashlib
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from channels.sandbox.core import Accepted, Core, Refused, attempt_in_url, create
from channels.sandbox.ledger import LineKind
from channels.sandbox.message_life import MessageLife
from channels.sandbox.records import MessageRecord, new_sid
from channels.sandbox.twilio_wire import (
    NUMBER,
    VERSION,
    Form,
    Twilio,
    as_json,
    between,
    check_number,
    check_url,
    list_page,
    not_found,
    read_form,
    refuse,
    rfc2822,
)
from channels.sandbox.vendor_fields import MESSAGE_PARAMETERS
from channels.sms.segments import count

_SENDER: Final = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}", re.ASCII)
_BODY_LENGTH: Final = 1600
_SCHEDULE_AHEAD: Final = (300, 35 * 24 * 3600)
_TEXTS: Final = {
    21211: "The 'To' number is not a valid phone number",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
    21610: "Attempt to send to unsubscribed recipient",
    21614: "'To' number is not a valid mobile number",
}


class MessagesApi:
    """Answers requests to /2010-04-01/Accounts/{account}/Messages."""

    def __init__(self, core: Core, twilio: Twilio) -> None:
        self._core = core
        self._twilio = twilio
        self.life = MessageLife(core)

    async def create(self, request: web.Request) -> web.StreamResponse:
        """POST Messages.json"""
        return await create(self._core, self._twilio, "sms", request, self._accept)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """GET Messages.json: To, From, DateSent (with < and >), PageSize, Page, PageToken."""
        self._twilio.check(request)
        sent = between(request.query, "DateSent")
        sender = request.query.get("From")
        return list_page(
            request,
            self._core.messages,
            lambda record: (sender is None or record.sender == sender) and sent(record.started),
            lag_seconds=self._core.settings.list_lag_seconds,
            key="messages",
            render=self._document,
        )

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """GET Messages/{Sid}.json"""
        return as_json(self._document(self._find(request)))

    async def update(self, request: web.Request) -> web.StreamResponse:
        """POST Messages/{Sid}.json: Status=canceled while it is scheduled, or Body= to redact it."""
        record = self._find(request)
        form, _ = read_form(await request.read(), frozenset({"Status", "Body"}))
        match form:
            case {"Status": "canceled"} if record.status == "scheduled":
                self.life.move(record, "canceled")
            case {"Status": "canceled"}:
                raise refuse(400, 30409, "This message cannot be canceled")
            case {"Body": ""} if record.final:
                record.body = ""
            case {"Body": ""}:
                raise refuse(400, 20009, "Cannot update a message that is not in a final status")
            case _:
                raise refuse(400, 20001, "Invalid parameter: expected Status=canceled or an empty Body")
        return as_json(self._document(record))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """DELETE Messages/{Sid}.json, once its fate is known."""
        record = self._find(request)
        if not record.final:
            raise refuse(409, 20009, "Cannot delete message because delivery has not been completed")
        self._core.messages.remove(record)
        return web.Response(status=204)

    def _find(self, request: web.Request) -> MessageRecord:
        self._twilio.check(request)
        record = self._core.messages.get(request.match_info["sid"])
        if record is None:
            raise not_found(request)
        return record

    def _accept(self, body: bytes) -> Accepted:
        form, values = read_form(body, MESSAGE_PARAMETERS)
        self._check(form)
        person = self._core.people.behind_number(form["To"])
        if person.sms.refuse:
            raise self._refusal(person.sms.refuse)
        record = self._record(form, len(values.get("MediaUrl", ())))
        self._core.messages.add(record)
        self._core.ledger.write([self._line(record)])
        document = self._document(record)
        self.life.begin(record, person.sms, send_at=_send_at(form) or time.time())
        return Accepted(
            refs=[record.sid],
            response=lambda: as_json(document, 201),
            early=lambda: self.life.hurry(record, person.sms),
        )

    def _check(self, form: Form) -> None:
        to, sender, service = form.get("To", ""), form.get("From", ""), form.get("MessagingServiceSid", "")
        if not to:
            raise refuse(400, 21604, "A 'To' phone number is required")
        if not NUMBER.fullmatch(to):
            raise self._refusal(21211)
        if not sender and not service:
            raise refuse(400, 21603, "A 'From' phone number is required")
        if sender and not _SENDER.fullmatch(sender):
            raise refuse(400, 21212, "The 'From' number is not a valid phone number, shortcode, or alphanumeric name")
        if service and not re.fullmatch(r"MG[0-9a-fA-F]{32}", service):
            raise refuse(400, 21701, "The Messaging Service does not exist")
        owned = self._core.settings.senders
        if owned and (service or sender) not in owned:
            raise refuse(400, 21606, "The 'From' phone number is not a valid, message-capable number of this account")
        if not form.get("Body") and not form.get("MediaUrl"):
            raise refuse(400, 21602, "Message body is required")
        if len(form.get("Body", "")) > _BODY_LENGTH:
            raise refuse(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        check_number(form, "ValidityPeriod", range(1, 36_001), 36_000)
        check_url(form, "StatusCallback", 21609)
        _check_schedule(form)
        if (service or sender, to) in self._core.opt_outs:
            raise self._refusal(21610)

    def _refusal(self, code: int) -> Refused:
        return refuse(400, code, _TEXTS.get(code, "The message cannot be sent"))

    def _record(self, form: Form, media: int) -> MessageRecord:
        service = form.get("MessagingServiceSid", "")
        status = "scheduled" if "SendAt" in form else "accepted" if service else "queued"
        callback = form.get("StatusCallback", "")
        return MessageRecord(
            sid=new_sid("MM" if media else "SM"),
            to=form["To"],
            sender=form.get("From", ""),
            attempt=attempt_in_url(callback),
            status=status,
            status_callback=callback,
            body=form.get("Body", ""),
            segments=0 if service else count(form.get("Body", "")).parts,
            media=media,
            service=service,
        )

    def _line(self, record: MessageRecord) -> dict[str, Any]:
        line = {
            "kind": LineKind.ACCEPTED,
            "channel": "sms",
            "ref": record.sid,
            "attempt": record.attempt,
            "to": record.to,
            "from": record.sender or record.service,
            "body_hash": hashlib.blake2b(record.body.encode(), digest_size=16).hexdigest(),
            "status": record.status,
        }
        return {**line, "body": record.body} if self._core.settings.ledger_bodies else line

    def _document(self, record: MessageRecord) -> Mapping[str, Any]:
        account = self._core.settings.account_sid
        uri = f"/{VERSION}/Accounts/{account}/Messages/{record.sid}"
        return {
            "body": record.body,
            "num_segments": str(record.segments),
            "direction": record.direction,
            "from": record.sender or None,
            "to": record.to,
            "date_updated": rfc2822(record.updated),
            "price": None,
            "error_message": None,
            "uri": f"{uri}.json",
            "account_sid": account,
            "num_media": str(record.media),
            "status": record.status,
            "messaging_service_sid": record.service or None,
            "sid": record.sid,
            "date_sent": rfc2822(record.started),
            "date_created": rfc2822(record.created),
            "error_code": record.error_code,
            "price_unit": "USD",
            "api_version": VERSION,
            "subresource_uris": {"media": f"{uri}/Media.json"},
        }


def _check_schedule(form: Form) -> None:
    if "SendAt" not in form and "ScheduleType" not in form:
        return
    if not form.get("MessagingServiceSid"):
        raise refuse(400, 35118, "MessagingServiceSid is required to schedule a message")
    if form.get("ScheduleType") != "fixed" or "SendAt" not in form:
        raise refuse(400, 35114, "ScheduleType=fixed and SendAt belong together")
    earliest, latest = _SCHEDULE_AHEAD
    if not earliest < (_send_at(form) or 0) - time.time() <= latest:
        raise refuse(400, 35114, "SendAt must be more than 300 seconds and at most 35 days ahead")


def _send_at(form: Form) -> float | None:
    if "SendAt" not in form:
        return None
    try:
        moment = datetime.fromisoformat(form["SendAt"])
    except ValueError as error:
        raise refuse(400, 35114, "SendAt is not a date and time in ISO 8601") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
