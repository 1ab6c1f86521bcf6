"""What the process that is to end does: a run from its launch on, step by step, each step under a name.

A script is written to its end; a point in it says how far it comes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from channels.messages import ChannelKind
from tests.crashes.aftermath import time_passes
from tests.crashes.site import Site
from tests.crashes.steps import (
    SOON,
    Step,
    abandon_carts,
    cancel,
    die_with_the_carts,
    die_with_the_intent,
    enroll,
    find_events,
    find_its_moment,
    hear,
    hear_of_a_stranger,
    launch,
    learn,
    look,
    look_at_dates,
    pause,
    place_order,
    resume,
    send,
    send_and_meet,
    serve,
    step,
    tick,
)
from tests.runtime.events_desk import WAIT
from tests.runtime.house import CALL, MAIL, TENANT, TEXT
from worker.runtime import launch as launching
from worker.runtime.preflight import Launch

FOLLOW_UP: Mapping[str, Any] = {**TEXT, "message": "Are you there?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """`actions`: the workflow, which every one of `people` goes through. `steps`: what the process does, in order.

    `campaign`: what else stands in the campaign. `dated`: people come by a date of theirs, which is soon. `waits`: it
    is launched for a moment that comes soon.
    """

    name: str
    actions: tuple[Mapping[str, Any], ...]
    steps: Mapping[str, Step]
    people: int = 2
    campaign: Mapping[str, Any] = field(default_factory=dict)
    dated: bool = False
    waits: bool = False

    def save(self, site: Site) -> Launch:
        """Save the campaign and its people; the request to launch it."""
        soon = site.rt.now() + SOON
        campaign = dict(self.campaign)
        if self.dated:
            campaign["schedule"] = {"date": {"field": "visit", "time": f"{soon:%H:%M}"}}
        people = [
            replace(row, timezone="UTC", fields={**row.fields, "visit": f"{soon:%Y-%m-%d}"})
            for row in site.strangers(self.people)
        ]
        request = site.save(*self.actions, people=people, **campaign)
        of_list = "" if self.listens else request.contact_list
        return replace(request, contact_list=of_list, at=soon if self.waits else None)

    @property
    def listens(self) -> bool:
        """Whether people come by events."""
        return "triggers" in self.campaign

    def close(self, site: Site) -> None:
        """See that everybody comes who was to come into an open run, and close it."""
        if not (self.listens or self.dated):
            return
        if self.listens:
            abandon_carts(site)  # whoever got no answer sends it again
            place_order(site)
            time_passes(site.store, seconds=site.settings.lease_seconds)
        site.tick_only()
        launching.close(site.rt, TENANT, site.run_id)
        site.later(hours=1)  # what the workflow waits
        site.tick_only()
        site.later(hours=-1)


_UNDER_WAY: Mapping[str, Step] = {"launch": launch, "enroll": enroll, "tick": tick, "first step": step}

TEXTS = Script(
    name="two texts",
    actions=(TEXT, FOLLOW_UP),
    steps={
        **_UNDER_WAY,
        "first text": send(),
        "receipt": hear(both=True),
        "receipt applied": learn,
        "second step": step,
        "second text": send(),
        "second receipt": hear(),
        "last step": step,
    },
)
STRAIGHT = Script(
    name="straight on",
    actions=(TEXT, FOLLOW_UP),
    steps={
        "launch": launch,
        "enroll": enroll,
        "text": send(),
        "receipt": hear(),
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
        "receipt": hear(ChannelKind.EMAIL, both=True),
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
        "receipt": hear(ChannelKind.VOICE, both=True),
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
_SHOP: Mapping[str, Any] = {"triggers": [{"event": "cart.abandoned"}], "cancelOn": [{"event": "order.placed"}]}
EVENTS = Script(
    name="two carts and an order",
    actions=(WAIT, TEXT),
    campaign=_SHOP,
    steps={"launch": launch, "carts": abandon_carts, "order": place_order},
)
EVENTS_HELD = Script(
    name="a dead process's carts",
    actions=(WAIT, TEXT),
    campaign=_SHOP,
    steps={"launch": launch, "carts": die_with_the_carts, "found": find_events},
)
SCHEDULED = Script(
    name="a run at its moment",
    actions=(TEXT,),
    waits=True,
    steps={"launch": launch, "moment": find_its_moment, "enroll": enroll},
)
DATED = Script(
    name="people at a date of theirs",
    actions=(TEXT,),
    dated=True,
    steps={"launch": launch, "look": look_at_dates},
)
CALLED_BACK = Script(name="the web process", actions=(TEXT, FOLLOW_UP), people=1, steps={"callback": serve})
