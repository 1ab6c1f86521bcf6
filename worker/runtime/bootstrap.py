"""The composition root: what one process needs, wired once and handed down.

1. Made after fork: nothing here may cross a process boundary.
2. Channels belong to the event loop they were made in; one process has one loop for its whole life.
3. The vendors' SDKs are imported with the first channel: most commands ask no provider. Workers import them before the
   fork (`tasks.tasks`), so that their children share them.
"""

import asyncio
import copy
import getpass
import os
import socket
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

import structlog

from channels.base import Channel
from channels.messages import ChannelKind
from worker.domain.campaign import Campaign
from worker.domain.faults import Invalid
from worker.engine.conditions import ConditionError
from worker.engine.definition import Definition, definition_of
from worker.engine.settlement import SettlementOptions
from worker.engine.triggers import Listening, compile_listening
from worker.runtime.clock import Clock, DatabaseClock
from worker.runtime.giving_way import GivingWay
from worker.runtime.hints import Hint, Work
from worker.runtime.mailers import Mailers, secret_named
from worker.runtime.settings import Settings
from worker.schema.scopes import Actor, operator
from worker.schema.service import SchemaService
from worker.store.facade import Store

T = TypeVar("T")

log = structlog.get_logger()


class Runtime:
    """Settings, store, clock, channels, definitions, and the way to send a hint."""

    def __init__(
        self, settings: Settings, store: Store, hint: Callable[[Hint], None], clock: Clock | None = None
    ) -> None:
        self.settings = settings
        self.store = store
        self._send_hint = hint
        self._urgent: set[str] = set()
        self.clock = clock or DatabaseClock(store.now)
        self.schema = SchemaService(store, self.now, default_region=settings.default_region)
        self.actor = operator(settings.tenant_id, getpass.getuser())
        """Whose work a command does: whoever sits at this machine, unless a token says otherwise."""
        self.owner = f"{socket.gethostname()}:{os.getpid()}"
        self.life = f"{self.owner}:{store.new_id()}"
        """Of this one only: another process of this host may get the same number."""
        self.giving_way = GivingWay(store, self.clock, settings.tenant_id, self.owner)
        self._patience = settings.patience
        self._runner: asyncio.Runner | None = None
        self._channels: dict[str, Channel[Any]] = {}
        self.slowed: dict[tuple[str, ChannelKind], float] = {}
        """Runs that have used up their rate on a channel, and until when (`elapsed`) this process lets them be."""
        self.mailers = Mailers(self.clock.elapsed)
        self._definition = lru_cache(maxsize=1024)(self._load_definition)
        self._listening = lru_cache(maxsize=4096)(self._load_listening)

    def acting_for(self, actor: Actor) -> "Runtime":
        """The same, in somebody else's name."""
        other = copy.copy(self)
        other.actor = actor
        return other

    def beside(self, hint: Callable[[Hint], None]) -> "Runtime":
        """Another one in this process, for a thread of its own: with its own loop and channels, and its own hints."""
        return Runtime(self.settings, self.store, hint, self.clock)

    def now(self) -> datetime:
        """The present moment, by the database's clock."""
        return self.clock.now()

    def hint(self, hint: Hint) -> None:
        """Say that there is work. What is known to be urgent goes where no bulk stands in the way."""
        if hint.urgent:
            self._urgent.add(hint.run_id)
        self._send_hint(replace(hint, urgent=hint.run_id in self._urgent))

    def hint_at_steps(self, tenant_id: str, run_id: str, count: int, share: int = 0) -> None:
        """Say that people of a run are due: to whoever sends there, since a step most often leads to a message.

        Where nothing is sent, and in an urgent run, whose events are stepped as they come, `control` steps.
        """
        sends = () if self.is_urgent(run_id) else self.definition(tenant_id, run_id).sends
        for work in [Work(f"{kind}.dispatch") for kind in sorted(sends)] or [Work.ADVANCE]:
            self.hint(Hint(work, tenant_id, run_id, count, share))

    def definition(self, tenant_id: str, run_id: str) -> Definition:
        """The compiled definition a run was launched with. Runs are snapshots, so it may be kept."""
        return self._definition(tenant_id, run_id)

    def listening(self, tenant_id: str, run_id: str) -> Listening:
        """What a run listens to; kept as its definition is."""
        return self._listening(tenant_id, run_id)

    def is_urgent(self, run_id: str) -> bool:
        """Whether a run whose definition is known is urgent."""
        return run_id in self._urgent

    def serves(self, tenant_id: str, run_id: str) -> bool:
        """Whether the run was launched against providers of our kind: on this machine, or the vendors.

        A sandbox and the vendors know nothing of each other's messages; asking the wrong one would prove absence.
        """
        return self.definition(tenant_id, run_id).rehearsal in (None, self.settings.rehearsal)

    def options(self, definition: Definition) -> SettlementOptions:
        """How patient to be with the messages of a run; its campaign goes before the installation."""
        resend_after = {**self._patience.resend_after, **definition.resend_after}
        return replace(self._patience, speed=definition.speed, resend_after=resend_after)

    def channel(self, kind: ChannelKind, credential: str = "") -> Channel[Any]:
        """The adapter for this kind. Call inside the loop of `run`.

        `credential` names the secret of another email account than the installation's.
        """
        name = f"{kind}/{credential}" if credential else str(kind)
        if name not in self._channels:
            self._channels[name] = self.new_channel(kind, credential)
        return self._channels[name]

    def new_channel(self, kind: ChannelKind, credential: str = "") -> Channel[Any]:
        """One more adapter for this kind, in another loop; whoever asks for it closes it."""
        from worker.runtime.channels import make_channel  # noqa: PLC0415 - see 3

        return make_channel(kind, self.settings, secret_named(credential) if credential else "")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on this process's loop."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            return self._runner.run(work)
        except BaseException:
            # A time limit strikes anywhere. What it left on the loop must not go on inside the next task.
            self._runner.run(_cancel_others())
            raise

    def close(self) -> None:
        """Release connections."""
        self.close_loop()
        self.store.close()

    def close_loop(self) -> None:
        """Release the loop and what belongs to it; in the thread that has run it."""
        if self._runner is not None:
            self._runner.run(self.close_channels())
            self._runner.close()

    async def close_channels(self) -> None:
        """Release the channels' connections; in the loop they were made in."""
        while self._channels:
            await self._channels.popitem()[1].close()

    def _load_definition(self, tenant_id: str, run_id: str) -> Definition:
        run = self.store.get_run(tenant_id, run_id)
        if run.urgent:
            self._urgent.add(run_id)
        return definition_of(run)

    def _load_listening(self, tenant_id: str, run_id: str) -> Listening:
        try:
            campaign = Campaign.parse(self.store.get_run(tenant_id, run_id).campaign)
            return compile_listening(campaign, self.definition(tenant_id, run_id).flows.values())
        except (Invalid, ConditionError):
            # Made by another version. Raised here, it would keep every other campaign from hearing anything.
            log.exception("run cannot be read; it hears no events", run=run_id)
            return Listening()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
