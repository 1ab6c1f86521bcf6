"""What the processes of the product do all day: workers, the web process, and a person at the command line.

Each does with the product's own functions what a task, an endpoint or a command does with them. What the database may
throw at them is borne as Celery, uvicorn and people bear it; any other error is a violation.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import DBAPIError

from channels.messages import ChannelKind
from tests.simulation.database import CAMPAIGN_ID, LIST_ID, TENANT
from tests.simulation.provider import Delivery
from tests.simulation.seams import SimulatedCallback, SimulatedRuntime
from tests.simulation.world import NEVER, Process, World
from worker.domain.attempt import PersonSays
from worker.runtime import alerts, guarding, holds, scheduling
from worker.runtime import launch as launching
from worker.runtime.advance import advance
from worker.runtime.dispatch import dispatch
from worker.runtime.errors import CannotLaunch
from worker.runtime.hints import Hint, Work
from worker.runtime.intake import Intake, apply_inbox
from worker.runtime.preflight import Launch
from worker.runtime.reconcile import reconcile
from worker.runtime.tick import tick
from worker.store.errors import CommitUnknown, NotNow

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

_BORNE: Final = (DBAPIError, CommitUnknown)


@contextmanager
def _living(sim: "Simulation", process: Process) -> Iterator[SimulatedRuntime]:
    rt = sim.runtime(process)
    try:
        yield rt
    finally:
        rt.close()


def work(sim: "Simulation", process: Process) -> None:
    """A worker: takes hints and ticks."""
    with _living(sim, process) as rt:
        while True:
            hint = sim.broker.take(process)
            sim.world.tell(process.name, f"begins {hint.work if hint else 'a tick'}")
            try:
                if hint is None:
                    tick(rt)
                else:
                    process.task_began, process.was_told = sim.world.now, False
                    _do(rt, hint)
            except (*_BORNE, SoftTimeLimitExceeded) as error:
                sim.world.tell(process.name, f"gives up: {type(error).__name__}")
            process.task_began = None


def _do(rt: SimulatedRuntime, hint: Hint) -> None:
    """What the task of this hint does (`worker.tasks.tasks`)."""
    match hint.work:
        case Work.ENROLL:
            launching.enroll(rt, hint.tenant_id, hint.run_id)
        case Work.ADVANCE:
            advance(rt, hint.tenant_id, hint.run_id)
        case Work.SCHEDULE:
            scheduling.follow(rt, hint.tenant_id, hint.run_id)
        case Work.CANCEL:
            launching.cancel_rest(rt, hint.tenant_id, hint.run_id)
        case Work.SMS | Work.EMAIL | Work.VOICE:
            kind = ChannelKind(hint.work.partition(".")[0])
            rt.run(dispatch(rt, hint.tenant_id, hint.run_id, kind))
        case Work.INBOX:
            apply_inbox(rt)
        case Work.RECONCILE:
            rt.run(reconcile(rt))
        case Work.GUARD:
            guarding.look(rt)
        case Work.ALERT:
            rt.run(alerts.deliver(rt))


class Web:
    """The process that providers call back."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._waiting: deque[Delivery] = deque()
        self._process: Process | None = None
        sim.provider.deliver = self._arrive

    def _arrive(self, delivery: Delivery) -> None:
        """A request comes in; where nobody listens it is refused, and the provider will try again."""
        process = self._process
        if process is not None and not process.dead:
            self._waiting.append(delivery)
            process.wake_at = min(process.wake_at, self._sim.world.now)

    def serve(self, process: Process) -> None:
        self._waiting.clear()
        self._process = process
        with _living(self._sim, process) as rt:
            intake = Intake(rt)
            while True:
                if not self._waiting:
                    process.wait(NEVER)
                    continue
                batch, self._waiting = list(self._waiting), deque()
                rt.run(self._take_all(rt, intake, batch))

    async def _take_all(self, rt: SimulatedRuntime, intake: Intake, batch: list[Delivery]) -> None:
        await asyncio.gather(*(self._take(rt, intake, delivery) for delivery in batch))

    async def _take(self, rt: SimulatedRuntime, intake: Intake, delivery: Delivery) -> None:
        try:
            await intake.take(rt.channel(delivery.kind), SimulatedCallback(delivery, rt.now()))
        except _BORNE:
            return  # answered 503; the provider tries again
        delivery.answered = True


@dataclass(frozen=True, slots=True)
class Order:
    """What the operator is to do, and when."""

    at: int
    what: str


class Operator:
    """A person at the command line: launches, now or for later, starts, pauses, resumes, cancels, decides about holds.

    Where a command fails, or its process is killed, the person gives it again.
    """

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self.orders: list[Order] = []
        self._process: Process | None = None
        self._starts_in = 0
        self._plan_the_day(sim.world)

    def _plan_the_day(self, world: World) -> None:
        if self._sim.seed % 8 == 5:  # by the seed, not by lot: the other runs are what they were
            self._plan_a_schedule(world)
        else:
            self.order(0, "launch")
        if world.chance(0.1):
            self.order(world.between(0, 5), "launch")  # Enter was pressed twice
        if world.chance(0.1):
            self.order(world.between(0, 400), "launch again")
        pause_at = world.between(0, world.rng.choice((2, 30, 400, 9000)))
        if world.chance(0.4):
            self.order(pause_at, "pause")
            if world.chance(0.7):
                self.order(pause_at + world.between(1, 900), "resume")
        if world.chance(0.15):
            self.order(world.between(0, world.rng.choice((5, 60, 9000))), "cancel")
        for _ in range(world.rng.choice((0, 0, 1, 3))):
            self.order(world.between(0, 9000), "decide")

    def _plan_a_schedule(self, world: World) -> None:
        """It starts by itself, or somebody starts it early, or at that very moment."""
        self._starts_in = world.rng.choice((5, 600, 7000))
        self.order(0, "launch later")
        if world.chance(0.5):
            self.order(world.between(0, self._starts_in), "start")
        if world.chance(0.5):
            self.order(world.between(self._starts_in, self._starts_in + 1), "start")

    def order(self, at: int, what: str) -> None:
        """Have this done at that time."""
        self.orders.append(Order(at, what))
        self.orders.sort(key=lambda order: order.at)
        if self._process is not None:
            self._process.wake_at = min(self._process.wake_at, max(at, self._sim.world.now))

    def clean_up(self) -> None:
        """Trouble is over: whatever is paused goes on, or all is cancelled and must end all the same."""
        last = max([self._sim.world.now, *(order.at for order in self.orders)])
        self.order(last, "cancel" if self._sim.world.chance(0.3) else "resume")

    def serve(self, process: Process) -> None:
        self._process = process
        with _living(self._sim, process) as rt:
            while True:
                if not self.orders or self.orders[0].at > self._sim.world.now:
                    process.wait((self.orders[0].at if self.orders else NEVER) - self._sim.world.now)
                    continue
                order = self.orders[0]
                self._sim.world.tell(process.name, f"orders: {order.what}")
                if self._carry_out(rt, order.what):
                    self.orders.remove(order)

    def _carry_out(self, rt: SimulatedRuntime, what: str) -> bool:
        """False where it has to be said again."""
        try:
            if what.startswith("launch"):
                at = rt.now() + timedelta(seconds=self._starts_in) if what == "launch later" else None
                self._launch(rt, again=what == "launch again", at=at)
            else:
                for run in rt.store.find_runs(TENANT):
                    self._command(rt, what, run.run_id)
        except _BORNE:
            rt.clock.sleep(1)
            return False
        return True

    def _command(self, rt: SimulatedRuntime, what: str, run_id: str) -> None:
        """A command about one run; the person gives it for each."""
        try:
            match what:
                case "pause":
                    self._stop(rt, launching.pause, run_id)
                case "cancel":
                    self._stop(rt, launching.cancel, run_id)
                case "start":
                    launching.start(rt, TENANT, run_id)
                case "resume":
                    launching.resume(rt, TENANT, run_id)
                case "decide":
                    for facts in holds.held(rt, run_id):
                        holds.decide(rt, facts.attempt_id, self._say(facts.attempt_id))
        except (NotNow, CannotLaunch) as refused:
            self._sim.world.tell("operator", f"is refused: {refused}")

    def _launch(self, rt: SimulatedRuntime, *, again: bool = False, at: datetime | None = None) -> None:
        """A second one of the same is refused while the first goes on, or waits."""
        request = Launch(tenant_id=TENANT, campaign=CAMPAIGN_ID, contact_list=LIST_ID, again=again, at=at)
        with suppress(CannotLaunch):
            launching.launch(rt, request)

    def _stop(self, rt: SimulatedRuntime, how: Callable[..., bool], run_id: str) -> None:
        if how(rt, TENANT, run_id):
            self._sim.judge.quiet(run_id)

    def _say(self, attempt_id: str) -> PersonSays:
        """What the provider's ledger says, or what came to their mind."""
        world, sim = self._sim.world, self._sim
        if world.chance(sim.faults.whim):
            sim.judge.decided.add(attempt_id)
            return world.rng.choice((PersonSays.RESEND, PersonSays.DROP))
        taken = any(record.attempt_id == attempt_id for record in sim.provider.ledger)
        return PersonSays.SENT if taken else PersonSays.RESEND
