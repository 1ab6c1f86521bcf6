"""What is answered when something is refused or fails: one shape for all of it.

`{"type", "message", "code", "timestamp", "faults": [{"path", "message", "hint"}]}`. `type` is the class in
`worker.schema.errors`, `code` the HTTP status, `timestamp` milliseconds since 1970.
"""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from channels.base import BadCallback, BadSignature
from channels.errors import InvalidSettings
from worker.api.route import DOCUMENTS
from worker.domain.base import closest
from worker.domain.faults import Fault
from worker.runtime import clock
from worker.schema.errors import (
    ERRORS,
    BadRequest,
    Forbidden,
    NotFound,
    SchemaError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from worker.schema.types import TYPES
from worker.store.errors import StoreError

log = structlog.get_logger()

_AWAY: Final = (OperationalError, InterfaceError, PoolTimeout)
"""What means that the database does not answer. Anything else it says about documents is a fault of ours; a provider
is asked to call again all the same."""

_REFUSALS: Final = (
    SchemaError,
    RequestValidationError,
    HTTPException,
    ClientDisconnect,
    BadSignature,
    BadCallback,
    InvalidSettings,
    SQLAlchemyError,
    StoreError,
    OSError,
)


def answer_errors(app: FastAPI) -> None:
    """Let every error of the application be answered in this shape."""
    for kind in _REFUSALS:
        app.add_exception_handler(kind, _answer)
    app.add_exception_handler(Exception, _answer_fault_of_ours)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_methods_at(request))
        message = f"{request.method} is not possible here; {allowed} is"
        return _error("MethodNotAllowed", HTTPStatus.METHOD_NOT_ALLOWED, message, headers={"Allow": allowed})
    refusal = _refusal_of(request, error)
    return _error(ERRORS[refusal.code].__name__, refusal.code, refusal.message, refusal.faults, _headers(refusal))


async def _answer_fault_of_ours(_request: Request, _: Exception) -> JSONResponse:
    """Starlette raises it on after this, so that the server logs it."""
    message = "this is our fault, not yours; the log of the web process says more"
    return _error("InternalError", HTTPStatus.INTERNAL_SERVER_ERROR, message)


def _refusal_of(request: Request, error: Exception) -> SchemaError:
    match error:
        case SchemaError():
            return error
        case RequestValidationError():
            return _bad_parameters(error)
        case HTTPException(status_code=HTTPStatus.NOT_FOUND):
            return NotFound(*_nothing_there(request.url.path))
        case HTTPException():
            return BadRequest(str(error.detail))
        case ClientDisconnect():
            return BadRequest("the request ended before its body did")
        case BadSignature():
            return Forbidden("not signed by the provider")
        case BadCallback():
            return BadRequest(str(error))
        case InvalidSettings():
            log.error("callback for a channel that is not set up", error=str(error))
            return Forbidden("this channel is not set up here")
        case SQLAlchemyError() if request.url.path.startswith(DOCUMENTS) and not isinstance(error, _AWAY):
            raise error
        case _:
            log.error("database away", error=type(error).__name__)
            return Unavailable("the database is away; try again in a moment")


def _headers(refusal: SchemaError) -> dict[str, str]:
    match refusal:
        case Unauthorized():
            return {"WWW-Authenticate": "Bearer"}
        case TooManyRequests(retry_after=seconds):
            return {"Retry-After": str(max(1, math.ceil(seconds)))}
        case _:
            return {}


def _error(
    kind: str, code: int, message: str, faults: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    content: dict[str, Any] = {
        "type": kind,
        "message": message,
        "code": int(code),
        "timestamp": round(clock.wall().timestamp() * 1000),
        "faults": [{"path": fault.path, "message": fault.message, "hint": fault.hint} for fault in faults],
    }
    return JSONResponse(content, code, headers=headers)


def _bad_parameters(error: RequestValidationError) -> SchemaError:
    faults = [
        Fault(detail["loc"], str(detail["msg"]).replace("Input should", "must", 1).replace("String should", "must", 1))
        for detail in error.errors()
    ]
    if any(fault.path[0] == "path" for fault in faults):
        return NotFound("there is no document with this id; check it")
    return BadRequest("the request has parameters that are not as they must be", faults)


def _nothing_there(path: str) -> tuple[str, list[Fault]]:
    """What to say about an address that leads nowhere."""
    word, _, _ = path.removeprefix(f"{DOCUMENTS}/").partition("/")
    if not path.startswith(f"{DOCUMENTS}/") or word in TYPES:
        return "there is nothing at this address; /docs shows what there is", []
    meant = closest(word, TYPES)
    hint = f"did you mean {meant}?" if meant else f"one of {', '.join(TYPES)}"
    return "there is no such type", [Fault(("path", "type"), "is no type", hint)]


def _methods_at(request: Request) -> list[str]:
    """What is possible at the address of a request. Starlette itself tells only what its first route takes."""
    path = request.url.path
    routes = [route for route in request.app.routes if route.path_regex.match(path)]
    named = [route for route in routes if route.path == path]  # `/contact/batch` is no id
    return sorted({method for route in named or routes for method in route.methods})
