"""Twilio's Calls resource: create, fetch, list, update, delete.

1. A request is checked whole before anything is recorded; the checks and codes are Twilio's.
2. The ledger's body hash of a call is that of its TwiML, or of its `Url` without the query, which carries the attempt.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from channels.sandbox.call_life import CallLife
from channels.sandbox.core import Accepted, Core, attempt_in_url, create
from channels.sandbox.ledger import LineKind
from channels.sandbox.records import CallRecord, new_sid
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
from channels.sandbox.vendor_fields import CALL_PARAMETERS, CALL_UPDATE_PARAMETERS

_EVENTS: Final = frozenset({"initiated", "ringing", "answered", "completed"})
_TWIML_LENGTH: Final = 4000
_US: Final = re.compile(r"\+1(\d{3})(\d{3})(\d{4})")


class CallsApi:
    """Answers requests to /2010-04-01/Accounts/{account}/Calls."""

    def __init__(self, core: Core, twilio: Twilio) -> None:
        self._core = core
        self._twilio = twilio
        self._life = CallLife(core)

    async def create(self, request: web.Request) -> web.StreamResponse:
        """POST Calls.json"""
        return await create(self._core, self._twilio, "voice", request, self._accept)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """GET Calls.json: To, From, Status, StartTime and EndTime (with < and >), PageSize, Page, PageToken."""
        self._twilio.check(request)
        query = request.query
        started, ended = between(query, "StartTime"), between(query, "EndTime")

        def keep(call: CallRecord) -> bool:
            return (
                query.get("From") in {None, call.sender}
                and query.get("Status") in {None, call.status}
                and started(call.started)
                and ended(call.ended)
            )

        lag = self._core.settings.list_lag_seconds
        return list_page(request, self._core.calls, keep, lag_seconds=lag, key="calls", render=self._document)

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """GET Calls/{Sid}.json"""
        return as_json(self._document(self._find(request)))

    async def update(self, request: web.Request) -> web.StreamResponse:
        """POST Calls/{Sid}.json: Status=canceled before it is answered, Status=completed, or a new Url or Twiml."""
        call = self._find(request)
        form, _ = read_form(await request.read(), CALL_UPDATE_PARAMETERS)
        if call.final:
            raise refuse(400, 21220, "Call is not in-progress. Cannot redirect.")
        match form:
            case {"Status": "canceled"}:
                if call.status in {"queued", "ringing"}:
                    self._life.end(call, "canceled")
            case {"Status": "completed"}:
                self._life.end(call, "completed" if call.status == "in-progress" else "canceled")
            case {"Url": _} | {"Twiml": _} if call.status == "in-progress":
                check_url(form, "Url", 21205)
                self._life.redirect(call, form)
            case {"Url": _} | {"Twiml": _}:
                raise refuse(400, 21220, "Call is not in-progress. Cannot redirect.")
            case _:
                raise refuse(400, 20001, "Invalid parameter: expected Status, Url or Twiml")
        return as_json(self._document(call))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """DELETE Calls/{Sid}.json, once it is over."""
        call = self._find(request)
        if not call.final:
            raise refuse(409, 20009, "Cannot delete a call that is not over")
        self._core.calls.remove(call)
        return web.Response(status=204)

    def _find(self, request: web.Request) -> CallRecord:
        self._twilio.check(request)
        call = self._core.calls.get(request.match_info["sid"])
        if call is None:
            raise not_found(request)
        return call

    def _accept(self, body: bytes) -> Accepted:
        form, values = read_form(body, CALL_PARAMETERS)
        form = {name: value for name, value in form.items() if value}
        events = _read_events(values)
        self._check(form)
        person = self._core.people.behind_number(form["To"])
        if person.call.refuse:
            raise refuse(400, person.call.refuse, "Account not authorized to call this number")
        callback = form.get("StatusCallback", "")
        call = CallRecord(
            sid=new_sid("CA"),
            to=form["To"],
            sender=form["From"],
            attempt=attempt_in_url(callback, form.get("Url", "")),
            status="queued",
            status_callback=callback,
            form=form,
            events=events,
        )
        self._core.calls.add(call)
        self._core.ledger.write([self._line(call)])
        document = self._document(call)
        self._life.begin(call, person.call)
        return Accepted(refs=[call.sid], response=lambda: as_json(document, 201), early=lambda: self._life.hurry(call))

    def _check(self, form: Form) -> None:
        if not form.get("To"):
            raise refuse(400, 21201, "No 'To' number is specified")
        if not form.get("From"):
            raise refuse(400, 21213, "'From' phone number is required")
        if not NUMBER.fullmatch(form["To"]):
            raise refuse(400, 21211, "The 'To' number is not a valid phone number")
        if not NUMBER.fullmatch(form["From"]):
            raise refuse(400, 21212, "The 'From' number is not a valid phone number")
        owned = self._core.settings.senders
        if owned and form["From"] not in owned:
            raise refuse(400, 21210, "The source phone number provided is not yet verified for this account")
        _check_what_is_done(form)
        for name in ("Url", "FallbackUrl", "StatusCallback", "AsyncAmdStatusCallback"):
            check_url(form, name, 21205 if name == "Url" else 21609)
        check_number(form, "Timeout", range(1, 601), 60)
        check_number(form, "TimeLimit", range(1, 86_401), 14_400)

    def _line(self, call: CallRecord) -> dict[str, Any]:
        said = call.form["Url"].partition("?")[0] if "Url" in call.form else call.form["Twiml"]
        line = {
            "kind": LineKind.ACCEPTED,
            "channel": "voice",
            "ref": call.sid,
            "attempt": call.attempt,
            "to": call.to,
            "from": call.sender,
            "body_hash": hashlib.blake2b(said.encode(), digest_size=16).hexdigest(),
            "status": call.status,
        }
        return {**line, "body": said} if self._core.settings.ledger_bodies else line

    def _document(self, call: CallRecord) -> Mapping[str, Any]:
        account = self._core.settings.account_sid
        uri = f"/{VERSION}/Accounts/{account}/Calls/{call.sid}"
        return {
            "sid": call.sid,
            "date_created": rfc2822(call.created),
            "date_updated": rfc2822(call.updated),
            "parent_call_sid": None,
            "account_sid": account,
            "to": call.to,
            "to_formatted": _US.sub(r"(\1) \2-\3", call.to),
            "from": call.sender,
            "from_formatted": _US.sub(r"(\1) \2-\3", call.sender),
            "phone_number_sid": None,
            "status": call.status,
            "start_time": rfc2822(call.started),
            "end_time": rfc2822(call.ended),
            "duration": str(call.duration) if call.final else None,
            "price": None,
            "price_unit": "USD",
            "direction": call.direction,
            "answered_by": call.answered_by,
            "api_version": VERSION,
            "forwarded_from": None,
            "group_sid": None,
            "caller_name": None,
            "queue_time": "0",
            "trunk_sid": None,
            "uri": f"{uri}.json",
            "subresource_uris": {"events": f"{uri}/Events.json", "recordings": f"{uri}/Recordings.json"},
        }


def _read_events(values: Mapping[str, list[str]]) -> frozenset[str]:
    """The events asked for; clients repeat the key, or list them in one value."""
    asked = frozenset(" ".join(values.get("StatusCallbackEvent", ["completed"])).split())
    if not asked <= _EVENTS:
        raise refuse(400, 21626, "Invalid 'StatusCallbackEvent': expected initiated, ringing, answered or completed")
    return asked


def _check_what_is_done(form: Form) -> None:
    if not form.get("Url") and not form.get("Twiml"):
        raise refuse(400, 21205, "'Url' parameter is required")
    if len(form.get("Twiml", "")) > _TWIML_LENGTH:
        raise refuse(400, 20001, "Invalid parameter Twiml: expected at most 4000 characters")
    if form.get("MachineDetection", "Enable") not in {"Enable", "DetectMessageEnd"}:
        raise refuse(400, 20001, "Invalid parameter MachineDetection: expected Enable or DetectMessageEnd")
    if not re.fullmatch(r"[0-9A-D#*wW]{0,32}", form.get("SendDigits", "")):
        raise refuse(400, 20001, "Invalid parameter SendDigits: expected up to 32 of 0-9A-D#*wW")
