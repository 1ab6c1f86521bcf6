"""How Twilio's 2010 API words things: credentials, errors, dates, pages.

1. An error is {code, message, more_info, status}; its text never repeats a number or a body.
2. Lists are newest first, with the URIs of the neighboring pages; a page token says after which record a page begins.
"""

import base64
import hmac
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlencode

import orjson
from aiohttp import web

from channels.sandbox.core import Refused
from channels.sandbox.faults import RequestFault
from channels.sandbox.records import Record, Shelf
from channels.sandbox.settings import SandboxSettings

VERSION: Final = "2010-04-01"
NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_URL: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+([/?#].*)?", re.DOTALL)
_URL_LENGTH: Final = 4000
_PAGE_SIZES: Final = range(1, 1001)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_LAST_SECOND: Final = 24 * 60 * 60 - 1

Form = dict[str, str]
"""The fields of a form; of a repeated one the last."""

R = TypeVar("R", bound=Record)


def refuse(http: int, code: int, message: str) -> Refused:
    """An error in Twilio's shape."""
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return Refused(http, str(code), {"code": code, "message": message, "more_info": more_info, "status": http})


def not_found(request: web.Request) -> Refused:
    """What Twilio says about a sid it does not know."""
    return refuse(404, 20404, f"The requested resource {request.path} was not found")


class Twilio:
    """Twilio as a vendor of create requests."""

    def __init__(self, settings: SandboxSettings) -> None:
        basic = base64.b64encode(f"{settings.account_sid}:{settings.auth_token}".encode()).decode()
        self._authorization = f"Basic {basic}"
        self._account_sid = settings.account_sid

    def check(self, request: web.Request) -> None:
        """HTTP Basic with the account sid and the auth token, on this account's resources."""
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), self._authorization.encode()):
            raise refuse(401, 20003, "Authenticate")
        if request.match_info["account"] != self._account_sid:
            raise not_found(request)

    def refusal(self, fault: RequestFault, retry_after: int) -> web.Response:
        """Too many requests, unavailable, or an internal error."""
        match fault:
            case RequestFault.REFUSE_429:
                refused = refuse(429, 20429, "Too Many Requests")
            case RequestFault.REFUSE_503:
                refused = refuse(503, 20503, "Service is unavailable. Please try again")
            case _:
                refused = refuse(500, 20500, "An internal server error has occurred")
        headers = {"Retry-After": str(retry_after)} if fault is RequestFault.REFUSE_429 else None
        return as_json(refused.document, refused.http, headers)

    def answer(self, refused: Refused) -> web.Response:
        """The error as JSON."""
        return as_json(refused.document, refused.http)


def as_json(document: object, http: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    body = orjson.dumps(document)
    return web.Response(body=body, status=http, headers=headers, content_type="application/json")


def read_form(body: bytes, allowed: frozenset[str]) -> tuple[Form, dict[str, list[str]]]:
    """The fields of a form, and those with all their values. A field no API knows is refused, to show typos."""
    values = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    if unknown := values.keys() - allowed:
        names = ", ".join(sorted(unknown))
        raise refuse(400, 20001, f"unknown parameter {names}: Twilio would ignore it, the sandbox does not")
    return {name: given[-1] for name, given in values.items()}, values


def check_url(form: Form, name: str, code: int) -> None:
    """Raise Refused where a URL is given that Twilio could not call: scheme, host (no underscore), length."""
    url = form.get(name, "")
    if url and (len(url) > _URL_LENGTH or not _URL.fullmatch(url)):
        raise refuse(400, code, f"'{name}' is not a valid URL")


def check_number(form: Form, name: str, allowed: range, default: int) -> int:
    """An integer parameter within its range."""
    text = form.get(name, str(default))
    if not text.isdecimal() or int(text) not in allowed:
        raise refuse(400, 20001, f"Invalid parameter {name}: expected {allowed.start} to {allowed.stop - 1}")
    return int(text)


def rfc2822(moment: float | None) -> str | None:
    """A date as in Twilio's answers: Fri, 24 May 2019 17:44:46 +0000."""
    return None if moment is None else _rfc2822(int(moment))


@lru_cache(maxsize=256)
def _rfc2822(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC))


def between(query: Mapping[str, str], name: str) -> Callable[[float | None], bool]:
    """The date filter `name`, `name<` and `name>` of a list: a day, or a moment. The bounds are within."""
    low, high = float("-inf"), float("inf")
    if exact := query.get(name):
        low = high = _moment(exact, name)
        if _DAY.fullmatch(exact):
            high += _LAST_SECOND
    if since := query.get(f"{name}>"):
        low = max(low, _moment(since, name))
    if until := query.get(f"{name}<"):
        high = min(high, _moment(until, name))
    if (low, high) == (float("-inf"), float("inf")):
        return lambda _: True
    return lambda moment: moment is not None and low <= int(moment) <= high


def _moment(text: str, name: str) -> float:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    raise refuse(400, 20001, f"Invalid parameter {name}: expected a date, like 2026-01-31 or 2026-01-31T12:00:00Z")


def list_page(
    request: web.Request,
    shelf: Shelf[R],
    keep: Callable[[R], bool],
    *,
    lag_seconds: float,
    key: str,
    render: Callable[[R], Mapping[str, Any]],
) -> web.Response:
    """One page of a list. Filters `To` itself; `keep` decides the rest."""
    query: Form = dict(request.query)
    size = check_number(query, "PageSize", _PAGE_SIZES, 50)
    number = check_number(query, "Page", range(1_000_000), 0)
    newest = time.time() - lag_seconds
    before, skipped = None, number * size
    if token := query.get("PageToken"):
        last = shelf.get(token.removeprefix("PA"))
        if last is None:
            raise refuse(400, 20001, "Invalid parameter PageToken: no such page")
        before, skipped = last.serial, 0
    found, more = shelf.newest_first(
        to=query.get("To"),
        before=before,
        keep=lambda record: record.created <= newest and keep(record),
        limit=skipped + size,
    )
    rows = found[skipped:]

    def uri(page: int, token: str = "") -> str:
        kept = {name: value for name, value in query.items() if name not in {"Page", "PageSize", "PageToken"}}
        paging = {"PageSize": size, "Page": page, **({"PageToken": token} if token else {})}
        return f"{request.path}?{urlencode({**kept, **paging})}"

    document = {
        "first_page_uri": uri(0),
        "end": number * size + max(len(rows) - 1, 0),
        "previous_page_uri": uri(number - 1) if number else None,
        key: [render(record) for record in rows],
        "uri": uri(number, token or ""),
        "page_size": size,
        "start": number * size,
        "next_page_uri": uri(number + 1, f"PA{rows[-1].sid}") if more and rows else None,
        "page": number,
    }
    return as_json(document)
