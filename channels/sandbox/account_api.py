"""What the providers say about the account itself: its state, its numbers, the rights of its key."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from channels.sandbox.core import Core, Refused
from channels.sandbox.mail_api import SendGrid
from channels.sandbox.twilio_wire import NUMBER, VERSION, Twilio, as_json, rfc2822

_SCOPES: Final = ("mail.send", "sender_verification_eligible", "2fa_required")
_MADE: Final = rfc2822(0)


class AccountApi:
    """Answers requests to /2010-04-01/Accounts/{account} and /v3/scopes."""

    def __init__(self, core: Core, twilio: Twilio, sendgrid: SendGrid) -> None:
        self._settings = core.settings
        self._twilio, self._sendgrid = twilio, sendgrid

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """GET Accounts/{Sid}.json"""
        self._twilio.check(request)
        sid = self._settings.account_sid
        document: dict[str, Any] = {
            "sid": sid,
            "owner_account_sid": sid,
            "auth_token": None,
            "friendly_name": "Sandbox",
            "status": "active",
            "type": "Full",
            "date_created": _MADE,
            "date_updated": _MADE,
            "uri": f"/{VERSION}/Accounts/{sid}.json",
            "subresource_uris": {},
        }
        return as_json(document)

    def numbers(self, key: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """GET IncomingPhoneNumbers.json and OutgoingCallerIds.json, by PhoneNumber: without `senders` all are ours."""

        async def answer(request: web.Request) -> web.StreamResponse:
            self._twilio.check(request)
            wanted = request.query.get("PhoneNumber", "")
            owned = self._settings.senders or frozenset({wanted})
            found = sorted(one for one in owned if NUMBER.fullmatch(one) and wanted in ("", one))
            rows = [self._number(place, number) for place, number in enumerate(found)]
            page: Mapping[str, Any] = {"next_page_uri": None, "uri": request.path, "page": 0, "page_size": len(rows)}
            return as_json({**page, key: rows})

        return answer

    def _number(self, place: int, number: str) -> Mapping[str, Any]:
        account = self._settings.account_sid
        return {"sid": f"PN{place:032x}", "account_sid": account, "phone_number": number, "friendly_name": number}

    async def scopes(self, request: web.Request) -> web.StreamResponse:
        """GET /v3/scopes"""
        try:
            self._sendgrid.check_key(request)
        except Refused as refused:
            return self._sendgrid.answer(refused)
        return as_json({"scopes": _SCOPES})
