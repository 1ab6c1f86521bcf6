"""Commands that run the system: demo, up, sandbox, web, migrate."""

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.definitions import AsJson
from worker.cli.errors import Exit, Stop

Port = Annotated[int, typer.Option(min=1, max=65535)]


def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running until Ctrl-C, to look around.")
    ] = False,
    speed: Annotated[
        float, typer.Option(min=1, help="Seconds of waiting that pass in one; the campaign's days take half a minute.")
    ] = 14_400,
    definitions: Annotated[Path, typer.Option(help="Folder with the campaign and contacts.csv.")] = Path(
        "examples/renewal"
    ),
) -> None:
    """Run a whole campaign on this machine against a sandbox provider, in under a minute. Nobody real is contacted."""
    from worker.cli.demo import run_demo

    run_demo(definitions, speed=speed, keep=keep)


def up(
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Send to a sandbox provider instead of the vendors.")
    ] = False,
    web_port: Port = 8080,
    flower_port: Port = 5555,
) -> None:
    """Run the whole system on this machine: workers, beat, callbacks, Flower, and a Redis where none is set."""
    from worker.cli.up import run_up

    run_up(sandbox=sandbox, web_port=web_port, flower_port=flower_port)


def sandbox(
    *,
    port: Port = 8090,
    data_dir: Annotated[Path, typer.Option(help="Where the ledger and the keys are kept.")] = Path(
        ".campaigns/sandbox"
    ),
    callback: Annotated[str, typer.Option(help="Where our HTTP process is.")] = "http://127.0.0.1:8080",
) -> None:
    """Run only a provider that speaks Twilio's and SendGrid's APIs and reaches nobody; `up --sandbox` has one.

    `python -m channels.sandbox --help` lists what it can be told, like which faults to make.
    """
    from channels.sandbox.__main__ import main
    from worker.runtime.stack import require_port, require_writable

    require_port(port)
    require_writable(data_dir, "--data-dir")
    code = main(["--port", str(port), "--data-dir", str(data_dir), "--callback", callback])
    if code:
        raise Stop("the sandbox could not run; see above", Exit(code))


def web(
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, envvar="WEB_PORT")] = 8080,
) -> None:
    """Run the HTTP process that providers call back."""
    import uvicorn

    from worker.api.app import make_app
    from worker.runtime.logs import configure_logging
    from worker.runtime.settings import load_settings
    from worker.runtime.stack import require_port
    from worker.tasks.process import process_runtime

    configure_logging(load_settings())
    require_port(port, host)
    uvicorn.run(make_app(process_runtime), host=host, port=port, log_config=None, access_log=False)


def migrate(*, as_json: AsJson = False) -> None:
    """Bring the database's schema to this version. Safe to repeat, and safe when two do it at once."""
    from worker.cli.context import open_store
    from worker.cli.output import show
    from worker.runtime.settings import load_settings
    from worker.schema.service import SchemaService

    with open_store(load_settings()) as store:
        store.migrate()
        SchemaService(store, store.now).reindex()
    show({"migrated": True}, as_json=as_json, text="the database is up to date")
