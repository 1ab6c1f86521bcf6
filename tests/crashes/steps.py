"""The steps of the process that is to end.

Every step is what a process of the product does: the runtime's own functions, the SDKs over HTTP, signed callbacks.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
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
from tests.runtime.events_desk import event
from tests.runtime.house import TENANT
from tests.runtime.test_doubt import crash_before_the_request
from worker.api.app import make_app
from worker.runtime import events, scheduling
from worker.runtime import launch as launching
from worker.runtime import tick as ticking
from worker.runtime.advance import advance
from worker.runtime.dispatch import dispatch
from worker.runtime.intake import Intake, apply_inbox
from worker.runtime.preflight import Launch
from worker.runtime.reconcile import reconcile
from worker.store.document_tables import contacts
from worker.store.tables import attempts

SOON = timedelta(minutes=10)
"""When what is planned here is planned for."""

_HOOKS = {ChannelKind.SMS: "twilio/sms", ChannelKind.VOICE: "twilio/voice", ChannelKind.EMAIL: "sendgrid/events"}
_STAGES = {
    ChannelKind.SMS: ("sent", "delivered"),
    ChannelKind.VOICE: ("in-progress", "completed"),
    ChannelKind.EMAIL: ("processed", "delivered"),
}
"""What a provider says on the way of a message, and of its end."""


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


def hear(kind=ChannelKind.SMS, *, both=False):
    """Take the provider's signed news of the end of every message it has; of `both` stages at once the end waits."""

    def work(desk):
        with desk.store.engine.connect() as conn:
            known = conn.execute(select(attempts).where(attempts.c.channel == kind)).all()
        stages = _STAGES[kind] if both else _STAGES[kind][1:]
        ids = [(row.attempt_id, row.provider_ref) for row in known if row.provider_ref]
        _take(desk, kind, [(*one, stage) for one in ids for stage in stages])

    return work


def hear_of_a_stranger(desk):
    """News of a message that none of us knows of."""
    _take(desk, ChannelKind.SMS, [("", "SM" + "0" * 32, "delivered")])


def _take(desk, kind, known):
    async def work():
        intake, channel = Intake(desk.rt), desk.rt.channel(kind)
        await asyncio.gather(*(intake.take(channel, _callback(desk, kind, *one)) for one in known))

    desk.rt.run(work())


def _callback(desk, kind, attempt_id, ref, stage):
    url = f"{desk.settings.public_url}/webhooks/{_HOOKS[kind]}"
    if kind is ChannelKind.EMAIL:
        event = {"event": stage, "sg_event_id": f"{stage} {attempt_id}", ATTEMPT_ARG: attempt_id, "timestamp": 1}
        body = orjson.dumps([event])
        headers = signed_events(desk, body)
    else:
        url += f"?attempt={attempt_id}"
        sms = kind is ChannelKind.SMS
        form = {"MessageSid": ref, "MessageStatus": stage} if sms else {"CallSid": ref, "CallStatus": stage}
        body = "&".join(f"{name}={value}" for name, value in form.items()).encode()
        headers = {"X-Twilio-Signature": sign_twilio(AUTH_TOKEN, url, form)}
    headers = {name.lower(): value for name, value in headers.items()}
    return Callback(url=url, headers=headers, body=body, received_at=desk.rt.now())


def learn(desk):
    apply_inbox(desk.rt)


def shoppers(desk):
    """The people of the installation, in the order of their numbers."""
    with desk.store.engine.connect() as conn:
        return conn.execute(select(contacts).order_by(contacts.c.phone)).all()


def carts(desk):
    """What the shop says of everybody."""
    return [event(f"cart of {row.phone}", contact={"phone": row.phone}) for row in shoppers(desk)]


def orders(desk):
    """And of the first of them."""
    phone = shoppers(desk)[0].phone
    return [event(f"order of {phone}", "order.placed", {"phone": phone})]


def abandon_carts(desk):
    events.take(desk.rt, carts(desk))


def place_order(desk):
    events.take(desk.rt, orders(desk))


def die_with_the_carts(desk):
    """Another process of ours has accepted them, and was never heard of again."""
    events.accept_texts(desk.rt, carts(desk))
    time_passes(desk.store, seconds=desk.settings.inbox_lease_seconds)


def find_events(desk):
    events.look(desk.rt)


def find_its_moment(desk):
    """What the tick does once the schedule of the run has something to do."""
    time_passes(desk.store, minutes=2 * SOON.total_seconds() / 60)
    scheduling.follow(desk.rt, TENANT, desk.run_id)


def look_at_dates(desk):
    scheduling.follow(desk.rt, TENANT, desk.run_id)


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
