"""The whole system on this machine, as a context manager: what `demo` and `up` start and stop."""

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from types import FrameType
from typing import NoReturn, Self

from channels.sandbox.settings import ACCOUNT_SID, API_KEY, AUTH_TOKEN
from worker.cli.context import open_store
from worker.runtime.embedded import is_ours, require_redis, start_redis
from worker.runtime.machine import free_port
from worker.runtime.stack import WORKERS, program
from worker.runtime.supervisor import Program, Supervisor, wait_until

PORTS = {"web": 0, "sandbox": 0, "flower": int(os.environ.get("FLOWER_PORT", "5555"))}
"""Any free port for those that only programs talk to, so that two systems never meet; people look for Flower.
`FLOWER_PORT` is Flower's own variable."""


class LocalSystem:
    """Redis (unless another one is set), the sandbox if asked for, HTTP, workers, beat, Flower.

    `env` is given to all of them, and to this process. `sandbox_options` None: no sandbox, the providers of the
    settings are used. A port that is taken is replaced by a free one. Nobody else may use `data_dir`: `machine.own`.
    """

    def __init__(
        self,
        data_dir: Path,
        env: Mapping[str, str],
        *,
        sandbox_options: tuple[str, ...] | None = None,
        ports: Mapping[str, int] = PORTS,
    ) -> None:
        self._data_dir = data_dir
        self._supervisor = Supervisor(data_dir)
        self._sandbox_options = sandbox_options
        self.exports: dict[str, str] = dict(env)
        """What another process needs in its environment to belong to this system."""
        self._ports = {name: free_port(port) for name, port in ports.items()}

    @property
    def flower_url(self) -> str:
        """Where Flower is."""
        return f"http://127.0.0.1:{self._ports['flower']}"

    @property
    def web_url(self) -> str:
        """Where providers call back."""
        return f"http://127.0.0.1:{self._ports['web']}"

    def __enter__(self) -> Self:
        self._supervisor.__enter__()
        try:
            self._start()
        except BaseException:
            self._supervisor.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._supervisor.stop()

    def watch(self) -> None:
        """Start again what died."""
        self._supervisor.watch()

    def run_until_stopped(self) -> None:
        """Watch until a signal raises KeyboardInterrupt."""
        while True:
            self.watch()
            time.sleep(0.5)

    def _starts_redis(self) -> bool:
        """Whether the Redis is to be ours. Raises NoRedis if it is another one that does not answer."""
        url = os.environ.get("REDIS_URL", "")
        if not url or is_ours(url, self._data_dir):
            return True
        require_redis(url)
        self._export(REDIS_URL=url)
        return False

    def _prepare_database(self) -> None:
        """Migrate the database that is set, else one of ours. Raises what says that it cannot be used."""
        url = os.environ.get("DATABASE_URL") or f"sqlite:///{self._data_dir / 'campaigns.db'}"
        self._export(DATABASE_URL=absolute(url))
        with open_store(url) as store:
            store.migrate()

    def _start(self) -> None:
        self._export(**self.exports)
        starts_redis = self._starts_redis()
        self._prepare_database()
        if starts_redis:
            self._export(REDIS_URL=start_redis(self._supervisor, self._data_dir))
        if self._sandbox_options is not None:
            self._start_sandbox(self._sandbox_options)
        self._supervisor.start(program("web", f"--port {self._ports['web']}"))
        for name in (*WORKERS, "beat"):
            self._supervisor.start(program(name))
        self._supervisor.start(program("flower", f"--port={self._ports['flower']}"))
        self._wait_for("web", "/health")

    def _export(self, **values: str) -> None:
        self.exports |= values
        os.environ |= values

    def _start_sandbox(self, options: tuple[str, ...]) -> None:
        port = self._ports["sandbox"]
        words = ("--port", str(port), "--data-dir", str(self._data_dir), "--callback", self.web_url, *options)
        self._supervisor.start(Program(name="sandbox", command=(sys.executable, "-m", "channels.sandbox", *words)))
        url = f"http://127.0.0.1:{port}"
        self._wait_for("sandbox", "/sandbox/health")
        key = (self._data_dir / "sendgrid_public_key.txt").read_text().strip()
        self._export(
            PUBLIC_URL=self.web_url,
            TWILIO_BASE_URL=url,
            TWILIO_ACCOUNT_SID=ACCOUNT_SID,
            TWILIO_AUTH_TOKEN=AUTH_TOKEN,
            SENDGRID_BASE_URL=url,
            SENDGRID_API_KEY=API_KEY,
            SENDGRID_WEBHOOK_PUBLIC_KEY=key,
        )

    def _wait_for(self, name: str, path: str) -> None:
        def answers() -> bool:
            self._supervisor.running[name].require_alive()
            connection = HTTPConnection("127.0.0.1", self._ports[name], timeout=1)
            try:
                connection.request("GET", path)
                return connection.getresponse().status == HTTPStatus.OK
            except OSError:
                return False
            finally:
                connection.close()

        wait_until(answers, seconds=20, what=f"{name} to answer")


def absolute(database_url: str) -> str:
    """The same database as it is called in every folder: a file by its whole path."""
    scheme = "sqlite:///"
    file, mark, options = database_url.removeprefix(scheme).partition("?")
    if not database_url.startswith(scheme) or not file or file.startswith((":", "file:")):
        return database_url
    return f"{scheme}{Path(file).resolve()}{mark}{options}"


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM and a closed terminal end us as Ctrl-C does: through the context managers that stop everything."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("\ncampaigns: stopped; everything it started has ended\n")
        raise
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
