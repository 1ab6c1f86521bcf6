"""Who may do what: scopes like `campaigns:read`, and the actor who holds some.

1. Four scopes a type: read, write, delete, and admin for what makes things happen (launch, pause, resume, cancel,
   tokens). None of them implies another.
2. An actor belongs to one tenant and never sees a document of another.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.schema.errors import Forbidden


class Right(StrEnum):
    """What a scope permits."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Scope:
    """A right on one kind of thing, written `campaigns:read`."""

    plural: str
    right: Right

    def __str__(self) -> str:
        return f"{self.plural}:{self.right}"


def scope_of(word: str) -> Scope:
    """A scope as it is written. Raises ValueError."""
    plural, _, right = word.partition(":")
    return Scope(plural, Right(right))


EVERYTHING: Final = "*"
"""The scopes of whoever sits at the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks. `user_id` goes into createdBy, modifiedBy and the history."""

    tenant_id: str
    user_id: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        return EVERYTHING in self.scopes or str(scope) in self.scopes

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless the actor holds the scope."""
        if not self.may(scope):
            raise Forbidden(f"this needs the scope {scope}; ask for a token that has it")


def operator(tenant_id: str, name: str) -> Actor:
    """Whoever sits at the machine and may read the database anyway."""
    return Actor(tenant_id=tenant_id, user_id=f"cli:{name}", scopes=frozenset({EVERYTHING}))


def read_scopes(words: Iterable[str], known: Iterable[Scope]) -> frozenset[str]:
    """Check scopes as people write them. Raises ValueError naming the wrong one."""
    by_name = {str(scope) for scope in known}
    wanted = frozenset(words)
    for word in sorted(wanted - by_name):
        raise ValueError(f"there is no scope {word!r}; one of {', '.join(sorted(by_name))}")
    return wanted
