"""Every way into the HTTP process: method, path, the scope it needs or why it needs none, and its handler.

The rows of documents hold for every type; a new type has its routes from the day it stands in TYPES.
"""

from collections.abc import Iterator
from typing import Final

from worker.api import about, audiences, documents, events, runs, webhooks
from worker.api.route import DOCUMENTS, NoToken, Route
from worker.domain.contact import Contact
from worker.schema.scopes import Right
from worker.schema.types import EVENTS_WRITE, TYPES, SchemaType

_ANYWHERE: Final = (401, 403, 429, 503)
"""What every request with a token may hear."""

_EVERY_TYPE: Final = (
    # method, path below the type, right, handler, status, what else it may answer, summary
    ("POST", "", Right.WRITE, documents.create, 201, (400, 409, 413, 422), "Create a {}"),
    ("GET", "", Right.READ, documents.search, 200, (400, 422), "Search for documents of the type {}"),
    ("GET", "/{id}", Right.READ, documents.retrieve, 200, (400, 404), "Retrieve a {}"),
    ("PATCH", "/{id}", Right.WRITE, documents.update, 200, (400, 404, 409, 412, 413, 422), "Change a {}"),
    ("DELETE", "/{id}", Right.DELETE, documents.delete, 204, (400, 404, 409, 412), "Delete a {}"),
    ("GET", "/{id}/history", Right.READ, documents.history, 200, (404,), "Who changed what in a {}"),
)
_ONLY_CONTACTS: Final = (
    ("POST", "/batch", Right.WRITE, documents.create_many, 201, (400, 409, 413, 422), "Create many contacts, or none"),
)
_FROM_PROVIDERS: Final = (
    ("/webhooks/twilio/sms", webhooks.twilio_sms, 200, "Text status and inbound texts"),
    ("/webhooks/twilio/voice", webhooks.twilio_voice, 200, "Call progress"),
    ("/webhooks/twilio/answer", webhooks.twilio_answer, 200, "What a call says"),
    ("/webhooks/sendgrid/events", webhooks.sendgrid, 204, "Email events"),
)
_CAMPAIGNS: Final = TYPES["campaign"]
_CHANGES: Final = (400, 404, 409, 413)
"""What a change of a run may be answered."""
_OF_RUNS: Final = (
    # method, path, right, handler, status, what else it may answer, summary
    ("POST", "/campaigns/{id}/runs", Right.ADMIN, runs.launch_campaign, 201, (400, 404, 413, 422), "Launch a campaign"),
    ("GET", "/campaigns/{id}/runs", Right.READ, runs.runs_of_campaign, 200, (404,), "The runs of a campaign"),
    ("GET", "/runs/{id}", Right.READ, runs.retrieve_run, 200, (404,), "Where a run is, and what it came to"),
    ("GET", "/runs/{id}/changes", Right.READ, runs.changes_of_run, 200, (404,), "Who changed a run, and why"),
    ("POST", "/runs/{id}/start", Right.ADMIN, runs.start_run, 200, (*_CHANGES, 422), "Start what waits for it"),
    ("POST", "/runs/{id}/pause", Right.READ, runs.pause_run, 200, _CHANGES, "Let nothing more leave, for now"),
    ("POST", "/runs/{id}/resume", Right.READ, runs.resume_run, 200, _CHANGES, "Go on with a paused run"),
    ("POST", "/runs/{id}/cancel", Right.READ, runs.cancel_run, 200, _CHANGES, "End a run for good"),
    ("POST", "/runs/{id}/close", Right.ADMIN, runs.close_run, 200, _CHANGES, "Let nobody else into a run"),
)
"""Supervisors of a campaign may stop its runs without `campaigns:admin`; `runtime.launch` asks who acts."""
_OPEN: Final = (
    Route(
        method="GET",
        path="/health",
        access=NoToken.OPEN,
        handler=about.health,
        refuses=(503,),
        summary="Whether the database answers",
    ),
    Route(method="GET", path="/openapi.json", access=NoToken.OPEN, handler=about.openapi, summary="", shown=False),
    Route(method="GET", path="/docs", access=NoToken.OPEN, handler=about.docs, summary="", shown=False),
    Route(method="GET", path="/docs/{asset}", access=NoToken.OPEN, handler=about.asset, summary="", shown=False),
)


def _of(kind: SchemaType) -> Iterator[Route]:
    """The routes of one type. `/batch` goes before `/{id}`, or it would be taken for an id."""
    rows = (*_ONLY_CONTACTS, *_EVERY_TYPE) if kind.model is Contact else _EVERY_TYPE
    for method, below, right, handler, status, refuses, summary in rows:
        yield Route(
            method=method,
            path=f"{DOCUMENTS}/{kind.name}{below}",
            access=kind.scope(right),
            handler=handler,
            status=status,
            refuses=tuple(sorted({*_ANYWHERE, *refuses})),
            summary=summary.format(kind.name),
            kind=kind,
        )


_AUDIENCE: Final = Route(
    method="GET",
    path="/campaigns/{id}/audience",
    access=TYPES["contact"].scope(Right.READ),
    handler=audiences.preview_audience,
    refuses=tuple(sorted({*_ANYWHERE, 400, 404, 422})),
    summary="Who a campaign would reach, and with what",
)
_EVENTS: Final = Route(
    method="POST",
    path="/events",
    access=EVENTS_WRITE,
    handler=events.send_events,
    status=202,
    refuses=tuple(sorted({*_ANYWHERE, 400, 413, 422})),
    summary="Send events that campaigns listen to",
)

ROUTES: Final[tuple[Route, ...]] = (
    *(route for kind in TYPES.values() for route in _of(kind)),
    *(
        Route(
            method=method,
            path=path,
            access=_CAMPAIGNS.scope(right),
            handler=handler,
            status=status,
            refuses=tuple(sorted({*_ANYWHERE, *refuses})),
            summary=summary,
        )
        for method, path, right, handler, status, refuses, summary in _OF_RUNS
    ),
    *(
        Route(
            method="POST",
            path=path,
            access=NoToken.SIGNED,
            handler=handler,
            status=status,
            refuses=(400, 403, 503),
            summary=summary,
        )
        for path, handler, status, summary in _FROM_PROVIDERS
    ),
    _AUDIENCE,
    _EVENTS,
    *_OPEN,
)
