"""The OpenAPI document: FastAPI knows the parameters, the table of routes and the models know the rest."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from graphlib import TopologicalSorter
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from worker.api import about, audiences, documents, event_shapes, events, run_shapes, runs, shapes, webhooks
from worker.api.examples import EXAMPLES
from worker.api.route import NoToken, Route
from worker.api.routes import ROUTES
from worker.api.shapes import Content, Schema
from worker.schema.errors import ERRORS, Invalid, SchemaError, TooManyRequests, Unauthorized
from worker.schema.types import TYPES, SchemaType

_ABOUT: Final = """\
Campaigns and their kin, every type through the same six requests. Press *Authorize* and give a token that
`campaigns tokens create` has made. The examples work when they are pasted. Some name others: begin at the top.

Every error looks the same: `{type, message, code, timestamp, faults: [{path, message, hint}]}`.
"""

_HOW_TO_SIGN_IN: Final = "What `campaigns tokens create` shows once. The token alone, without `Bearer`, will do too."

_Shapes = Mapping[Any, Callable[[SchemaType], Content] | Content]

_TAKES: Final[_Shapes] = {
    documents.create: shapes.new,
    documents.create_many: shapes.batch,
    documents.update: shapes.changes,
    runs.launch_campaign: run_shapes.LAUNCH,
    runs.resume_run: run_shapes.RESUME,
    **dict.fromkeys((runs.start_run, runs.pause_run, runs.cancel_run, runs.close_run), run_shapes.CHANGE),
    events.send_events: event_shapes.SENT,
    webhooks.twilio_sms: shapes.FORM,
    webhooks.twilio_voice: shapes.FORM,
    webhooks.twilio_answer: shapes.FORM,
    webhooks.sendgrid: shapes.EVENTS,
}
_GIVES: Final[_Shapes] = {
    documents.create: shapes.stored,
    documents.create_many: shapes.created,
    documents.search: shapes.page,
    documents.retrieve: shapes.stored,
    documents.update: shapes.stored,
    documents.history: shapes.history,
    webhooks.twilio_sms: shapes.TWIML,
    webhooks.twilio_voice: shapes.TWIML,
    webhooks.twilio_answer: shapes.TWIML,
    runs.launch_campaign: run_shapes.LAUNCHED,
    audiences.preview_audience: run_shapes.AUDIENCE,
    events.send_events: event_shapes.ACCEPTED,
    runs.runs_of_campaign: run_shapes.RUNS,
    runs.retrieve_run: run_shapes.RUN,
    runs.changes_of_run: run_shapes.RUN_CHANGES,
    runs.start_run: run_shapes.LAUNCHED,
    runs.pause_run: run_shapes.CHANGED_RUN,
    runs.resume_run: run_shapes.CHANGED_RUN,
    runs.cancel_run: run_shapes.CHANGED_RUN,
    runs.close_run: run_shapes.CHANGED_RUN,
    about.health: shapes.HEALTH,
}
_RUNS: Final = "runs"
_EVENTS: Final = "events"
_OTHERS: Final = "providers and ops"
_FAULT: Final = {
    "path": ["smsFromAddress"],
    "message": "is required while useForSMS is on",
    "hint": "add smsFromAddress, like +18885551212, or set useForSMS to false",
}
_ETAG: Final = {"ETag": "The document's `modifiedAt` in quotes, for If-Match."}
_HEADERS: Final[Mapping[Any, Mapping[str, str]]] = {
    documents.create: {**_ETAG, "Location": "Where the document is."},
    documents.retrieve: _ETAG,
    documents.update: _ETAG,
    Unauthorized: {"WWW-Authenticate": "`Bearer`"},
    TooManyRequests: {"Retry-After": "Seconds to wait."},
}
_NOTES: Final[Mapping[Any, str]] = {
    documents.create: "The id is drawn unless it is stated. Unknown keys are kept and given back as they came.",
    documents.update: "Send the keys to change; null or an empty text unsets one. The whole document is checked anew.",
    documents.delete: "Refused while a live document needs it. `deleted=true` still retrieves it, and its id is taken.",
    audiences.preview_audience: "Nothing is sent. It needs `campaigns:read`, too.",
    documents.search: "Lucene's syntax: `createdAt:[2025-01-01 TO *]`, `NOT name:Test*`, `_exists_:name`, or words.",
}
"""What is to be said beyond the summary."""


def describe(app: FastAPI) -> Schema:
    """The document of an application with these ROUTES."""
    plain = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
    for route in ROUTES:
        if route.shown:
            operations = plain["paths"][route.path]
            operations[route.method.lower()] = _operation(route, operations[route.method.lower()])
    return {
        **plain,
        "tags": [{"name": name} for name in (*_in_order(), _RUNS, _EVENTS, _OTHERS)],
        "components": {
            "schemas": shapes.schemas(),
            "responses": {kind.__name__: _refusal(kind) for kind in ERRORS.values()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _HOW_TO_SIGN_IN}},
        },
    }


def _in_order() -> tuple[str, ...]:
    """The types, each after those its documents may name."""
    graph = {kind.name: [reference.type for reference in kind.references] for kind in TYPES.values()}
    return tuple(TopologicalSorter(graph).static_order())


def _operation(route: Route, plain: Schema) -> Schema:
    """What FastAPI says about a route, and all that it does not know."""
    operation = {
        "tags": [_tag(route)],
        "summary": route.summary,
        "description": "\n\n".join(_notes(route)),
        "operationId": route.name,
        "parameters": [_parameter(route, parameter) for parameter in plain.get("parameters", [])],
        "responses": {
            str(route.status): _success(route),
            **{str(code): {"$ref": f"#/components/responses/{ERRORS[code].__name__}"} for code in route.refuses},
        },
        # In OpenAPI 3.1 the roles that are required may be named for every kind of scheme.
        "security": [] if isinstance(route.access, NoToken) else [{"token": [str(route.access)]}],
    }
    if takes := _shape(_TAKES, route):
        operation["requestBody"] = {"required": takes.required, "content": takes.described()}
    return operation


def _tag(route: Route) -> str:
    if route.kind:
        return route.kind.name
    if route.handler is events.send_events:
        return _EVENTS
    return _OTHERS if isinstance(route.access, NoToken) else _RUNS


def _notes(route: Route) -> Iterator[str]:
    if route.handler in _NOTES:
        yield _NOTES[route.handler]
    if route.kind and route.handler is documents.search:
        yield f"Fields: {', '.join(sorted(route.kind.fields))}. Words are looked for in {', '.join(route.kind.free)}."
    yield f"Needs no token: {route.access}." if isinstance(route.access, NoToken) else f"Needs `{route.access}`."


def _shape(table: _Shapes, route: Route) -> Content | None:
    found = table.get(route.handler)
    if found is None or isinstance(found, Content):
        return found
    return found(route.kind) if route.kind else None


def _parameter(route: Route, plain: Schema) -> Schema:
    """A parameter without what pydantic says twice, and with what depends on the type."""
    name, schema = plain["name"], dict(plain["schema"])
    for key in ("title", "description"):
        schema.pop(key, None)
    parameter = {**plain, "schema": schema}
    if route.kind and name == "id":
        parameter["example"] = EXAMPLES[route.kind.name].data[route.kind.id_key]
    if route.kind and name == "q":
        parameter["example"] = EXAMPLES[route.kind.name].q
    if route.kind and name == "sort":
        schema["enum"] = ["", *(form.format(key) for key in route.kind.sorts for form in ("{}", "-{}", "{} desc"))]
    return parameter


def _success(route: Route) -> Schema:
    gives = _shape(_GIVES, route)
    return {
        "description": HTTPStatus(route.status).phrase,
        **_headers(route.handler),
        **({"content": gives.described()} if gives else {}),
    }


def _refusal(kind: type[SchemaError]) -> Schema:
    said = inspect.cleandoc(kind.__doc__ or "").partition(".")[0]
    faults = [_FAULT] if kind is Invalid else []
    example = {"type": kind.__name__, "message": said, "code": kind.code, "timestamp": shapes.AT, "faults": faults}
    content = Content(schema={"$ref": "#/components/schemas/Error"}, example=example)
    return {"description": f"{said}.", **_headers(kind), "content": content.described()}


def _headers(of: Any) -> Schema:
    described = {
        name: {"description": description, "required": True, "schema": {"type": "string"}}
        for name, description in _HEADERS.get(of, {}).items()
    }
    return {"headers": described} if described else {}
