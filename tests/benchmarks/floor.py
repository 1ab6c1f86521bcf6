"""The floors: the least a Python program can do that commits before and after it sends.

1. One loop: claim a batch of messages that are due, send it, record it. Several such processes share the database.
2. `raw` writes the requests by hand and reads the id out of the answers. `sdk` does the same, but the SDKs build every
   request: Twilio's resources, which read the answers too, and SendGrid's mail helpers, 1,000 people in a request.
3. Left out, and with it most of what a product is for: workflows, gates, retries, pacing, time limits, TLS, callbacks,
   settling what a dead process has left, more than one batch under way, stopping, logs.

Run it: `python floor.py raw|sdk`, with FLOOR_DATABASE_URL, FLOOR_STUB_URL and FLOOR_CONNECTIONS.
"""

import os
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import jobs
import orjson
from floor_store import Message, open_store
from sendgrid.helpers.mail import Content, CustomArg, Email, Mail, Personalization, Substitution, To
from socket_client import Answer, Client, Exchange
from stub import ACCOUNT_SID
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client as Twilio

IDLE_SECONDS = 0.01
TOKEN = "token"
CALLBACK = "http://127.0.0.1:9/webhooks?attempt="
TAG = "-name-"
TEXTS = {"text": jobs.TEXT, "reminder": jobs.REMINDER}
STEPS = jobs.STEPS[jobs.JOB]

Sender = Coroutine[bytes, Answer, Any]
Design = Callable[[Sequence[Message]], list[Sender]]
"""The requests of a batch, each of which returns the reference of its messages."""


def written(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Exchange:
    """A request in one piece."""
    parts = urlsplit(url)
    own = {"Host": parts.netloc, **headers, "Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in own.items())
    return Exchange(f"{method} {parts.path} HTTP/1.1\r\n{lines}\r\n".encode() + body)


# raw


def raw_texts(url: str) -> Design:
    """One request each; of the form only what differs is encoded."""
    auth = b64encode(f"{ACCOUNT_SID}:{TOKEN}".encode()).decode()
    head = (
        f"POST /2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Authorization: Basic {auth}\r\nAccept: application/json\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
    )
    mark = "NAME"
    bodies = [quote_plus(TEXTS[step].format(name=mark)).split(mark) for step in STEPS]
    form = f"From={quote_plus(jobs.SENDER)}&StatusCallback={quote_plus(CALLBACK)}"

    async def text(one: Message) -> str:
        body = quote_plus(one.name).join(bodies[one.step])
        content = f"{form}{one.id}&To=%2B{one.phone[1:]}&Body={body}"
        answer = await Exchange(f"{head}{len(content)}\r\n\r\n{content}".encode())
        assert answer.status == 201, answer.status
        return orjson.loads(answer.body)["sid"]

    return lambda batch: [text(one) for one in batch]


def raw_mail(url: str) -> Design:
    """One request for the batch, as plain data."""

    async def mail(batch: Sequence[Message]) -> str:
        people = [
            {
                "to": [{"email": one.email}],
                "subject": jobs.SUBJECT.format(name=one.name),
                "substitutions": {TAG: one.name},
                "custom_args": {"attempt_id": str(one.id)},
            }
            for one in batch
        ]
        content = [{"type": "text/plain", "value": jobs.MAIL.format(name=TAG)}]
        whole = {"personalizations": people, "from": {"email": jobs.MAIL_SENDER}, "content": content}
        return await _post_mail(url, whole)

    return lambda batch: [mail(batch)]


async def _post_mail(url: str, mail: dict[str, Any]) -> str:
    headers = {"Authorization": "Bearer SG.stub", "Content-Type": "application/json"}
    answer = await written("POST", f"{url}/v3/mail/send", headers, orjson.dumps(mail))
    assert answer.status == 202, answer.status
    return answer.head.partition(b"X-Message-Id: ")[2].partition(b"\r\n")[0].decode()


# sdk


class SocketHttpClient(AsyncHttpClient):
    """What Twilio's SDK is given in place of its own HTTP client."""

    def __init__(self) -> None:
        self.is_async = True

    async def request(self, method: str, uri: str, *, data, headers, auth, **_: object) -> Response:
        """One exchange, in the SDK's shape."""
        headers = {**headers, "Authorization": f"Basic {b64encode(':'.join(auth).encode()).decode()}"}
        answer = await written(method, uri, headers, urlencode(data).encode())
        return Response(answer.status, answer.body.decode())


def sdk_texts(url: str) -> Design:
    """One `messages.create_async` each."""
    provider = Twilio(ACCOUNT_SID, TOKEN, http_client=SocketHttpClient())
    provider.api.base_url = url

    async def text(one: Message) -> str:
        body = TEXTS[STEPS[one.step]].format(name=one.name)
        callback = f"{CALLBACK}{one.id}"
        created = await provider.messages.create_async(
            to=one.phone, from_=jobs.SENDER, body=body, status_callback=callback
        )
        return created.sid

    return lambda batch: [text(one) for one in batch]


def sdk_mail(url: str) -> Design:
    """One `Mail` for the batch."""

    async def mail(batch: Sequence[Message]) -> str:
        whole = Mail()
        whole.from_email = Email(jobs.MAIL_SENDER)
        whole.content = Content("text/plain", jobs.MAIL.format(name=TAG))
        for one in batch:
            person = Personalization()
            person.add_to(To(one.email))
            person.subject = jobs.SUBJECT.format(name=one.name)
            person.add_substitution(Substitution(TAG, one.name))
            person.add_custom_arg(CustomArg("attempt_id", str(one.id)))
            whole.add_personalization(person)
        return await _post_mail(url, whole.get())

    return lambda batch: [mail(batch)]


DESIGNS = {
    ("raw", "texts"): raw_texts,
    ("raw", "mail"): raw_mail,
    ("sdk", "texts"): sdk_texts,
    ("sdk", "mail"): sdk_mail,
}


def main(kind: str) -> None:
    """Work until killed."""
    url = os.environ["FLOOR_STUB_URL"]
    parts = urlsplit(url)
    client = Client(str(parts.hostname), int(parts.port or 80), int(os.environ["FLOOR_CONNECTIONS"]))
    store = open_store(os.environ["FLOOR_DATABASE_URL"])
    senders = DESIGNS[kind, jobs.JOB](url)
    while True:
        batch = store.claim()
        if not batch:
            time.sleep(IDLE_SECONDS)
            continue
        references = client.run(senders(batch))
        store.finish(batch, references if len(references) == len(batch) else references * len(batch))


if __name__ == "__main__":
    main(sys.argv[1])
