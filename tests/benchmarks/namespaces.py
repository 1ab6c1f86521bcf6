"""Network namespaces on one machine: each has an address of its own and reaches the others over a bridge only."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

BRIDGE = "campaigns0"
HOST = "10.213.77.1"
SUBNET = "10.213.77.0/24"


def why_not() -> str:
    """Why there can be none here; empty where there can."""
    if shutil.which("ip") is None:
        return "there is no `ip` (iproute2) on this machine"
    return "" if os.geteuid() == 0 else "only root may make network namespaces"


def inside(number: int) -> tuple[str, ...]:
    """The words before a command that runs it in a namespace; they count from 0."""
    return ("ip", "netns", "exec", _name(number))


@contextmanager
def namespaces(count: int) -> Iterator[None]:
    """So many of them, for as long as it lasts. The machine itself is HOST."""
    with ExitStack() as stack:
        _ip("link", "add", BRIDGE, "type", "bridge")
        stack.callback(_ip, "link", "del", BRIDGE)
        _ip("addr", "add", f"{HOST}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        for number in range(count):
            _add(stack, number)
        yield


def _name(number: int) -> str:
    return f"campaigns-{number}"


def _add(stack: ExitStack, number: int) -> None:
    name, own = _name(number), f"camp{number}n"
    _ip("netns", "add", name)
    stack.callback(_ip, "netns", "del", name)
    _ip("link", "add", f"camp{number}h", "type", "veth", "peer", "name", own)
    _ip("link", "set", f"camp{number}h", "master", BRIDGE, "up")
    _ip("link", "set", own, "netns", name)
    _ip("-n", name, "addr", "add", f"{HOST.rpartition('.')[0]}.{number + 2}/24", "dev", own)
    for device in ("lo", own):
        _ip("-n", name, "link", "set", device, "up")


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True)
