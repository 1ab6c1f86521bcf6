"""Finds out what nobody told us: attempts whose worker died, whose answer was lost, whose receipt never came.

1. Nothing is sent from here. A message is queued again only on proof that it never left.
2. The provider is asked one slice at a time; what cannot be settled stays as it is until the next look.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import structlog

from channels.messages import ChannelKind
from channels.results import Sighting
from worker.domain.attempt import AttemptFacts, AttemptStatus, Settlement
from worker.domain.faults import Invalid
from worker.engine import settlement
from worker.engine.outgoing import build_message
from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint, Work
from worker.runtime.settle import Decide, settle

log = structlog.get_logger()

SLICE = 50


async def reconcile(rt: Runtime) -> int:
    """Look once into everything that is due to be looked into. Returns how many attempts were settled or moved on."""
    crashed = await asyncio.to_thread(rt.store.stale_dispatching, rt.settings.tenant_id, limit=1000)
    moved = await _settle(rt, [(facts, _from_crash(rt, facts)) for facts in _of_readable_runs(rt, crashed)])
    for due in (rt.store.due_unknown, rt.store.silent_accepted):
        while facts := await asyncio.to_thread(due, rt.settings.tenant_id, rt.now(), limit=SLICE):
            settled = await _settle(rt, await _ask(rt, _of_readable_runs(rt, facts)))
            moved += settled
            if not settled:
                break
    return moved


def _of_readable_runs(rt: Runtime, attempts: Sequence[AttemptFacts]) -> list[AttemptFacts]:
    """Those whose run this version can read. The others wait for one that can, and hold up nobody."""
    unreadable = set()
    for tenant_id, run_id in {(facts.tenant_id, facts.run_id) for facts in attempts}:
        try:
            rt.definition(tenant_id, run_id)
        except Invalid:
            log.exception("a run under way cannot be read by this version", run=run_id)
            unreadable.add(run_id)
    return [facts for facts in attempts if facts.run_id not in unreadable]


def _from_crash(rt: Runtime, facts: AttemptFacts) -> Decide:
    options = rt.options(rt.definition(facts.tenant_id, facts.run_id))
    return partial(settlement.from_crash, now=rt.now(), options=options)


async def _ask(rt: Runtime, attempts: Sequence[AttemptFacts]) -> list[tuple[AttemptFacts, Decide]]:
    found = await asyncio.gather(*(_find(rt, facts) for facts in attempts))
    sightings = await asyncio.to_thread(_told_apart, rt, attempts, found)
    return [(facts, _decision(rt, facts, sighting)) for facts, sighting in zip(attempts, sightings, strict=True)]


async def _find(rt: Runtime, facts: AttemptFacts) -> Sighting:
    channel = rt.channel(facts.channel)
    if not channel.can.lookup or not rt.serves(facts.tenant_id, facts.run_id):
        return Sighting(seen=None)
    message = build_message(facts.channel, facts.attempt_id, facts.to, facts.sender, facts.content)
    return await channel.find(message, since=facts.dispatched_at)


def _told_apart(rt: Runtime, attempts: Sequence[AttemptFacts], found: Sequence[Sighting]) -> list[Sighting]:
    """What was found, without the records known to be other attempts'; unsure where one may be another's in doubt."""
    # In this order: whoever is out of doubt by the first question is an owner by the second.
    doubtful = rt.store.in_doubt(rt.settings.tenant_id, [facts.to for facts in attempts])
    owners = _owners(rt, attempts, found)
    known = [
        sighting.without({ref for ref, owner in owners.items() if owner != facts.attempt_id})
        for facts, sighting in zip(attempts, found, strict=True)
    ]
    return [
        _unsure(sighting) if any(_says_the_same(facts, other) for other in doubtful) else sighting
        for facts, sighting in zip(attempts, _one_owner_each(known), strict=True)
    ]


def _says_the_same(facts: AttemptFacts, other: AttemptFacts) -> bool:
    """Whether a record of one could be taken for the other. One that was accepted is known by its own id."""
    if facts.status is not AttemptStatus.UNKNOWN or facts.attempt_id == other.attempt_id:
        return False
    same_words = facts.channel is ChannelKind.VOICE or facts.content == other.content  # no list says what was spoken
    return (facts.channel, facts.to) == (other.channel, other.to) and same_words


def _owners(rt: Runtime, attempts: Sequence[AttemptFacts], found: Sequence[Sighting]) -> dict[str, str]:
    """The records that belong to an attempt, by the provider's id."""
    refs: dict[ChannelKind, set[str]] = defaultdict(set)
    for facts, sighting in zip(attempts, found, strict=True):
        refs[facts.channel].update(one.receipt.provider_ref for one in sighting.candidates)
    return {
        owner.provider_ref: owner.attempt_id
        for kind, its_own in refs.items()
        for owner in rt.store.facts_by_ref(sorted(its_own), rt.channel(kind).name, rt.settings.tenant_id)
    }


def _unsure(sighting: Sighting) -> Sighting:
    """What it shows may be another message in doubt to the same person, in the same words."""
    return Sighting(seen=None, candidates=sighting.candidates) if sighting.seen else sighting


def _one_owner_each(sightings: Sequence[Sighting]) -> Iterator[Sighting]:
    """What is one message is no candidate for another; what several were told of is the first one's."""
    found, taken = {sighting.provider_ref for sighting in sightings}, set[str]()
    for sighting in sightings:
        mine = {sighting.provider_ref}
        yield Sighting(seen=None) if mine & taken else sighting.without(found - mine)
        taken |= mine - {""}


def _decision(rt: Runtime, facts: AttemptFacts, sighting: Sighting) -> Decide:
    definition = rt.definition(facts.tenant_id, facts.run_id)
    options = rt.options(definition)
    if not rt.serves(facts.tenant_id, facts.run_id):
        options = replace(options, resend_after={})  # whoever cannot ask its provider knows of no silence either
    judge = settlement.from_silence if facts.status is AttemptStatus.ACCEPTED else settlement.from_sighting
    decide = partial(judge, sighting=sighting, book=definition.book, now=rt.now(), options=options)
    return partial(_as_one_look, decide=decide, lookups=facts.lookups) if sighting.seen is False else decide


def _as_one_look(facts: AttemptFacts, decide: Decide, lookups: int) -> Settlement | None:
    """Two workers that saw nothing at the same time have looked once: what counts as a second look comes later."""
    return decide(facts) if facts.lookups == lookups else None


async def _settle(rt: Runtime, news: list[tuple[AttemptFacts, Decide]]) -> int:
    if not news:
        return 0
    settled = await asyncio.to_thread(settle, rt, news)
    for tenant_id, run_id in {(facts.tenant_id, facts.run_id) for facts, _ in news}:
        rt.hint(Hint(Work.ADVANCE, tenant_id, run_id, len(news)))
    return len(settled.applied)
