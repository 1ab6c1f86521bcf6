"""`campaigns web`: the HTTP process."""

from typing import Annotated

import typer
import uvicorn

from worker.api.app import make_app
from worker.runtime.logs import configure_logging
from worker.runtime.machine import require_port
from worker.runtime.settings import load_settings
from worker.tasks.process import process_runtime


def web(
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, envvar="WEB_PORT")] = 8080,
) -> None:
    """Run the HTTP process that providers call back."""
    configure_logging(load_settings())
    require_port(port, host)
    uvicorn.run(make_app(process_runtime), host=host, port=port, log_config=None, access_log=False)
