"""What a command needs: scopes, like every request. Whoever sits at the machine has them all.

1. With CAMPAIGNS_TOKEN set, commands may do what that token may, in its tenant, in the name of its user.
2. Without it they act for the system's user: who can read the database needs no token to change it.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from worker.cli.errors import Exit, Stop

if TYPE_CHECKING:
    from worker.runtime.bootstrap import Runtime

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

_needed: ContextVar[Access] = ContextVar("needed", default=())


def needing(access: Access, command: Callable[P, T]) -> Callable[P, T]:
    """The command, which then asks for these scopes as soon as it opens the database."""

    @wraps(command)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        token = _needed.set(access)
        try:
            return command(*args, **kwargs)
        finally:
            _needed.reset(token)

    return asked


def act(rt: "Runtime") -> None:
    """Let the runtime act for whoever gives the command. Raises Unauthorized, Forbidden."""
    from worker.schema import tokens
    from worker.schema.scopes import scope_of

    if presented := rt.settings.campaigns_token.get_secret_value():
        rt.actor = tokens.verify(rt.store, rt.now(), presented)
        if rt.actor.tenant_id != rt.settings.tenant_id:
            raise Stop("CAMPAIGNS_TOKEN is of another tenant than TENANT_ID names; set both alike", Exit.BAD_INPUT)
    for word in _needed.get():
        rt.actor.require(scope_of(word))
