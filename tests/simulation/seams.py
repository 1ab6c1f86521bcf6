"""The product's own runtime in the simulated world: everything it reaches out with leads back here.

1. Before and after each call of the store, before a request is written and after it is answered, and around each hint,
   anything may happen to the process.
2. A call of the store is one transaction: it happens wholly, or not at all. It may fail, or succeed and say that it
   does not know.
3. A channel keeps the promise of `channels.transport`: no request is written later than one timeout after `send` began.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy.exc import OperationalError

from channels.base import Callback, Capabilities, Probe, Standing
from channels.messages import ChannelKind, Message
from channels.results import Certainty, Reason, Receipt, Reply, SendResult, Sighting
from tests.simulation.faults import Faults
from tests.simulation.judge import Judge
from tests.simulation.loop import SimulatedLoop
from tests.simulation.provider import Delivery, Provider
from tests.simulation.world import SECOND, START, Process
from worker.domain.run import Run
from worker.engine.definition import Definition, definition_of
from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint
from worker.runtime.settings import Settings
from worker.store.codec import to_json
from worker.store.errors import CommitUnknown
from worker.store.facade import Store

_SKEW_SECONDS = 0.3
"""How far a process may misjudge the database's clock."""


class SimulatedClock:
    """The database's time as one process knows it, and its own monotonic clock."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._skew = process.world.between(-_SKEW_SECONDS, _SKEW_SECONDS)

    def now(self) -> datetime:
        self._process.require_alive()
        return START + timedelta(microseconds=self._process.world.now + self._skew)

    def elapsed(self) -> float:
        self._process.require_alive()
        return (self._process.boot + self._process.world.now) / SECOND

    def sleep(self, seconds: float) -> None:
        """At least so long; a loaded machine wakes nobody on time."""
        self._process.wait(int(seconds * SECOND * self._process.world.rng.choice((1, 2, 20))))


class WatchedStore:
    """The one database, as one process reaches it."""

    def __init__(self, process: Process, store: Store, judge: Judge, faults: Callable[[], Faults]) -> None:
        self._process, self._store, self._judge, self._faults = process, store, judge, faults
        self.new_id = store.new_id

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real = getattr(self._store, name)

        def call(*args: Any, **options: Any) -> Any:
            return self._call(name, real, args, options)

        self.__dict__[name] = call
        return call

    def close(self) -> None:
        """The database outlives whoever used it."""

    def gather_statistics(self, *, of_people: bool = False) -> None:
        """This database plans without them."""

    def _call(self, name: str, real: Callable[..., Any], args: Sequence[Any], options: dict[str, Any]) -> Any:
        process, faults = self._process, self._faults()
        process.point(name)
        if process.world.chance(faults.call_fails):
            process.world.tell(process.name, f"{name} fails")
            raise OperationalError(name, None, ConnectionError("the connection was lost"))
        came_to = real(*args, **options)
        wrote = self._judge.saw(name, args, came_to)
        process.point(f"{name} done")
        if wrote and process.world.chance(faults.commit_unknown):
            process.world.tell(process.name, f"{name} was committed, and nobody knows")
            raise CommitUnknown(name)
        return came_to


class SimulatedChannel:
    """One process's way to the provider."""

    def __init__(self, process: Process, provider: Provider, kind: ChannelKind, timeout_seconds: float) -> None:
        self.name, self.kind = f"simulated-{kind}", kind
        self.can = Capabilities(
            batch=1000 if kind is ChannelKind.EMAIL else 1,
            lookup=kind is not ChannelKind.EMAIL,
            replies=kind is ChannelKind.SMS,
        )
        self._process, self._provider = process, provider
        self._timeout = int(timeout_seconds * SECOND)

    async def send(self, messages: Sequence[Message]) -> Sequence[SendResult]:
        until = self._process.world.now + self._timeout
        self._process.point(f"send {self.kind} {', '.join(m.attempt_id for m in messages)}")
        if self.kind is ChannelKind.EMAIL:
            return await self._request(messages, until)
        answers = await asyncio.gather(*(self._request([message], until) for message in messages))
        return [result for answer in answers for result in answer]

    async def _request(self, messages: Sequence[Message], until: int) -> Sequence[SendResult]:
        process, world = self._process, self._process.world
        await asyncio.sleep(world.rng.uniform(0, 0.1))
        process.point("about to write the request")
        if world.now > until:
            return [SendResult(certainty=Certainty.NOT_SENT, reason=Reason.CONNECTION)] * len(messages)
        answer = self._provider.request(self.kind, messages)
        left = until - world.now
        in_time = answer.after is not None and answer.after <= left
        await asyncio.sleep((answer.after if in_time and answer.after else left) / SECOND)
        process.point("has its answer" if in_time else "waits no longer")
        if not in_time:
            return [SendResult(certainty=Certainty.UNKNOWN, reason=Reason.TIMEOUT)] * len(messages)
        return answer.results

    async def find(self, message: Message, *, since: datetime) -> Sighting:
        self._process.point(f"asks for {message.attempt_id}")
        sighting = self._provider.find(self.kind, message, since)
        await asyncio.sleep(self._process.world.rng.uniform(0.01, 2))
        self._process.point(f"was told {sighting.seen}")
        return sighting

    async def probe(self, senders: Sequence[str] = ()) -> Probe:
        return Probe(standing=Standing.OK)

    def receive(self, callback: Callback) -> Sequence[Receipt | Reply]:
        assert isinstance(callback, SimulatedCallback)
        return [callback.delivery.news]

    async def close(self) -> None:
        """Nothing is open."""


class SimulatedCallback(Callback):
    """A request of the provider, read and found to be signed."""

    __slots__ = ("delivery",)

    def __init__(self, delivery: Delivery, at: datetime) -> None:
        super().__init__(url="", headers={}, body=b"", received_at=at)
        object.__setattr__(self, "delivery", delivery)

    delivery: Delivery


class SimulatedRuntime(Runtime):
    """What one process of the product is made of."""

    def __init__(
        self,
        process: Process,
        settings: Settings,
        store: WatchedStore,
        provider: Provider,
        hint: Callable[[Process, Hint], None],
    ) -> None:
        super().__init__(settings, store, lambda hint_: hint(process, hint_), SimulatedClock(process))  # type: ignore[arg-type]
        self.owner = process.name
        self._process = process
        self._loop = SimulatedLoop(process)
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        for kind in ChannelKind:
            self._channels[kind] = SimulatedChannel(process, provider, kind, settings.http_timeout_seconds)

    def close(self) -> None:
        """A killed process closes nothing; only the loop must not be found open."""
        self._loop.close()

    def new_channel(self, kind: ChannelKind, credential: str = "") -> SimulatedChannel:  # type: ignore[override]
        channel = self._channels[kind]
        assert isinstance(channel, SimulatedChannel)
        return channel

    def _load_definition(self, tenant_id: str, run_id: str) -> Definition:
        return _compiled(_Snapshot(self.store.get_run(tenant_id, run_id)))


class _Snapshot:
    """What a run was launched with. Equal where the documents are, so that each is compiled once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._key = to_json([run.campaign, run.workflows, run.dispositions, run.options])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Snapshot) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=16)
def _compiled(snapshot: _Snapshot) -> Definition:
    return definition_of(snapshot.run)
