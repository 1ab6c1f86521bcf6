"""What would be there after an import: the exported documents that go in, and the saved ones they do not replace.

A document that is left out is not replaced by an older one that is saved: what was exported together, runs together.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from worker.domain.campaign import Campaign
from worker.domain.disposition import Disposition
from worker.domain.dispositions import SYSTEM
from worker.domain.workflow import Workflow, parse_workflow
from worker.runtime.ncx_cases import Case
from worker.schema.types import TYPES, Reference
from worker.store.document_rows import Document
from worker.store.documents import name_key


class Saved:
    """The tenant's saved documents; each type is read when it is first asked for."""

    def __init__(self, documents_of: Callable[[str], Sequence[Document]]) -> None:
        self._documents_of = documents_of
        self._types: dict[str, dict[str, Document]] = {}

    def of(self, kind: str) -> dict[str, Document]:
        """The live ones of a type by id."""
        if kind not in self._types:
            self._types[kind] = {document.id: document for document in self._documents_of(kind)}
        return self._types[kind]

    @cached_property
    def workflows(self) -> dict[str, Workflow]:
        return {key: parse_workflow(document.data) for key, document in self.of(Workflow.TYPE).items()}

    @cached_property
    def dispositions(self) -> dict[str, Disposition]:
        return {key: Disposition.parse(document.data) for key, document in self.of(Disposition.TYPE).items()}


@dataclass(frozen=True)
class World:
    """The documents as they would be, if none but the cases with faults were left out."""

    cases: Sequence[Case]
    saved: Saved

    @cached_property
    def exported(self) -> Mapping[str, Mapping[str, Case]]:
        """All cases by type and id."""
        found: dict[str, dict[str, Case]] = defaultdict(dict)
        for case in self.cases:
            found[case.type][case.id] = case
        return found

    def good(self, kind: str, key: str) -> Case | None:
        """The case of this type and id, if it goes in."""
        case = self.exported.get(kind, {}).get(key)
        return case if case and not case.faults else None

    def has(self, reference: Reference, key: str) -> bool:
        """Whether what is named so is there."""
        if reference.by_name:
            return key in self.disposition_names
        if key in self.exported.get(reference.type, {}):
            return self.good(reference.type, key) is not None
        return key in self.saved.of(reference.type)

    @cached_property
    def campaign_of(self) -> Mapping[str, Mapping[str, Any]]:
        """An exported campaign of each workflow, whether it goes in or not."""
        campaigns = (case.data for case in self.exported.get(Campaign.TYPE, {}).values() if case.model)
        return {str(data.get("workflowId")): data for data in campaigns}

    @cached_property
    def workflows(self) -> Mapping[str, Workflow]:
        cases = self.exported.get(Workflow.TYPE, {})
        kept = {key: workflow for key, workflow in self.saved.workflows.items() if key not in cases}
        return kept | {k: c.model for k, c in cases.items() if not c.faults and isinstance(c.model, Workflow)}

    @cached_property
    def dispositions(self) -> Sequence[Disposition]:
        cases = self.exported.get(Disposition.TYPE, {})
        kept = [disposition for key, disposition in self.saved.dispositions.items() if key not in cases]
        return kept + [c.model for c in cases.values() if not c.faults and isinstance(c.model, Disposition)]

    @cached_property
    def disposition_names(self) -> frozenset[str]:
        """Everything a disposition may be called, those of the system included."""
        return frozenset(SYSTEM) | {name for disposition in self.dispositions for name in disposition.names}

    @cached_property
    def names(self) -> Mapping[tuple[str, str], Sequence[Case]]:
        """The cases that go in by type and name."""
        found: dict[tuple[str, str], list[Case]] = defaultdict(list)
        for case in self.cases:
            if not case.faults:
                found[case.type, unique_name(case)].append(case)
        return found

    def namesake(self, case: Case) -> str:
        """The id of a saved document that would share the name of this one, or ""."""
        own = unique_name(case)
        saved = self.saved.of(case.type).values() if own else ()
        named = (d.id for d in saved if name_key(d.name) == own and d.id != case.id)
        return next((key for key in named if not self.good(case.type, key)), "")


def unique_name(case: Case) -> str:
    """The name of a document as it is compared, where no two of its type may share it; else ""."""
    kind = TYPES.get(case.type)
    if kind is None or case.model is None or kind.unique(case.model) != case.model.name:
        return ""
    return name_key(case.model.name)
