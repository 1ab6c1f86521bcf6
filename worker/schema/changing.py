"""Changing what was read: the merge of some keys, and what is done when somebody else was faster.

Documents and contacts are changed in the same way; only where they are kept differs.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from worker.domain.faults import Fault
from worker.schema.errors import Invalid, Stale
from worker.store.document_rows import Stamp
from worker.store.errors import Outdated

T = TypeVar("T")

_TRIES: Final = 5
"""So often a write is checked anew when what it rests on has changed."""


def trying(write: Callable[[], T]) -> T:
    """Read, check and write; again from the start where the store says that something has changed meanwhile."""
    for _ in range(_TRIES - 1):
        try:
            return write()
        except Outdated:
            continue
    return write()


def require_fresh(type_name: str, stamp: Stamp, modified_at: int | None) -> None:
    """Raise Stale unless it is as the caller saw it. None: they do not mind."""
    if modified_at is not None and stamp.modified_at != modified_at:
        raise Stale(f"the {type_name} was changed at {stamp.modified_at}, not last at {modified_at}; read it again")


def require_same_ids(type_name: str, ids: Mapping[str, str], changes: Mapping[str, Any]) -> None:
    """Raise Invalid where a change names another id."""
    for key, value in ids.items():
        if changes.get(key) not in (None, "", value):
            raise Invalid(f"a {type_name} keeps its id", [Fault((key,), f"is {value} and stays so", "leave it out")])


def merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A document with some keys changed; null and an empty text unset one."""
    unset = {key for key, value in changes.items() if value is None or value == ""}
    return {key: value for key, value in {**before, **changes}.items() if key not in unset}
