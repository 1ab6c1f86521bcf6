"""What a call says once somebody has picked up: the provider asks, we answer with TwiML."""

import asyncio

from channels.base import BadCallback, Callback
from channels.messages import Call, ChannelKind
from channels.results import Receipt
from channels.voice.twiml import answer_twiml
from worker.engine.outgoing import build_message
from worker.runtime.bootstrap import Runtime
from worker.runtime.intake import Intake


async def answer_call(rt: Runtime, intake: Intake, callback: Callback) -> str:
    """The document for the call the callback is about; the news in it goes to the inbox first.

    Raises BadSignature, and BadCallback for a call that is not ours.
    """
    tenant_id = rt.settings.tenant_id
    news = await intake.take(rt.channel(ChannelKind.VOICE), callback)
    for item in news:
        if isinstance(item, Receipt):
            for facts in await asyncio.to_thread(rt.store.attempt_facts, [item.attempt_id], tenant_id):
                call = build_message(facts.channel, facts.attempt_id, facts.to, facts.sender, facts.content)
                if isinstance(call, Call):
                    return answer_twiml(call, item.answered_by)
    raise BadCallback("attempt: no call of ours has this id")
