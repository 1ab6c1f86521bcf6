"""`campaigns up`: the whole system on one machine, until Ctrl-C."""

from rich.console import Console

from worker.cli.local import LocalSystem, stoppable
from worker.runtime.settings import load_settings
from worker.runtime.stack import require_port, require_writable


def run_up(*, sandbox: bool, web_port: int, flower_port: int) -> None:
    """Start everything and watch it. Ports that are taken are an error: others were told these."""
    settings = load_settings()
    require_writable(settings.data_dir)
    ports = {"web": web_port, "flower": flower_port, "sandbox": 8090}
    for name, port in ports.items():
        if name != "sandbox" or sandbox:
            require_port(port)
    console = Console()
    with (
        stoppable(),
        LocalSystem(settings.data_dir, {}, sandbox_options=() if sandbox else None, ports=ports) as system,
    ):
        console.print(f"callbacks {system.web_url}   Flower {system.flower_url}   logs {settings.data_dir / 'logs'}")
        console.print("To use this system from another terminal, set:")
        for name, value in system.exports.items():
            console.print(f"  export {name}={value}", soft_wrap=True)
        console.print("Ctrl-C stops everything.")
        system.run_until_stopped()
