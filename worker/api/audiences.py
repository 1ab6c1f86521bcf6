"""The handler of audiences: who a campaign would reach, as `campaigns audience --preview` tells it.

1. Nothing is created, and nothing leaves. What a launch would refuse is told beside the counts.
2. It shows people and what they would be sent: whoever asks may read contacts, and campaigns too.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from worker.api.documents import Id
from worker.api.runs import refusals, runtime_of
from worker.domain.audience import MOST_PEOPLE, Audience, read_audience
from worker.domain.faults import Path
from worker.runtime.preflight import Launch
from worker.runtime.preview import SAMPLE, preview
from worker.schema.errors import BadRequest, NotFound
from worker.schema.scopes import Right
from worker.schema.types import TYPES
from worker.store.document_rows import DocumentType

MOST_SHOWN: Final = 100
_NAMES: Final[Mapping[Path, str]] = {
    ("lists",): "list",
    ("exclude", "lists"): "excludeList",
    ("exclude", "segment"): "excludeSegment",
    ("exclude", "runs"): "excludeRun",
    ("exclude", "contactedWithin"): "notContactedWithin",
}
"""What the keys of an audience are called in a query."""


def _several(name: str, description: str) -> Any:
    return Query(alias=name, default_factory=list, description=description)


def asked(
    *,
    lists: Annotated[list[str], _several("list", "Contact lists, instead of the campaign's audience.")],
    segment: Annotated[str, Query(description="A query or a saved segment, instead of the campaign's audience.")] = "",
    exclude_lists: Annotated[list[str], _several("excludeList", "Nobody who is on this list.")],
    exclude_segments: Annotated[list[str], _several("excludeSegment", "Nobody who matches this query or segment.")],
    exclude_runs: Annotated[list[str], _several("excludeRun", "Nobody who is or was in this run.")],
    within: Annotated[
        str, Query(alias="notContactedWithin", description="Nobody reached lately: a duration like `7 days`.")
    ] = "",
    largest: Annotated[int, Query(ge=0, le=MOST_PEOPLE, description="A launch refuses more; 0: as set elsewhere.")] = 0,
) -> Audience:
    """The audience that a query asks for. Raises BadRequest with every fault."""
    exclude = {"lists": exclude_lists, "segment": exclude_segments, "runs": exclude_runs}
    written = {"lists": lists, "segment": segment, "largest": largest}
    audience, wrong = read_audience(written | {"exclude": exclude | {"contactedWithin": within or None}})
    if wrong:
        said = [replace(fault, path=(_NAMES.get(fault.path) or fault.path[-1],)) for fault in wrong]
        raise BadRequest("the query cannot be read", said)
    return audience


def preview_audience(
    request: Request,
    campaign_id: Id,
    said: Annotated[Audience, Depends(asked)],
    *,
    everyone: Annotated[bool, Query(description="All contacts are meant.")] = False,
    people: Annotated[int, Query(ge=0, le=MOST_SHOWN, description="How many are shown with their messages.")] = SAMPLE,
    show_addresses: Annotated[bool, Query(alias="showAddresses", description="Not masked.")] = False,
) -> Response:
    rt = runtime_of(request)
    if rt.store.find_document(rt.settings.tenant_id, DocumentType.CAMPAIGN, campaign_id) is None:
        raise NotFound(f"there is no campaign {campaign_id!r}; check the id")
    rt.actor.require(TYPES["campaign"].scope(Right.READ))
    launch = Launch(tenant_id=rt.settings.tenant_id, campaign=campaign_id, audience=said, everyone=everyone)
    with refusals("the audience cannot be told"):
        found = preview(rt, launch, people=people, show_addresses=show_addresses)
    return JSONResponse(found.as_json())
