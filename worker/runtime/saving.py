"""Puts definitions into the store: all of a call's files, or none."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from worker.runtime.bootstrap import Runtime
from worker.runtime.definitions import Definitions, load_definitions
from worker.runtime.errors import CannotLaunch
from worker.store.document_rows import Document


def save_definitions(rt: Runtime, paths: Iterable[Path]) -> Definitions:
    """Check the files and save what they define. Raises BadDefinitions, NameTaken."""
    definitions = load_definitions(paths, default_region=rt.settings.default_region)
    save(rt, definitions)
    return definitions


def save(rt: Runtime, definitions: Definitions) -> None:
    """Save definitions that have been checked, all or none. Raises NameTaken."""
    rt.schema.save(rt.actor, [(d.type, d.id, d.data) for d in definitions.documents])


def read_campaign(rt: Runtime, path: Path) -> tuple[str, tuple[Document, ...]]:
    """The one campaign of a file or folder: its id, and all the documents defined there. Nothing is saved.

    Raises BadDefinitions, and CannotLaunch where there is none or more than one.
    """
    definitions = load_definitions([path], default_region=rt.settings.default_region)
    campaigns = list(definitions.campaigns)
    if len(campaigns) != 1:
        raise CannotLaunch([f"{path} defines {len(campaigns)} campaigns; name a file or folder that defines one"])
    return campaigns[0], tuple(rt.schema.drafts(rt.actor, [(d.type, d.id, d.data) for d in definitions.documents]))


def counts(definitions: Definitions) -> dict[str, int]:
    """How many documents of each type."""
    return dict(Counter(document.type for document in definitions.documents))
