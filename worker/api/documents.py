"""The handlers of documents, the same for every type: from HTTP to the schema service and back.

1. They run in FastAPI's threads, since the service waits for the database.
2. ETag is the document's `modifiedAt`. Who sends it back in If-Match changes the document they saw, or nothing.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Depends, Header, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic.json_schema import SkipJsonSchema

from worker.api.json_body import json_list, json_object
from worker.api.route import DOCUMENTS
from worker.schema.errors import BadRequest
from worker.schema.finding import DEEPEST_START, MOST_ROWS, Search
from worker.schema.scopes import Actor
from worker.schema.service import SchemaService
from worker.schema.types import SchemaType

LONGEST_ID: Final = 100
IF_MATCH: Final = r'^(\*|"[0-9]{1,15}")$'
IDEMPOTENCY_KEY: Final = r"^[!-~]([ -~]{0,198}[!-~])?$"

Id = Annotated[
    str, Path(alias="id", max_length=LONGEST_ID, pattern=r"^[^/?#\s\x00-\x1f\x7f]+$", description="Or its `_id`.")
]
Body = Annotated[dict[str, Any], Depends(json_object)]
Rows = Annotated[list[Any], Depends(json_list)]


async def if_match(
    value: Annotated[
        str | SkipJsonSchema[None],
        Header(
            alias="If-Match",
            description="The ETag it must still have, or `*` for any. Otherwise nothing is done: 412.",
            json_schema_extra={"pattern": IF_MATCH},
        ),
    ] = None,
) -> int | None:
    """The `modifiedAt` a caller insists on. Raises BadRequest."""
    if value is None or value.strip() == "*":
        return None
    if not re.match(IF_MATCH, value.strip()):
        raise BadRequest('If-Match must be an ETag as it was sent, like "1764000000000", or *')
    return int(value.strip().strip('"'))


async def idempotency_key(
    value: Annotated[
        str | SkipJsonSchema[None],
        Header(
            alias="Idempotency-Key",
            description="Draw one for each request. The same request again gives the document it made then.",
            json_schema_extra={"pattern": IDEMPOTENCY_KEY},
        ),
    ] = None,
) -> str:
    """The key of this request, or "". Raises BadRequest."""
    if value is None:
        return ""
    if not re.match(IDEMPOTENCY_KEY, value.strip()):
        raise BadRequest("Idempotency-Key must be 1 to 200 printable ASCII characters; a UUID does")
    return value.strip()


IfMatch = Annotated[int | None, Depends(if_match)]
Key = Annotated[str, Depends(idempotency_key)]


def create(kind: SchemaType, request: Request, data: Body, key: Key) -> Response:
    wire = _service(request).create(_actor(request), kind.name, data, idempotency_key=key)
    place = f"{DOCUMENTS}/{kind.name}/{quote(wire[kind.id_key], safe='')}"
    return _document(wire, 201, {"Location": place})


def create_many(kind: SchemaType, request: Request, rows: Rows) -> Response:
    if "idempotency-key" in request.headers:
        raise BadRequest("a batch takes no Idempotency-Key; give each contact a contactId, then none is created twice")
    ids = _service(request).create_many(_actor(request), kind.name, rows)
    return JSONResponse({"count": len(ids), "ids": ids}, 201)


def search(
    kind: SchemaType,
    request: Request,
    *,
    q: Annotated[str, Query(description="What to look for, in Lucene's syntax. Without it: all of them.")] = "",
    rows: Annotated[int, Query(ge=1, le=MOST_ROWS, description="How many at most.")] = 100,
    start: Annotated[int, Query(ge=0, le=DEEPEST_START, description="How many to pass over.")] = 0,
    sort: Annotated[str, Query(description="What to go by; `-` in front or ` desc` behind turns it around.")] = "",
    cursor: Annotated[str, Query(description="Where to go on: `next` of the page before.")] = "",
) -> Response:
    asked = Search(q=q, rows=rows, start=start, sort=sort, cursor=cursor)
    found = _service(request).search(_actor(request), kind.name, asked)
    return JSONResponse(
        {"count": found.count, "total": found.total, "objects": found.objects, "next": found.next},
    )


def retrieve(
    kind: SchemaType,
    request: Request,
    document_id: Id,
    *,
    deleted: Annotated[bool, Query(description="Also one that was deleted.")] = False,
) -> Response:
    return _document(_service(request).retrieve(_actor(request), kind.name, document_id, deleted=deleted))


def update(kind: SchemaType, request: Request, document_id: Id, changes: Body, modified_at: IfMatch) -> Response:
    service = _service(request)
    return _document(service.update(_actor(request), kind.name, document_id, changes, modified_at=modified_at))


def delete(kind: SchemaType, request: Request, document_id: Id, modified_at: IfMatch) -> Response:
    _service(request).delete(_actor(request), kind.name, document_id, modified_at=modified_at)
    return Response(status_code=204)


def history(kind: SchemaType, request: Request, document_id: Id) -> Response:
    changes = _service(request).history(_actor(request), kind.name, document_id)
    return JSONResponse({"count": len(changes), "total": len(changes), "objects": changes})


def _service(request: Request) -> SchemaService:
    service: SchemaService = request.app.state.rt.schema
    return service


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


def _document(wire: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(wire, status, headers={"ETag": f'"{wire["modifiedAt"]}"', **(headers or {})})
