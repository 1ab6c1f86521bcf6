"""Callbacks that nobody we work with has sent: forged ones, and signed ones about attempts that never were.

What they would do, if believed, shows: a person would be opted out, a message would count as failed.
"""

import itertools
import time
from pathlib import Path
from typing import Final

import orjson
import requests

from channels.sandbox.callbacks import EventBatch, Outgoing, TwilioCallback
from channels.sandbox.ledger import Line
from channels.sandbox.settings import ACCOUNT_SID, AUTH_TOKEN
from channels.sandbox.signing import load_event_signer

INVENTED: Final = "SM" + "0" * 24
"""How the sid of a message begins that never was; the rest is a number."""


class Stranger:
    """Posts to our HTTP process. `folder`: where its own key is kept. Not for use by several threads."""

    def __init__(self, web_url: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._web_url = web_url
        self._session = requests.Session()
        self._signer = load_event_signer(folder, "")
        self._numbers = itertools.count(1)

    def forge(self, accepted: Line) -> list[int]:
        """Say the worst about a message the provider took, signed with the wrong keys. The HTTP statuses; 0: none."""
        attempt, ref, to, sender = (accepted[name] for name in ("attempt", "ref", "to", "from"))
        failed = {"MessageSid": ref, "MessageStatus": "failed", "ErrorCode": "30008", "To": to, "From": sender}
        stop = {"MessageSid": self._new_sid(), "From": to, "To": sender, "Body": "STOP", "SmsStatus": "received"}
        event = {
            "event": "dropped",
            "sg_event_id": self._new_sid(),
            "attempt_id": attempt,
            "timestamp": int(time.time()),
        }
        return [
            self._post(self._twilio(f"?attempt={attempt}", failed, "not the token")),
            self._post(self._twilio("", stop, "not the token")),
            self._post(
                EventBatch(
                    url=f"{self._web_url}/webhooks/sendgrid/events",
                    events=[event],
                    attempts=[attempt],
                    signer=self._signer,
                ).outgoing()
            ),
        ]

    def invent(self) -> int:
        """Report, well signed, on an attempt that never was. The HTTP status; 0: no answer."""
        sid = self._new_sid()
        form = {"MessageSid": sid, "MessageStatus": "delivered", "To": "+12025559999", "From": "+12125550109"}
        return self._post(self._twilio(f"?attempt=invented-{sid}", form, AUTH_TOKEN))

    def _new_sid(self) -> str:
        return f"{INVENTED}{next(self._numbers):08x}"

    def _twilio(self, query: str, form: dict[str, str], token: str) -> Outgoing:
        url = f"{self._web_url}/webhooks/twilio/sms{query}"
        form = {"AccountSid": ACCOUNT_SID, "SmsSid": form["MessageSid"], "NumMedia": "0", **form}
        return TwilioCallback(url=url, form=form, auth_token=token, line={}).outgoing()

    def _post(self, outgoing: Outgoing) -> int:
        try:
            answer = self._session.request(
                outgoing.method, outgoing.url, headers=dict(outgoing.headers), data=outgoing.body, timeout=10
            )
        except requests.RequestException:
            return 0
        return answer.status_code


def last_accepted_text(ledger: Path) -> Line | None:
    """The last text in the tail of the ledger."""
    with ledger.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 200_000))
        tail = file.read().split(b"\n")[1:-1]
    for raw in reversed(tail):
        if b'"kind":"accepted","channel":"sms"' in raw:
            line: Line = orjson.loads(raw)
            return line
    return None
