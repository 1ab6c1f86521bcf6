"""One run, from one seed: an installation, a provider, people, operators and trouble. Then all is healed, and the books
must agree.

1. Workers, the web process and the operator are processes of the world; each may be killed, and comes back.
2. A run is a function of its seed and of what `simulate` is given: nothing else is asked.
3. Trouble ends after a while. What was begun must then come to its end by itself.
4. Where nobody has anything to do, time jumps. A tick that would find nothing is left out: it changes nothing.
"""

from dataclasses import dataclass, replace
from typing import Final

from celery.exceptions import SoftTimeLimitExceeded

from tests.simulation import faults as trouble
from tests.simulation.broker import Broker
from tests.simulation.database import TENANT, database_of, phone
from tests.simulation.faults import Faults
from tests.simulation.judge import Judge
from tests.simulation.plans import PLANS
from tests.simulation.processes import Operator, Web, work
from tests.simulation.provider import Provider
from tests.simulation.schedule import held, next_due, run_ids, unfinished
from tests.simulation.seams import SimulatedRuntime, WatchedStore
from tests.simulation.world import NEVER, SECOND, Process, World
from worker.runtime.bootstrap import Runtime
from worker.runtime.hints import Hint, Work
from worker.runtime.reports import make_report
from worker.runtime.settings import Settings
from worker.runtime.tick import PERIOD_SECONDS
from worker.store.facade import Store
from worker.tasks.app import app

NOWHERE: Final = "http://127.0.0.1:9"
_SOFT_LIMIT: Final = app.conf.task_soft_time_limit * SECOND
_HARD_LIMIT: Final = app.conf.task_time_limit * SECOND
_MOST_POINTS: Final = 20_000
"""A run takes some hundreds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run went. `violation` is empty where nothing was wrong. The others are counts of what happened in it."""

    seed: int
    violation: str
    error: BaseException | None
    trace: list[tuple[int, str, str]]
    points: int
    accepted: int
    kills: int


def simulate(
    seed: int,
    *,
    store_class: type[Store] = Store,
    faults: Faults | None = None,
    ticks: bool = True,
    by_ledger_only: bool = False,
) -> Outcome:
    """Play one run.

    `faults`: instead of those the seed would draw. `ticks`: whether workers look what is due. `by_ledger_only`: the
    judge does not look at the rows of the database, only at what the provider took.
    """
    return Simulation(seed, store_class, faults, ticks=ticks, by_ledger_only=by_ledger_only).play()


class Simulation:
    """A run being played; its parts know each other through it."""

    def __init__(
        self, seed: int, store_class: type[Store], faults: Faults | None, *, ticks: bool, by_ledger_only: bool
    ) -> None:
        self.seed = seed
        self.world = world = World(seed, idle=self._idle, mishap=self._mishap)
        self.plan, self.people = world.rng.choice(list(PLANS)), world.rng.choice((1, 1, 2, 2, 3))
        self.faults = faults or Faults.drawn(world.rng)
        self.settings = _settings(world)
        database = database_of(store_class)
        self.store = database.store
        self.db = database.open(self.plan, self.people, lambda: world.now)
        self.judge = Judge(world, self.settings, self.db, by_ledger_only=by_ledger_only)
        self.provider = Provider(world, self.present_faults, self.judge.taken)
        self.broker = Broker(world, self.present_faults)
        self.web = Web(self)
        self.operator = Operator(self)
        self.kills = 0
        self._healed = False
        self._heal_after = world.rng.randrange(40, 240)
        self._away_until = 0
        self._ticks_from = 0 if ticks else NEVER
        self._tick_phase = 0
        self._fruitless = 0
        self._work_seen = 0
        self._last_ticker = ""

    def play(self) -> Outcome:
        """From the launch to the end."""
        world = self.world
        world.tell("world", f"plan {self.plan}, {self.people} people, {self.faults}")
        for number in range(world.rng.choice((1, 2, 2, 3))):
            world.start(f"worker{number}", lambda process: work(self, process))
        world.start("web", self.web.serve)
        world.start("operator", self.operator.serve)
        for number in range(self.people):
            if world.chance(self.faults.stop_any_time):
                self._let_say_stop(phone(number), world.between(0, world.rng.choice((2, 60, 9000))))
        world.run()
        if not world.violation:
            rt = Runtime(self.settings, self.store, _no_hint)
            self.judge.final(
                [make_report(rt, run_id) for run_id in run_ids(self.db)], self.provider.ledger, self.provider.told
            )
        return Outcome(
            seed=self.seed,
            violation=world.violation,
            error=world.error,
            trace=world.trace,
            points=world.points,
            accepted=len(self.provider.ledger),
            kills=self.kills,
        )

    def runtime(self, process: Process) -> SimulatedRuntime:
        """What a process of the product has to work with."""
        store = WatchedStore(process, self.store, self.judge, self.present_faults)
        return SimulatedRuntime(process, self.settings, store, self.provider, self._hint)

    def present_faults(self) -> Faults:
        """What may go wrong just now."""
        return replace(self.faults, call_fails=1.0) if self.world.now < self._away_until else self.faults

    def _hint(self, process: Process, hint: Hint) -> None:
        rng = self.world.rng
        if hint.work in (Work.EMAIL, Work.VOICE) and self.world.chance(self.faults.stop_at_worst):
            soon = self.world.between(0, rng.choice((0.01, 1, 20)))
            self._let_say_stop(phone(rng.randrange(self.people)), self.world.now + soon)
        self.broker.publish(process, hint)

    def _let_say_stop(self, address: str, at: int) -> None:
        self.world.at(at, lambda: self.provider.person_writes(address, "STOP"))

    # Trouble

    def _mishap(self, process: Process, where: str) -> None:
        """What may strike this process at this point."""
        world, faults = self.world, self.faults
        if world.points > self._heal_after and not self._healed:
            self._heal()
        elif world.points > _MOST_POINTS:
            world.fail("it comes to no end")
        elif world.chance(faults.kill):
            self._kill(process)
        elif world.chance(faults.freeze):
            world.freeze(process, world.between(*world.rng.choice(((1, 10), (40, 50), (80, 140)))))
        elif faults.freeze_at in ("", where) and world.chance(faults.freeze_long):
            world.freeze(process, world.between(200, 700))
        elif world.chance(faults.outage):
            world.tell("database", "is away")
            self._away_until = world.now + world.between(1, 40)
        elif process.task_began is not None and world.chance(faults.time_limit):
            self._limit(process, world.now - process.task_began)

    def _kill(self, process: Process) -> None:
        world = self.world
        self.kills += 1
        world.kill(process)
        world.at(world.now + world.between(0.5, 60), lambda: world.start(process.name, process.body))

    def _limit(self, process: Process, task_took: int) -> None:
        """What Celery does to a task that goes on for too long."""
        if task_took > _HARD_LIMIT:
            self._kill(process)
        elif task_took > _SOFT_LIMIT and not process.was_told:
            process.was_told = True
            raise SoftTimeLimitExceeded

    def _heal(self) -> None:
        self.world.tell("world", "trouble is over")
        self._healed = True
        self.faults = trouble.NONE
        self.provider.plain = True
        self._away_until = 0
        self._ticks_from = min(self._ticks_from, self.world.now) if self._ticks_from < NEVER else NEVER
        for process in self.world.processes:
            process.frozen_until = 0
        self.operator.clean_up()

    # When nobody has anything to do

    def _idle(self) -> None:
        world = self.world
        if self._is_over():
            world.end()
            return
        others = min([world.next_event_at, *(process.runs_again_at for process in world.processes)])
        free = [p for p in world.processes if p.idle and not p.dead and p.frozen_until <= world.now]
        tick_at = max(self._ticks_from, max(next_due(self.db), world.now) + self._tick_phase) if free else NEVER
        if tick_at < others:
            self._let_tick(world.rng.choice([p for p in free if p.name == self._last_ticker] or free), tick_at)
        elif others < NEVER:
            world.jump(others)
        elif not self._healed:
            self._heal()
        else:
            world.fail("everything hangs: nobody will ever have anything to do, and the run is not over")

    def _let_tick(self, ticker: Process, at: int) -> None:
        world = self.world
        world.jump(at)
        self._last_ticker = ticker.name
        self.broker.ticker = ticker
        ticker.wake_at = world.now
        self._fruitless = 0 if self.judge.work > self._work_seen else min(self._fruitless + 1, 12)
        self._work_seen = self.judge.work
        missing = world.between(200, 900) if world.chance(self.faults.ticks_missing) else 0
        self._tick_phase = 0 if world.chance(0.2) else world.between(0.05, PERIOD_SECONDS)
        self._ticks_from = world.now + int(PERIOD_SECONDS * SECOND * 1.3**self._fruitless) + missing

    def _is_over(self) -> bool:
        """Every run has ended, every callback was told, every order carried out."""
        world = self.world
        if world.next_event_at != NEVER or self.operator.orders:
            return False
        if unfinished(self.db):
            if self._healed and held(self.db):
                self.operator.order(world.now, "decide")
            return False
        return all(process.wake_at == NEVER for process in world.processes)


def _settings(world: World) -> Settings:
    """The defaults, but for how much is done at once: little, and slowly, so that more happens in between."""
    rng = world.rng
    return Settings(
        _env_file=None,
        tenant_id=TENANT,
        twilio_account_sid="AC1",
        twilio_auth_token="token",
        twilio_base_url=NOWHERE,
        sendgrid_api_key="key",
        sendgrid_base_url=NOWHERE,
        slice_size=rng.choice((1, 2, 100)),
        email_slice_size=rng.choice((1, 1000)),
        step_size=rng.choice((1, 2, 500)),
        lanes=rng.choice((1, 2)),
        email_per_second=rng.choice((0.02, 10_000, 10_000)),
        calls_per_second=rng.choice((0.05, 1, 1)),
    )


def _no_hint(hint: Hint) -> None:
    """The run is over."""
