"""How Twilio answers and calls back, as its documentation shows it; for the tests of both its channels."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

from channels.base import Callback
from channels.vendors.twilio import TwilioSettings
from tests.channels.contract_hooks import NOW, SECRETS, timeouts
from tests.channels.loopback import Request, json_reply

ACCOUNT = "AC" + "0" * 32
TOKENS = (SECRETS[0], "2" * 32, "3" * 32)
"""The first two are ours; the third is a stranger's."""
PUBLIC = "https://campaigns.example.com/hooks"
PERSON, OURS = "+15555550142", "+15555550100"


def settings(server: str, /, **changes: object) -> TwilioSettings:
    given = {"account_sid": ACCOUNT, "auth_tokens": TOKENS[:2], "public_url": PUBLIC, "base_url": server}
    return TwilioSettings(**{**given, **timeouts(changes), **changes})


def error(status: int, code: int, **headers: str):
    link = f"https://www.twilio.com/docs/errors/{code}"
    text = f"The 'To' number {PERSON} is not good"
    return json_reply(status, {"code": code, "message": text, "more_info": link, "status": status}, **headers)


def number(count: int) -> str:
    return f"+1555555{count:04d}" if count != 1 else PERSON


def welcome(request: Request):
    """An active account that owns whatever number is asked for."""
    if "PhoneNumbers" not in request.target:
        return json_reply(200, {"sid": ACCOUNT, "status": "active"})
    number = {"sid": "PN" + "0" * 32, "phone_number": request.query["PhoneNumber"]}
    return json_reply(200, {"incoming_phone_numbers": [number], "next_page_uri": None, "page": 0})


def attempts_on_wire(request: Request) -> list[str]:
    return parse_qs(urlsplit(request.form["StatusCallback"][0]).query)["attempt"]


def signed(path: str, attempt_id: str, form: Mapping[str, str], key: int = 0) -> Callback:
    """A form post to one of our webhook paths, signed as Twilio signs: HMAC-SHA1 over the URL and the sorted form."""
    url = f"{PUBLIC}/webhooks/twilio/{path}" + (f"?attempt={attempt_id}" if attempt_id else "")
    text = url + "".join(name + form[name] for name in sorted(form))
    signature = base64.b64encode(hmac.new(TOKENS[key].encode(), text.encode(), hashlib.sha1).digest()).decode()
    return Callback(url=url, headers={"x-twilio-signature": signature}, body=urlencode(form).encode(), received_at=NOW)
