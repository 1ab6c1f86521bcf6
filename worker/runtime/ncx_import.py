"""Takes over what was exported from NCX: all that can run here, in one transaction, and a report on every document.

1. A file that cannot be read stops the import: nothing is saved.
2. What cannot run is left out, with what depends on it, and each with its reasons. The rest is saved together.
3. The same import again changes nothing.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path as File

from worker.domain.faults import Fault
from worker.runtime.bootstrap import Runtime
from worker.runtime.definitions import BadDefinitions, Definition, Definitions
from worker.runtime.ncx_cases import Case, read_cases
from worker.runtime.ncx_documents import FUNCTION, find_documents
from worker.runtime.ncx_files import read_files
from worker.runtime.ncx_judging import judge
from worker.runtime.ncx_world import Saved
from worker.runtime.saving import save
from worker.runtime.source_files import LocatedFault, Source


class Fate(StrEnum):
    """What becomes of a document."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    TAKEN_IN = "taken in"
    """A function: it stands in the workflows that call it."""
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of each document, in the order of their types; nothing was saved if it was a `dry_run`."""

    dry_run: bool
    documents: Sequence[tuple[Case, Fate]] = field(repr=False)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many documents came to what, by type: `{"created": {"campaign": 1}}`."""
        counted = Counter((fate, case.type or "document") for case, fate in self.documents)
        return {
            fate: {kind: count for (one, kind), count in counted.items() if one is fate}
            for fate in Fate
            if any(one is fate for one, _ in counted)
        }

    @property
    def complete(self) -> bool:
        """Whether everything went in."""
        return all(fate is not Fate.LEFT_OUT for _, fate in self.documents)


def import_ncx(rt: Runtime, files: Iterable[File], *, dry_run: bool = False) -> Imported:
    """Judge the exported documents and save those that can run. Raises BadDefinitions, NameTaken."""
    cases = _cases(rt, files)
    judge(cases, saved := _saved(rt))
    definitions = Definitions(documents=tuple(_definition(c) for c in cases if not c.faults and c.model))
    fates = _fates(rt, cases, definitions, saved)
    if definitions.documents and not dry_run:
        save(rt, definitions)
    return Imported(dry_run=dry_run, documents=tuple(zip(cases, fates, strict=True)))


def _cases(rt: Runtime, files: Iterable[File]) -> list[Case]:
    found = []
    empty = []
    for file, value in read_files(files):
        documents = list(find_documents(file, value))
        found += documents
        if not documents:
            hint = "export campaigns, workflows, functions or dispositions"
            empty.append(LocatedFault(file, 0, Fault((), "holds no document", hint)))
    if empty:
        raise BadDefinitions(empty)
    return read_cases(found, rt.settings.default_region)


def _saved(rt: Runtime) -> Saved:
    return Saved(lambda kind: rt.store.list_documents(rt.settings.tenant_id, kind))


def _definition(case: Case) -> Definition:
    source = Source(case.found.file, case.found.data, {})
    return Definition(type=case.type, id=case.id, name=case.name, data=case.data, source=source)


def _fates(rt: Runtime, cases: Iterable[Case], definitions: Definitions, saved: Saved) -> list[Fate]:
    documents = definitions.documents
    drafts = rt.schema.drafts(rt.actor, [(document.type, document.id, document.data) for document in documents])
    contents = {(draft.type, draft.id): draft.data for draft in drafts}
    fates = []
    for case in cases:
        before = saved.of(case.type).get(case.id) if case.model else None
        if case.faults:
            fates.append(Fate.LEFT_OUT)
        elif case.type == FUNCTION:
            fates.append(Fate.TAKEN_IN)
        elif before is None:
            fates.append(Fate.CREATED)
        else:
            same = before.data == contents[case.type, case.id]
            fates.append(Fate.UNCHANGED if same else Fate.CHANGED)
    return fates
