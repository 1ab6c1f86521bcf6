"""The JSON schemas of runs: what a launch takes, and how runs are told."""

from typing import Any, Final

from worker.api.runs import LONGEST_REASON
from worker.api.shapes import AT, Content, Schema
from worker.domain.audience_counts import Exclusion
from worker.domain.run import RunStatus


def _object(*, optional: Schema | None = None, **properties: Schema) -> Schema:
    return {"type": "object", "properties": {**properties, **(optional or {})}, "required": [*properties]}


def _page(item: Schema, example: Any) -> Content:
    count = {"type": "integer", "minimum": 0}
    schema = _object(count=count, total=count, objects={"type": "array", "items": item})
    return Content(schema=schema, example={"count": 1, "total": 1, "objects": [example]})


_TIME: Final[Schema] = {"type": ["integer", "null"], "description": "Milliseconds since 1970."}
_TEXTS: Final[Schema] = {"type": "array", "items": {"type": "string"}}
_STATUS: Final[Schema] = {"type": "string", "enum": [*RunStatus]}
_RUN: Final = {
    "runId": {"type": "string"},
    "campaignId": {"type": "string"},
    "status": _STATUS,
    **dict.fromkeys(("createdAt", "startsAt", "startedAt", "finishedAt"), _TIME),
}
_EXAMPLE: Final = {
    "runId": "run_01kazw0w8hv5d6jz9g4m0q2c7r",
    "campaignId": "cmp_renewal",
    "status": "running",
    "createdAt": AT,
    "startsAt": None,
    "startedAt": AT,
    "finishedAt": None,
}
_EXCLUDE: Final = {
    "lists": _TEXTS,
    "segment": {"type": ["string", "array"], "items": {"type": "string"}, "description": "One query or name, or more."},
    "contactedWithin": {"type": "string", "description": "A duration like `7 days`."},
    "runs": _TEXTS,
}
_AUDIENCE: Final = {
    "people": _TEXTS | {"description": "Only these, by id, number or mail address, to try it out."},
    "lists": _TEXTS,
    "segment": {"type": "string", "description": "A query over contacts, or a saved segment by id or name."},
    "exclude": {"type": "object", "properties": _EXCLUDE, "additionalProperties": False},
    "largest": {"type": "integer", "minimum": 0, "description": "Refuse if more people belong."},
}
_FLAG: Final[Schema] = {"type": "boolean"}

LAUNCH: Final = Content(
    schema={
        "type": "object",
        "properties": {
            "audience": {"type": "object", "properties": _AUDIENCE, "additionalProperties": False},
            "limit": {"type": "integer", "minimum": 0, "description": "People at most; 0: all."},
            "canary": {"type": "string", "description": "The part that goes first, like `1%` or `500`."},
            "speed": {"type": "number", "minimum": 1, "maximum": 1_000_000, "description": "More than 1: a rehearsal."},
            "draft": _FLAG,
            "replace": _FLAG,
            "again": _FLAG,
            "everyone": _FLAG,
            "despiteFailures": _FLAG,
        },
        "additionalProperties": False,
    },
    example={"audience": {"lists": ["lst_renewal"], "exclude": {"contactedWithin": "7 days"}}, "canary": "1%"},
)
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_COUNTS: Final[Schema] = {"type": "object", "additionalProperties": _COUNT}
_TEXT: Final[Schema] = {"type": "string"}
_MESSAGE: Final = {"state": _TEXT, "action": _TEXT, "channel": _TEXT, "to": _TEXT, "problem": _TEXT}
_PERSON: Final = {"contactId": _TEXT, "phone": _TEXT, "email": _TEXT, "timezone": _TEXT}
AUDIENCE: Final = Content(
    schema=_object(
        campaignId=_TEXT,
        total=_COUNT | {"description": "Who belongs. With `outsideSegment` and `excluded` they are the candidates."},
        candidates=_COUNT,
        outsideSegment=_COUNT,
        excluded={
            "type": "array",
            "items": _object(reason={"type": "string", "enum": [*Exclusion]}, of=_TEXT, name=_TEXT, people=_COUNT),
        },
        countries=_COUNTS,
        timezones=_COUNTS,
        channels={
            "type": "object",
            "additionalProperties": _object(reachable=_COUNT, suppressed=_COUNT, without=_COUNT),
        },
        suppressed=_COUNT,
        withoutAddress=_COUNT,
        lacking=_COUNTS | {"description": "How many have nothing that templates put out."},
        blocks=_TEXTS | {"description": "What a launch would refuse."},
        warnings=_TEXTS,
        sample={
            "type": "array",
            "items": _object(
                **_PERSON, messages={"type": "array", "items": _object(**_MESSAGE, content={"type": "object"})}
            ),
        },
    ),
    example={
        "campaignId": "cmp_renewal",
        "total": 2,
        "candidates": 3,
        "outsideSegment": 0,
        "excluded": [{"reason": "list", "of": "lst_vip", "name": "vip", "people": 1}],
        "countries": {"US": 2},
        "timezones": {"America/New_York": 2},
        "channels": {"sms": {"reachable": 1, "suppressed": 1, "without": 0}},
        "suppressed": 1,
        "withoutAddress": 0,
        "lacking": {"contact.plan": 1},
        "blocks": [],
        "warnings": [],
        "sample": [],
    },
)
LAUNCHED: Final = Content(schema=_object(**_RUN, warnings=_TEXTS), example=_EXAMPLE | {"warnings": []})
_REASON: Final[Schema] = {"type": "string", "maxLength": LONGEST_REASON, "description": "Why, for its changes."}
_RELEASE: Final[Schema] = {"type": "boolean", "description": "Let the others follow its canary."}
CHANGE: Final = Content(
    schema={"type": "object", "properties": {"reason": _REASON}, "additionalProperties": False},
    example={"reason": "the wrong list"},
    required=False,
)
RESUME: Final = Content(
    schema={"type": "object", "properties": {"reason": _REASON, "release": _RELEASE}, "additionalProperties": False},
    example={"reason": "the sender is verified now", "release": False},
    required=False,
)
CHANGED_RUN: Final = Content(
    schema=_object(**_RUN, landed={"type": "boolean", "description": "Nothing of it is open at a provider."}),
    example=_EXAMPLE | {"status": "paused", "landed": True},
)
RUNS: Final = _page(_object(**_RUN), _EXAMPLE)
RUN: Final = Content(
    schema=_object(
        **_RUN,
        reason={"type": "string", "description": "Why it was stopped, where it was."},
        seconds={"type": ["number", "null"], "description": "Since its start, up to its end; null: not started."},
        closed={"type": "boolean", "description": "It was open to events or dates, and lets nobody else in."},
        behindCanary={"type": ["integer", "null"], "description": "People who wait for its canary; null: it has none."},
        audience={"type": "integer"},
        enrollments={"type": "object"},
        messages={"type": "object"},
    ),
    example=_EXAMPLE
    | {"reason": "", "seconds": 60.0, "closed": False, "behindCanary": None}
    | {"audience": 1000, "enrollments": {"waiting": 1000}, "messages": {"accepted": {"sms": 990}}},
)
RUN_CHANGES: Final = _page(
    _object(
        at={"type": "integer"},
        by={"type": "string", "description": "A user; empty: the system itself."},
        before={"type": "string"},
        after={"type": "string"},
        reason={"type": "string"},
    ),
    {"at": AT, "by": "usr_ada", "before": "running", "after": "paused", "reason": ""},
)
