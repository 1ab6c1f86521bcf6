"""The handlers of provider callbacks.

1. A callback is verified against the public URL the provider was given, never against the Host header.
2. 403 for what is not signed or cannot be verified, 400 for what cannot be read, 503 while the database is away: the
   provider then tries again.
"""

from typing import Final

from fastapi import Request, Response

import worker.runtime.channels  # noqa: F401 - the vendors' SDKs, before the first callback rather than during it
from channels.base import Callback
from channels.messages import ChannelKind
from worker.runtime import clock
from worker.runtime.answering import answer_call
from worker.runtime.bootstrap import Runtime
from worker.runtime.intake import Intake

_EMPTY_TWIML: Final = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


async def twilio_sms(request: Request) -> Response:
    await _take(request, ChannelKind.SMS)
    return Response(_EMPTY_TWIML, media_type="text/xml")


async def twilio_voice(request: Request) -> Response:
    await _take(request, ChannelKind.VOICE)
    return Response(_EMPTY_TWIML, media_type="text/xml")


async def twilio_answer(request: Request) -> Response:
    rt: Runtime = request.app.state.rt
    return Response(await answer_call(rt, request.app.state.intake, await _callback(request)), media_type="text/xml")


async def sendgrid(request: Request) -> Response:
    await _take(request, ChannelKind.EMAIL)
    return Response(status_code=204)


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
