"""`campaigns up`: the whole system on one machine, until Ctrl-C.

1. A system with a sandbox has a folder of its own and takes no database from .env: it never meets the real runs.
2. What other terminals need to talk to it stands in a file, for as long as it runs: every setting that is set but the
   secrets, and those of the sandbox.
"""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from worker.cli.local import LocalSystem, stoppable
from worker.cli.output import console, offer, say
from worker.runtime.machine import own, require_port
from worker.runtime.settings import Settings, load_settings

SANDBOX_PORT = 8090
SANDBOX_SPEED = "20"
"""How much faster than real ones its messages and calls live: rehearsals are short."""
SANDBOX_CALLS_PER_SECOND = "100"
"""Unless another rate is set. At one call a second, Twilio's default, a rehearsal would be about nothing else."""
_NEEDS_A_SECRET = {"alert_webhook_url"}
"""Settings that are wrong without a secret, which other terminals are not told; only workers use them."""

Port = Annotated[int, typer.Option(min=1, max=65535)]


def up(
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Send to a sandbox provider instead of the vendors.")
    ] = False,
    web_port: Port = 8080,
    flower_port: Port = 5555,
) -> None:
    """Run the whole system on this machine: workers, beat, callbacks, Flower, and a Redis where none is set."""
    # Ports that are taken are an error: others were told these.
    settings = load_settings()
    data_dir = settings.data_dir / "sandbox" if sandbox else settings.data_dir
    ports = {"web": web_port, "flower": flower_port} | ({"sandbox": SANDBOX_PORT} if sandbox else {})
    options = ("--speed", SANDBOX_SPEED) if sandbox else None
    env = _shared(settings, sandbox=sandbox)
    out = console()
    with stoppable(), own(data_dir):
        for port in ports.values():
            require_port(port)
        out.print("[bold]Starting[/] everything ...")
        with (
            LocalSystem(data_dir, env, sandbox_options=options, ports=ports) as system,
            _env_file(data_dir / "env.sh", system.exports) as env_file,
        ):
            say(out, f"Callbacks {system.web_url}, Flower {system.flower_url}, logs {data_dir / 'logs'}")
            say(out, "To talk to this system from another terminal:")
            offer(out, f"source {shlex.quote(str(env_file.resolve()))}")
            say(out, "Ctrl-C stops everything.")
            system.run_until_stopped()


def _shared(settings: Settings, *, sandbox: bool) -> dict[str, str]:
    """What is set, in the environment or in .env, by name; no secrets. What is missing of services we start."""
    chosen = {name: getattr(settings, name) for name in sorted(settings.model_fields_set - _NEEDS_A_SECRET)}
    env = {name.upper(): str(value) for name, value in chosen.items() if not isinstance(value, SecretStr | None)}
    env["DATA_DIR"] = str(settings.data_dir.resolve())
    if not sandbox:
        return env
    from_env_file = {name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)}
    kept = {name: value for name, value in env.items() if name not in from_env_file}
    return {"CALLS_PER_SECOND": SANDBOX_CALLS_PER_SECOND} | kept


@contextmanager
def _env_file(path: Path, exports: Mapping[str, str]) -> Iterator[Path]:
    """A file of exports for a shell, for our own eyes; it may hold a password."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exports.items()]
    path.unlink(missing_ok=True)
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.writelines(lines)
    try:
        yield path
    finally:
        path.unlink()
