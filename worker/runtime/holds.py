"""Held messages: nobody can tell whether they left, so a person looks and decides."""

from functools import partial

from worker.domain.attempt import HeldAttempt, PersonSays
from worker.engine import settlement
from worker.runtime.bootstrap import Runtime
from worker.runtime.errors import NotFound
from worker.runtime.hints import Hint, Work
from worker.runtime.settle import settle


def held(rt: Runtime, run_id: str = "") -> list[HeldAttempt]:
    """The attempts of a run, or of every run, that wait for a person; the longest waiting first."""
    return rt.store.held(rt.settings.tenant_id, run_id)


def decide(rt: Runtime, attempt_id: str, says: PersonSays) -> bool:
    """Settle what a person found out. False when it was settled otherwise meanwhile. Raises NotFound."""
    found = rt.store.attempt_facts([attempt_id], rt.settings.tenant_id)
    if not found:
        raise NotFound(f"there is no attempt {attempt_id!r}; `campaigns holds list` lists those that wait")
    [facts] = found
    definition = rt.definition(facts.tenant_id, facts.run_id)
    decision = partial(
        settlement.from_person, says=says, book=definition.book, now=rt.now(), options=rt.options(definition)
    )
    changed = settle(rt, [(facts, decision)])
    rt.hint(Hint(Work.ADVANCE, facts.tenant_id, facts.run_id, 1))
    return bool(changed.applied)
