"""Puts definitions into the store: all of a call's files, or none."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from worker.runtime.bootstrap import Runtime
from worker.runtime.definitions import Definitions, load_definitions
from worker.runtime.errors import CannotLaunch
from worker.store.rows import Document


def save_definitions(rt: Runtime, paths: Iterable[Path]) -> Definitions:
    """Check the files and save what they define. Raises BadDefinitions, NameTaken."""
    definitions = load_definitions(paths, default_region=rt.settings.default_region)
    documents = [Document(type=d.type, id=d.id, name=d.name, data=d.data) for d in definitions.documents]
    rt.store.put_documents(rt.settings.tenant_id, documents, rt.now())
    return definitions


def save_campaign_from(rt: Runtime, path: Path) -> str:
    """Save the definitions of a file or folder that holds one campaign; returns its id."""
    campaigns = list(load_definitions([path], default_region=rt.settings.default_region).campaigns)
    if len(campaigns) != 1:
        raise CannotLaunch([f"{path} defines {len(campaigns)} campaigns; name a file or folder that defines one"])
    save_definitions(rt, [path])
    return campaigns[0]


def counts(definitions: Definitions) -> dict[str, int]:
    """How many documents of each type."""
    return dict(Counter(document.type for document in definitions.documents))
