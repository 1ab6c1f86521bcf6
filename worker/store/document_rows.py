"""Documents as the store takes and gives them, with who wrote them and what was changed. Frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class DocumentType(StrEnum):
    """The kinds of documents a launch reads."""

    CAMPAIGN = "campaign"
    WORKFLOW = "workflow"
    DISPOSITION = "disposition"
    USER = "user"
    EMAIL_ACCOUNT = "emailaccount"
    CONTACT_LIST = "contactlist"
    CAMPAIGN_DISPOSITION = "campaigndisposition"
    SEGMENT = "segment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Who wrote a row and when, in milliseconds since 1970. `deleted_at` 0: it is live."""

    created_at: int = 0
    created_by: str = ""
    modified_at: int = 0
    modified_by: str = ""
    deleted_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document. `name` may be empty; `unique` is what no other live one of its type may have.

    `terms` are what a search finds it by, `terms_version` what made them; `stamp` is the store's own.
    """

    type: str
    id: str
    name: str
    data: Mapping[str, Any] = field(repr=False)
    unique: str = field(default="", repr=False)
    terms: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    terms_version: str = ""
    deleted: bool = False
    """A deleted one keeps its row but gives up its name and is no longer listed."""
    stamp: Stamp = field(default=Stamp(), compare=False)


class Action(StrEnum):
    """What was done to a document."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a document. `changes`: path, from and to of every value that differs."""

    at: int
    by: str
    action: Action
    changes: tuple[Mapping[str, Any], ...] = field(repr=False)


Seen = Mapping[tuple[str, str], int]
"""Documents by type and id with the `modified_at` at which they were read; 0: there was no live one."""
