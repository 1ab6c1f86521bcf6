"""What a row of the table of routes says."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from worker.schema.scopes import Scope
from worker.schema.types import SchemaType

DOCUMENTS: Final = "/data/api/types"
"""Where the documents are."""


class NoToken(StrEnum):
    """Why a route asks for no token."""

    SIGNED = "the provider that calls it signs what it sends"
    OPEN = "it tells nothing about anybody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One way in.

    `access`: the scope a token needs, or why none is asked for. `handler` is given `kind`, the type of document, where
    there is one. `status`: what is answered when all goes well; `refuses`: when it does not. `shown`: in the OpenAPI
    document.
    """

    method: str
    path: str
    access: Scope | NoToken
    handler: Callable[..., Any]
    summary: str
    status: int = 200
    refuses: tuple[int, ...] = ()
    kind: SchemaType | None = None
    shown: bool = True

    @property
    def name(self) -> str:
        """Unique, like `create_campaign`."""
        action = self.handler.__name__
        return f"{action}_{self.kind.name}" if self.kind else action
