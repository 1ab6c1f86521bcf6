"""The JSON schemas of runs: what a launch takes, and how runs are told."""

from typing import Any, Final

from worker.api.shapes import AT, Content, Schema
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
    "segment": {"type": "string"},
    "contactedWithin": {"type": "string", "description": "A duration like `7 days`."},
    "runs": _TEXTS,
}
_AUDIENCE: Final = {
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
        },
        "additionalProperties": False,
    },
    example={"audience": {"lists": ["lst_renewal"], "exclude": {"contactedWithin": "7 days"}}, "canary": "1%"},
)
LAUNCHED: Final = Content(schema=_object(**_RUN, warnings=_TEXTS), example=_EXAMPLE | {"warnings": []})
CHANGED_RUN: Final = Content(
    schema=_object(**_RUN, landed={"type": "boolean", "description": "Nothing of it is open at a provider."}),
    example=_EXAMPLE | {"status": "paused", "landed": True},
)
RUNS: Final = _page(_object(**_RUN), _EXAMPLE)
RUN: Final = Content(
    schema=_object(**_RUN, audience={"type": "integer"}, enrollments={"type": "object"}, messages={"type": "object"}),
    example=_EXAMPLE | {"audience": 1000, "enrollments": {"waiting": 1000}, "messages": {"accepted": {"sms": 990}}},
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
