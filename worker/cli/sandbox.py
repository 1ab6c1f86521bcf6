"""`campaigns sandbox`: only the provider, without the rest of the system."""

from pathlib import Path
from typing import Annotated

import typer

from channels.sandbox.__main__ import main
from worker.cli.errors import Exit, Stop
from worker.runtime.machine import require_port, require_writable


def sandbox(
    *,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8090,
    data_dir: Annotated[Path, typer.Option(help="Where the ledger and the keys are kept.")] = Path(
        ".campaigns/sandbox"
    ),
    callback: Annotated[str, typer.Option(help="Where our HTTP process is.")] = "http://127.0.0.1:8080",
) -> None:
    """Run only a provider that speaks Twilio's and SendGrid's APIs and reaches nobody; `up --sandbox` has one.

    `python -m channels.sandbox --help` lists what it can be told, like which faults to make.
    """
    require_port(port)
    require_writable(data_dir, "--data-dir")
    code = main(["--port", str(port), "--data-dir", str(data_dir), "--callback", callback])
    if code:
        raise Stop("the sandbox could not run; see above", Exit(code))
