"""What a command needs: scopes, like every request. Whoever sits at the machine has them all.

1. With CAMPAIGNS_TOKEN set, commands may do what that token may, in its tenant, in the name of its user.
2. Without it they act for the system's user: who can read the database needs no token to change it.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

Access = tuple[str, ...]
"""Scopes; all of them are needed."""

READ_CAMPAIGNS: Final = ("campaigns:read",)
RUN_CAMPAIGNS: Final = ("campaigns:admin",)
STOP_CAMPAIGNS: Final = ("campaigns:read",)
"""The campaign's supervisors may, too; `runtime.launch` asks who acts."""
READ_EVENTS: Final = ("events:read",)
WRITE_EVENTS: Final = ("events:write",)
PREVIEW_AUDIENCES: Final = ("campaigns:read", "contacts:read")
IMPORT_CONTACTS: Final = ("contacts:write", "contactlists:write")
GIVE_TOKENS: Final = ("users:admin",)
OF_THE_TYPE: Final = ()
"""The service asks for the scope of each document's type."""
MACHINE: Final = ()
"""It works on this machine and its processes, or on files only; no token gives or takes that."""

needed: ContextVar[Access] = ContextVar("needed", default=())
"""What the command that is being run needs; `context.open_runtime` asks for it."""


def needing(access: Access, command: Callable[P, T]) -> Callable[P, T]:
    """The command, which then asks for these scopes as soon as it opens the database."""

    @wraps(command)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        token = needed.set(access)
        try:
            return command(*args, **kwargs)
        finally:
            needed.reset(token)

    return asked
