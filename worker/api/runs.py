"""The handlers of runs: launch a campaign, look at its runs, start, pause, resume, cancel and close them.

1. A launch says all that stands in its way at once (422), as the command line does; a refused launch changes nothing.
2. `pause` and `cancel` answer when what had left before has been answered; `landed` false: a call is still open.
3. One process has the credentials of one tenant; a token of another is sent away.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Request
from fastapi.responses import JSONResponse, Response

from worker.api.documents import Body, Id
from worker.api.json_body import json_object_if_any
from worker.domain import faults
from worker.domain.audience import MOST_PEOPLE, read_audience
from worker.domain.base import closest
from worker.domain.faults import Fault
from worker.domain.run import Run
from worker.runtime import errors, launch
from worker.runtime.bootstrap import Runtime
from worker.runtime.preflight import Launch
from worker.runtime.reports import make_report
from worker.schema.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound
from worker.schema.scopes import Actor
from worker.store.codec import millis_or_none
from worker.store.document_rows import DocumentType
from worker.store.errors import NotFound as NoSuchRow
from worker.store.errors import NotNow

RUNS: Final = "/runs"
_FLAGS: Final = ("draft", "replace", "again", "everyone", "despiteFailures")
_KEYS: Final = ("audience", "limit", "canary", "speed", *_FLAGS)
_FASTEST: Final = 1_000_000

LONGEST_REASON: Final = 500

Said = Annotated[dict[str, Any], Depends(json_object_if_any)]
RunId = Annotated[str, Path(alias="id", max_length=100, pattern=r"^[\w-]+$", description="The run's id.")]


def launch_campaign(request: Request, campaign_id: Id, data: Body) -> Response:
    rt = runtime_of(request)
    with refusals():
        launched = launch.launch(rt, _read(rt, campaign_id, data))
    return JSONResponse(_shown(launched.run) | {"warnings": list(launched.warns)}, 201)


def runs_of_campaign(request: Request, campaign_id: Id) -> Response:
    rt = runtime_of(request)
    if rt.store.find_document(rt.settings.tenant_id, DocumentType.CAMPAIGN, campaign_id) is None:
        raise NotFound(f"there is no campaign {campaign_id!r}; check the id")
    found = [_shown(run) for run in rt.store.find_runs(rt.settings.tenant_id, campaign_id)]
    return JSONResponse({"count": len(found), "total": len(found), "objects": found})


def retrieve_run(request: Request, run_id: RunId) -> Response:
    rt = runtime_of(request)
    with refusals():
        report = make_report(rt, run_id)
    return JSONResponse(_shown(report.run) | report.as_json())


def changes_of_run(request: Request, run_id: RunId) -> Response:
    rt = runtime_of(request)
    with refusals():
        rt.store.get_run(rt.settings.tenant_id, run_id)
    found = [
        {"at": millis_or_none(change.at), "by": change.by, "before": change.before}
        | {"after": change.after, "reason": change.reason}
        for change in rt.store.run_changes(rt.settings.tenant_id, run_id)
    ]
    return JSONResponse({"count": len(found), "total": len(found), "objects": found})


def start_run(request: Request, run_id: RunId, said: Said) -> Response:
    rt, reason = runtime_of(request), _reason(said)
    with refusals():
        warns = launch.start(rt, rt.settings.tenant_id, run_id, reason)
        run = rt.store.get_run(rt.settings.tenant_id, run_id)
    return JSONResponse(_shown(run) | {"warnings": list(warns)})


def pause_run(request: Request, run_id: RunId, said: Said) -> Response:
    return _change(request, run_id, partial(launch.pause, reason=_reason(said)))


def resume_run(request: Request, run_id: RunId, said: Said) -> Response:
    reason, release = _reason(said, "release"), said.get("release", False)
    if not isinstance(release, bool):
        raise BadRequest("the request cannot be read", [Fault(("release",), "must be true or false")])
    return _change(request, run_id, partial(launch.resume, reason=reason, release=release))


def cancel_run(request: Request, run_id: RunId, said: Said) -> Response:
    return _change(request, run_id, partial(launch.cancel, reason=_reason(said)))


def close_run(request: Request, run_id: RunId, said: Said) -> Response:
    return _change(request, run_id, partial(launch.close, reason=_reason(said)))


def _reason(said: Mapping[str, Any], *others: str) -> str:
    """Why a run is changed, in the words of whoever changes it. Raises BadRequest; `others`: what else may be said."""
    known, reason = ("reason", *others), said.get("reason", "")
    wrong = [Fault((key,), "is not known", f"one of {', '.join(known)}") for key in said if key not in known]
    if not isinstance(reason, str) or len(reason) > LONGEST_REASON:
        wrong.append(Fault(("reason",), f"must be a text of {LONGEST_REASON} characters at most"))
    if wrong:
        raise BadRequest("the request cannot be read", wrong)
    return str(reason)


def _change(request: Request, run_id: str, change: Callable[[Runtime, str, str], bool | None]) -> Response:
    rt = runtime_of(request)
    with refusals():
        landed = change(rt, rt.settings.tenant_id, run_id)
        run = rt.store.get_run(rt.settings.tenant_id, run_id)
    return JSONResponse(_shown(run) | {"landed": landed is not False})


def runtime_of(request: Request) -> Runtime:
    """The runtime, in the name of who asks. Raises Forbidden."""
    rt: Runtime = request.app.state.rt
    actor: Actor = request.state.actor
    if actor.tenant_id != rt.settings.tenant_id:
        raise Forbidden("this process runs campaigns of another tenant; ask the one that has your credentials")
    return rt.acting_for(actor)


@contextmanager
def refusals(sentence: str = "the campaign cannot be launched; nothing was changed") -> Iterator[None]:
    """What launching refuses, in the words of HTTP. `sentence`: what comes before its reasons."""
    try:
        yield
    except errors.CannotLaunch as error:
        reasons = [Fault((), reason) for reason in error.reasons]
        raise Invalid(sentence, reasons) from None
    except (errors.NotFound, NoSuchRow) as error:
        raise NotFound(str(error)) from None
    except faults.Invalid as error:
        raise Invalid("the campaign cannot be launched as it is saved", error.faults) from None
    except NotNow as error:
        raise Conflict(str(error)) from None


def _read(rt: Runtime, campaign_id: str, data: Mapping[str, Any]) -> Launch:
    """The launch a body asks for. Raises BadRequest with every fault."""
    wrong = [Fault((key,), "is not known", _hint(key)) for key in data if key not in _KEYS]
    audience, found = read_audience(data.get("audience"))
    wrong += (fault.under("audience") for fault in found)
    limit, canary, speed = data.get("limit", 0), data.get("canary", ""), data.get("speed", 1)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit <= MOST_PEOPLE:
        wrong.append(Fault(("limit",), "must be a number of people", "write it like 500; 0: all"))
    if not isinstance(canary, str):
        wrong.append(Fault(("canary",), "must be a part", 'write it like "1%" or "500"'))
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 1 <= speed <= _FASTEST:
        wrong.append(Fault(("speed",), f"must be between 1 and {_FASTEST:,}", "leave it out, except in a rehearsal"))
    wrong += (Fault((key,), "must be true or false") for key in _FLAGS if not isinstance(data.get(key, False), bool))
    if wrong:
        raise BadRequest("the launch cannot be read", wrong)
    return Launch(
        tenant_id=rt.settings.tenant_id,
        campaign=campaign_id,
        audience=audience,
        limit=limit,
        canary=canary,
        speed=float(speed),
        draft=data.get("draft", False),
        replace=data.get("replace", False),
        again=data.get("again", False),
        everyone=data.get("everyone", False),
        despite_failures=data.get("despiteFailures", False),
    )


def _hint(key: str) -> str:
    meant = closest(key, _KEYS)
    return f"did you mean {meant}?" if meant else f"one of {', '.join(_KEYS)}"


def _shown(run: Run) -> dict[str, Any]:
    return {
        "runId": run.run_id,
        "campaignId": run.campaign_id,
        "status": run.status,
        "createdAt": millis_or_none(run.created_at),
        "startsAt": millis_or_none(run.next_at),
        "startedAt": millis_or_none(run.started_at),
        "finishedAt": millis_or_none(run.finished_at),
    }
