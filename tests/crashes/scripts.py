"""What the process that is to end does: a run from its launch on, step by step, each step under a name.

1. Every step is what a process of the product does: the runtime's own functions, the SDKs over HTTP, signed callbacks.
2. A script is written to its end; a point in it says how far it comes.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import requests
import uvicorn
from sqlalchemy import select

from channels.base import Callback
from channels.email.sendgrid_request import ATTEMPT_ARG
from channels.messages import ChannelKind
from channels.sandbox.settings import AUTH_TOKEN
from channels.sandbox.signing import sign_twilio
from tests.api.web import signed_events
from tests.crashes.aftermath import time_passes
from tests.crashes.seams import WatchedRuntime
from tests.runtime.house import CALL, MAIL, TENANT, TEXT
from tests.runtime.test_doubt import crash_before_the_request
from worker.api.app import make_app
from worker.runtime import launch as launching
from worker.runtime import tick as ticking
from worker.runtime.advance import advance
from worker.runtime.dispatch import dispatch
from worker.runtime.intake import Intake, apply_inbox
from worker.runtime.preflight import Launch
from worker.runtime.reconcile import reconcile
from worker.store.tables import attempts

FOLLOW_UP: Mapping[str, Any] = {**TEXT, "message": "Are you there?"}

_HOOKS = {ChannelKind.SMS: "twilio/sms", ChannelKind.VOICE: "twilio/voice", ChannelKind.EMAIL: "sendgrid/events"}


@dataclass(slots=True)
class Desk:
    """What a process works with. The names are those of a house."""

    rt: WatchedRuntime
    request: Launch
    folder: Path
    listening: socket.socket | None
    run_id: str = ""

    @property
    def store(self):
        return self.rt.store

    @property
    def settings(self):
        return self.rt.settings


Step = Callable[[Desk], Any]


def launch(desk):
    desk.run_id = launching.launch(desk.rt, desk.request).run.run_id


def enroll(desk):
    launching.enroll(desk.rt, TENANT, desk.run_id)


def tick(desk):
    ticking.tick(desk.rt)


def step(desk):
    advance(desk.rt, TENANT, desk.run_id)


def send(kind=ChannelKind.SMS):
    return lambda desk: desk.rt.run(dispatch(desk.rt, TENANT, desk.run_id, kind))


def send_and_meet(fault):
    """Send, while the provider fails the first request like this."""

    def work(desk):
        faults = {"callback_missing": 1.0, "next": [fault]}
        requests.post(f"{desk.settings.twilio_base_url}/sandbox/faults", json=faults, timeout=5).raise_for_status()
        send()(desk)

    return work


def die_with_the_intent(desk):
    """Another process of ours has claimed what is due, and was never heard of again."""
    crash_before_the_request(desk)
    time_passes(desk.store, seconds=desk.settings.lease_seconds)


def look(**later):
    """Ask the provider what became of what is in doubt, so much later."""

    def work(desk):
        time_passes(desk.store, **later)
        desk.rt.run(reconcile(desk.rt))

    return work


def hear(kind=ChannelKind.SMS):
    """Take the provider's signed news of the end of every message it has."""

    def work(desk):
        with desk.store.engine.connect() as conn:
            known = conn.execute(select(attempts).where(attempts.c.channel == kind)).all()
        _take(desk, kind, [(row.attempt_id, row.provider_ref) for row in known if row.provider_ref])

    return work


def hear_of_a_stranger(desk):
    """News of a message that none of us knows of."""
    _take(desk, ChannelKind.SMS, [("", "SM" + "0" * 32)])


def _take(desk, kind, known):
    async def work():
        intake, channel = Intake(desk.rt), desk.rt.channel(kind)
        await asyncio.gather(*(intake.take(channel, _callback(desk, kind, *one)) for one in known))

    desk.rt.run(work())


def _callback(desk, kind, attempt_id, ref):
    url = f"{desk.settings.public_url}/webhooks/{_HOOKS[kind]}"
    if kind is ChannelKind.EMAIL:
        event = {"event": "delivered", "sg_event_id": attempt_id, ATTEMPT_ARG: attempt_id, "timestamp": 1}
        body = orjson.dumps([event])
        headers = signed_events(desk, body)
    else:
        url += f"?attempt={attempt_id}"
        sms = kind is ChannelKind.SMS
        form = {"MessageSid": ref, "MessageStatus": "delivered"} if sms else {"CallSid": ref, "CallStatus": "completed"}
        body = "&".join(f"{name}={value}" for name, value in form.items()).encode()
        headers = {"X-Twilio-Signature": sign_twilio(AUTH_TOKEN, url, form)}
    headers = {name.lower(): value for name, value in headers.items()}
    return Callback(url=url, headers=headers, body=body, received_at=desk.rt.now())


def learn(desk):
    apply_inbox(desk.rt)


def pause(desk):
    launching.pause(desk.rt, TENANT, desk.run_id)


def resume(desk):
    launching.resume(desk.rt, TENANT, desk.run_id)


def cancel(desk):
    launching.cancel(desk.rt, TENANT, desk.run_id)


def serve(desk):
    """Be the process that providers call."""
    config = uvicorn.Config(make_app(lambda: desk.rt), log_config=None, access_log=False, lifespan="on")
    uvicorn.Server(config).run(sockets=[desk.listening])


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """`actions`: the workflow, which every one of `people` goes through. `steps`: what the process does, in order."""

    name: str
    actions: tuple[Mapping[str, Any], ...]
    steps: Mapping[str, Step]
    people: int = 2


_UNDER_WAY: Mapping[str, Step] = {"launch": launch, "enroll": enroll, "tick": tick, "first step": step}

TEXTS = Script(
    name="two texts",
    actions=(TEXT, FOLLOW_UP),
    steps={
        **_UNDER_WAY,
        "first text": send(),
        "receipt": hear(),
        "receipt applied": learn,
        "second step": step,
        "second text": send(),
        "second receipt": hear(),
        "last step": step,
    },
)
MAILS = Script(
    name="a mail and a text",
    actions=(MAIL, TEXT),
    people=4,
    steps={
        **_UNDER_WAY,
        "mail": send(ChannelKind.EMAIL),
        "receipt": hear(ChannelKind.EMAIL),
        "receipt applied": learn,
        "second step": step,
        "text": send(),
    },
)
CALLS = Script(
    name="a call and a text",
    actions=(CALL, TEXT),
    steps={
        **_UNDER_WAY,
        "call": send(ChannelKind.VOICE),
        "receipt": hear(ChannelKind.VOICE),
        "receipt applied": learn,
        "second step": step,
        "text": send(),
    },
)
STRANGER = Script(
    name="news of a stranger",
    actions=(TEXT,),
    people=1,
    steps={"news": hear_of_a_stranger, "news applied": learn},
)
WORKER_DIED = Script(
    name="a dead worker's text",
    actions=(TEXT, FOLLOW_UP),
    steps={**_UNDER_WAY, "claim": die_with_the_intent, "found dead": look(), "look": look(seconds=121)},
)
ANSWER_LOST = Script(
    name="a text whose answer was lost",
    actions=(TEXT, FOLLOW_UP),
    people=1,
    steps={**_UNDER_WAY, "text": send_and_meet("accept_then_500"), "look": look(seconds=121)},
)
NEVER_TAKEN = Script(
    name="a text that was never taken",
    actions=(TEXT, FOLLOW_UP),
    people=1,
    steps={
        **_UNDER_WAY,
        "text": send_and_meet("refuse_503"),
        "first look": look(seconds=121),
        "second look": look(seconds=61),
        "text again": send(),
    },
)
PAUSED = Script(
    name="a pause",
    actions=(TEXT, FOLLOW_UP),
    steps={**_UNDER_WAY, "pause": pause, "resume": resume},
)
CANCELLED = Script(name="a cancel", actions=(TEXT, FOLLOW_UP), steps={**_UNDER_WAY, "cancel": cancel})
CALLED_BACK = Script(name="the web process", actions=(TEXT, FOLLOW_UP), people=1, steps={"callback": serve})
