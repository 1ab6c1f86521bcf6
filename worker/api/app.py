"""The HTTP application: provider callbacks in, health out.

1. A callback is verified against the public URL the provider was given, never against the Host header.
2. 403 for what is not signed or cannot be verified, 400 for what cannot be read, 503 while the database is away: the
   provider then tries again.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from channels.base import BadCallback, BadSignature, Callback
from channels.errors import InvalidSettings
from channels.messages import ChannelKind
from worker.runtime import clock
from worker.runtime.answering import answer_call
from worker.runtime.bootstrap import Runtime
from worker.runtime.intake import Intake
from worker.store.errors import StoreError

log = structlog.get_logger()

_EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


def make_app(make_runtime: Callable[[], Runtime]) -> FastAPI:
    """The application; the runtime is made inside its event loop and closed with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        rt = make_runtime()
        app.state.rt, app.state.intake = rt, Intake(rt)
        yield
        await rt.close_channels()
        rt.close()

    app = FastAPI(title="campaign-worker", lifespan=lifespan)
    app.add_api_route("/webhooks/twilio/sms", _twilio_sms, methods=["POST"], summary="Text status and inbound texts")
    app.add_api_route("/webhooks/twilio/voice", _twilio_voice, methods=["POST"], summary="Call progress")
    app.add_api_route("/webhooks/twilio/answer", _twilio_answer, methods=["POST"], summary="What a call says")
    app.add_api_route("/webhooks/sendgrid/events", _sendgrid, methods=["POST"], summary="Email events")
    app.add_api_route("/health", _health, methods=["GET"], summary="Whether the database answers")
    app.add_exception_handler(BadSignature, _refuse)
    app.add_exception_handler(BadCallback, _unreadable)
    app.add_exception_handler(InvalidSettings, _not_set_up)
    for away in (SQLAlchemyError, StoreError, OSError):
        app.add_exception_handler(away, _try_again)
    return app


async def _twilio_sms(request: Request) -> Response:
    await _take(request, ChannelKind.SMS)
    return Response(_EMPTY_TWIML, media_type="text/xml")


async def _twilio_voice(request: Request) -> Response:
    await _take(request, ChannelKind.VOICE)
    return Response(_EMPTY_TWIML, media_type="text/xml")


async def _sendgrid(request: Request) -> Response:
    await _take(request, ChannelKind.EMAIL)
    return Response(status_code=204)


async def _twilio_answer(request: Request) -> Response:
    rt: Runtime = request.app.state.rt
    return Response(await answer_call(rt, request.app.state.intake, await _callback(request)), media_type="text/xml")


async def _take(request: Request, kind: ChannelKind) -> None:
    rt: Runtime = request.app.state.rt
    intake: Intake = request.app.state.intake
    await intake.take(rt.channel(kind), await _callback(request))


async def _callback(request: Request) -> Callback:
    rt: Runtime = request.app.state.rt
    query = f"?{request.url.query}" if request.url.query else ""
    return Callback(
        url=f"{rt.settings.public_url.rstrip('/')}{request.url.path}{query}",
        headers=dict(request.headers),
        body=await request.body(),
        received_at=clock.wall(),
    )


def _health(request: Request) -> Response:
    rt: Runtime = request.app.state.rt
    return JSONResponse({"status": "ok", "databaseTime": rt.store.now().isoformat()})


def _refuse(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"code": "bad_signature", "message": "not signed by the provider"}, status_code=403)


def _not_set_up(_request: Request, error: Exception) -> Response:
    log.error("callback for a channel that is not set up", error=str(error))
    return JSONResponse({"code": "not_set_up", "message": "this channel is not set up here"}, status_code=403)


def _unreadable(_request: Request, error: Exception) -> Response:
    return JSONResponse({"code": "bad_callback", "message": str(error)}, status_code=400)


def _try_again(_request: Request, error: Exception) -> Response:
    log.error("database away", error=type(error).__name__)
    return JSONResponse({"code": "try_again", "message": "the database is away"}, status_code=503)
