"""Carries out the plan: breaks things when they are due, heals what was to last, and writes down what it did.

1. Processes are started by one thread only, the one that opened the site: they die with the thread that forked them.
2. Whatever may block (a command, a database that is frozen) runs beside; what it could not do is said at the end.
"""

import heapq
import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, assert_never

import psutil
import psycopg
import redis
import requests

from tests.chaos.desk import Desk
from tests.chaos.happened import Happening
from tests.chaos.schedule import Fault, Kind
from tests.chaos.site import Site, send
from tests.chaos.strangers import Stranger, last_accepted_text

CALLBACKS: Final = {"callback_missing": 0.02, "callback_duplicate": 0.2, "callback_reordered": 0.2}
ANSWERS: Final = {
    "accept_then_timeout": 0.05,
    "accept_then_500": 0.03,
    "accept_then_reset": 0.02,
    "slow": 0.03,
    "early_callback": 0.05,
}
MIXES: Final[tuple[dict[str, Any], ...]] = (
    {**CALLBACKS, **ANSWERS, "refuse_429": 0.05},
    # A 503 may have been taken, so it is looked up; SendGrid cannot be asked, and mails would all wait for a person.
    {**CALLBACKS, **ANSWERS, "refuse_429": 0.02, "refuse_503": 0.03, "channels": ["sms", "voice"]},
)
OUTAGES: Final[dict[str, dict[str, Any]]] = {
    "sms,voice": {**CALLBACKS, "refuse_503": 1.0, "channels": ["sms", "voice"]},
    "email": {**CALLBACKS, "refuse_429": 1.0, "channels": ["email"]},  # not 503: see above
}
_BEAT_SECONDS: Final = 0.1


class Nemesis:
    """One run's worth of trouble."""

    def __init__(self, site: Site, desk: Desk, seed: int) -> None:
        self._site = site
        self._desk = desk
        self._seed = seed
        self._chance = random.Random(seed)
        self._stranger = Stranger(site.web_url, site.folder / "stranger")
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._pool = ThreadPoolExecutor(8)
        self._strangers = ThreadPoolExecutor(1)
        self._under_way: list[Future[Any]] = []
        self._away: dict[str, tuple[Kind, float]] = {}
        self._mix = 0
        self.happened: list[Happening] = []
        self.forged: Counter[int] = Counter()
        self.unknown_ids: Counter[int] = Counter()
        self.healed = 0.0
        """When the last fault was over."""

    def run(self, faults: Iterable[Fault], ends: float) -> None:
        """Carry out the plan, `ends` seconds from now at the latest, and heal everything."""
        began = time.monotonic()
        self._site.returned = self._returned
        self._change_faults(MIXES[0])
        for fault in faults:
            self._at(began + fault.at, lambda fault=fault: self._strike(fault))
        while self._agenda or time.monotonic() < began + ends:
            self._site.tend()
            while self._agenda and self._agenda[0][0] <= time.monotonic():
                heapq.heappop(self._agenda)[2]()
            time.sleep(_BEAT_SECONDS)
        self._change_faults({})
        self.healed = time.time()
        self._wait()

    def _wait(self) -> None:
        """Until nothing is away and all that runs beside has come to its end. Raises what it raised."""
        while not (self._site.complete and all(future.done() for future in self._under_way)):
            self._site.tend()
            time.sleep(_BEAT_SECONDS)
        for future in self._under_way:
            future.result()
        self._pool.shutdown()
        self._strangers.shutdown()

    def _at(self, moment: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (moment, next(self._order), action))

    def _strike(self, fault: Fault) -> None:  # noqa: C901, PLR0912 - a table of what each kind is
        match fault.kind:
            case Kind.KILL_WORKER:
                self._kill(fault, [self._site.pid(fault.target)])
            case Kind.KILL_CHILD:
                children = self._site.children(fault.target)
                self._kill(fault, [self._chance.choice(children)] if children else [])
            case Kind.KILL_WEB:
                self._kill(fault, [self._site.pid("web")])
            case Kind.FREEZE_WORKER:
                self._freeze(fault, fault.target)
            case Kind.REDIS_FREEZE:
                self._freeze(fault, "redis")
            case Kind.POSTGRES_FREEZE:
                self._freeze(fault, "postgres")
            case Kind.RESTART_WORKER:
                self._take_away(fault, fault.target, signal.SIGTERM)
            case Kind.BEAT_AWAY:
                self._take_away(fault, "beat", signal.SIGKILL)
            case Kind.REDIS_CRASH | Kind.REDIS_AWAY:
                self._take_away(fault, "redis", signal.SIGKILL)
            case Kind.POSTGRES_RESTART:
                self._take_away(fault, "postgres", signal.SIGINT)
            case Kind.POSTGRES_CRASH:
                self._take_away(fault, "postgres", signal.SIGQUIT)
            case Kind.OUTAGE:
                self._change_faults(OUTAGES[fault.target])
                self._lasting(fault, lambda: self._change_faults(MIXES[self._mix]))
            case Kind.MIX:
                self._mix = (self._mix + 1) % len(MIXES)
                self._change_faults(MIXES[self._mix])
                self._note(fault)
            case Kind.REDIS_FLUSH:
                self._beside(fault, self._flush)
            case Kind.POSTGRES_CUT:
                self._beside(fault, self._cut_sessions)
            case Kind.FORGED:
                self._beside(fault, self._forge, self._strangers)
            case Kind.UNKNOWN_ID:
                self._beside(fault, self._invent, self._strangers)
            case Kind.OPT_OUT:
                self._beside(fault, self._desk.let_people_opt_out)
            case Kind.PAUSE:
                self._beside(fault, lambda: self._desk.pause(fault.seconds))
            case Kind.CANCEL:
                self._beside(fault, self._desk.cancel)
            case Kind.EDIT:
                self._beside(fault, self._desk.edit)
            case _:
                assert_never(fault.kind)

    def _beside(self, fault: Fault, action: Callable[[], object], pool: ThreadPoolExecutor | None = None) -> None:
        """Do what may take a while."""

        def timed() -> None:
            began = time.time()
            action()
            self._note(fault, began)

        self._under_way.append((pool or self._pool).submit(timed))

    def _note(self, fault: Fault, began: float | None = None) -> None:
        now = time.time()
        self.happened.append(Happening(kind=fault.kind, target=fault.target, began=began or now, ended=now))

    def _kill(self, fault: Fault, pids: Iterable[int | None]) -> None:
        for pid in pids:
            if pid is not None:
                send(pid, signal.SIGKILL)
                self._note(fault)

    def _freeze(self, fault: Fault, name: str) -> None:
        """Everything of a program; what it had started is woken, whatever has become of it."""
        pid = self._site.pid(name)
        if pid is None:
            return
        frozen: list[psutil.Process] = []
        for one in (pid, *self._site.children(name)):
            with suppress(psutil.NoSuchProcess):  # it has ended since it was listed
                frozen.append(psutil.Process(one))
        for process in frozen:
            send(process.pid, signal.SIGSTOP)

        def wake() -> None:
            for process in frozen:
                if process.is_running():  # psutil knows a process by its start, too: no stranger is woken
                    send(process.pid, signal.SIGCONT)

        self._lasting(fault, wake)

    def _lasting(self, fault: Fault, heal: Callable[[], None]) -> None:
        began = time.time()

        def end() -> None:
            heal()
            self._note(fault, began)

        self._at(time.monotonic() + fault.seconds, end)

    def _take_away(self, fault: Fault, name: str, number: int) -> None:
        if self._site.pid(name) is not None and name not in self._away:
            self._away[name] = (fault.kind, time.time())
            self._site.take_away(name, number, fault.seconds)

    def _returned(self, name: str) -> None:
        kind, began = self._away.pop(name)
        self.happened.append(Happening(kind=kind, target=name, began=began, ended=time.time()))

    def _change_faults(self, faults: dict[str, Any]) -> None:
        url = f"{self._site.provider_url}/sandbox/faults"
        requests.post(url, json={**faults, "seed": self._seed}, timeout=10).raise_for_status()

    def _flush(self) -> None:
        with redis.Redis(port=self._site.redis_port, socket_timeout=5) as client:
            client.flushall()

    def _cut_sessions(self) -> None:
        host = self._site.database_url.partition("host=")[2]
        with (
            suppress(psycopg.OperationalError),  # a server that still starts after its crash has no sessions to cut
            psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as admin,
        ):
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    def _forge(self) -> None:
        if (text := last_accepted_text(self._site.ledger)) is not None:
            self.forged.update(self._stranger.forge(text))

    def _invent(self) -> None:
        self.unknown_ids[self._stranger.invent()] += 1
