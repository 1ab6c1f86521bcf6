"""From the names people say to a selection that a run keeps: lists to ids, a saved segment to its query.

1. A run keeps what was meant at its launch. A list that is renamed, a segment that is rewritten later change nothing.
2. All that is wrong with the names is said at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from worker.domain.addresses import to_e164
from worker.domain.audience import Audience, Selection
from worker.domain.run import Run
from worker.domain.search import Any as AnyOf
from worker.domain.search import Query
from worker.runtime.bootstrap import Runtime
from worker.schema.segments import BadQuery, read_segment
from worker.store.document_rows import Document, DocumentType
from worker.store.errors import PeopleArchived


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An audience with its names looked up. `wire`: what the run keeps; `list_names`: for people.

    `largest`: more people than that are refused; 0: as the installation has it. `warns`: what is worth a warning of how
    it was said.
    """

    wire: Mapping[str, Any] = field(repr=False)
    list_names: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    warns: tuple[str, ...] = ()
    largest: int = 0

    def selection(self, as_of: datetime) -> Selection:
        """Whom it asks for, at this moment."""
        return selection_of(self.wire, as_of)


def over(said: Audience, campaign: Audience) -> Audience:
    """Whom to include, a launch says instead of the campaign; whom to leave out, they say together.

    Lists, segment and people are one answer to "who": a launch that names any of them replaces the campaign's answer as
    a whole (`unused` says what that leaves out). Exclusions only ever add up: of two times since when somebody was
    contacted the longer one holds.
    """
    said_within, own_within = said.contacted_within, campaign.contacted_within
    included = said if said.is_said else campaign
    return Audience(
        people=included.people,
        lists=included.lists,
        segment=included.segment,
        exclude_lists=tuple(dict.fromkeys((*campaign.exclude_lists, *said.exclude_lists))),
        exclude_segments=tuple(dict.fromkeys((*campaign.exclude_segments, *said.exclude_segments))),
        exclude_runs=tuple(dict.fromkeys((*campaign.exclude_runs, *said.exclude_runs))),
        contacted_within=max((one for one in (said_within, own_within) if one is not None), default=None),
        largest=said.largest or campaign.largest,
    )


def unused(said: Audience, campaign: Audience) -> Iterator[str]:
    """What a launch leaves unused: of the campaign's audience by naming another kind, of its own by naming people."""
    if said.people:
        if said.lists:
            listed = ", ".join(map(repr, said.lists))
            yield f"the lists {listed} are not used: people were named, whatever lists they are on"
        return
    if not said.is_said:
        return
    named = "a segment" if not said.lists else "a list and a segment" if said.segment else "a list"
    if campaign.segment and not said.segment:
        yield f"the campaign's segment {campaign.segment!r} is not used: {named} was named; name both to narrow it"
    if campaign.lists and not said.lists:
        listed = ", ".join(map(repr, campaign.lists))
        yield f"of the campaign's audience the lists {listed} are not used: {named} was named; name both to narrow it"


def choose(rt: Runtime, audience: Audience, documents: Sequence[Document] = (), *, everyone: bool = False) -> Chosen:
    """Look up what the audience names. Where it names nobody, and there is one list only, it is that one.

    `documents`: definitions that come with the launch; their segments go before saved ones. `everyone`: where it names
    nobody, all contacts are meant.
    """
    faults: list[str] = []
    lists = _Lists(rt, faults)
    included = lists.only() if not (audience.is_said or everyone) else lists.ids(audience.lists)
    wire: dict[str, Any] = {
        "people": list(_people(rt, audience.people, faults)),
        "lists": included,
        "segment": _query(rt, audience.segment, documents, faults),
        "excludeLists": lists.ids(audience.exclude_lists),
        "excludeSegments": [_query(rt, said, documents, faults) for said in audience.exclude_segments],
        "excludeRuns": list(_runs(rt, audience.exclude_runs, faults)),
    }
    if audience.contacted_within is not None:
        wire["contactedWithin"] = audience.contacted_within.total_seconds()
    if everyone and not audience.is_said:
        wire["everyone"] = True  # nothing said at all would be a run of before, over its one list
    names = tuple(lists.name(list_id) for list_id in included)
    kept = {key: value for key, value in wire.items() if value}
    return Chosen(wire=kept, list_names=names, faults=tuple(faults), largest=audience.largest)


def chosen_before(rt: Runtime, wire: Mapping[str, Any], largest: int) -> Chosen:
    """What was chosen before, whose lists may be gone and whose queries another version may not read any more."""
    names = {one.id: one.name for one in rt.store.list_documents(rt.settings.tenant_id, DocumentType.CONTACT_LIST)}
    lists = wire.get("lists", ())
    faults = [
        f"the contact list {list_id!r} was deleted; launch it anew without it"
        for list_id in (*lists, *wire.get("excludeLists", ()))
        if list_id not in names
    ]
    try:
        selection_of(wire, rt.now())
    except BadQuery as error:
        faults.append(f"a segment of it cannot be read any more: {error}")
    listed = tuple(names.get(list_id, list_id) for list_id in lists)
    return Chosen(wire=wire, list_names=listed, faults=tuple(faults), largest=largest)


def selection_of(wire: Mapping[str, Any], as_of: datetime) -> Selection:
    """The selection that a run keeps, as of a moment. Raises BadQuery where a query can no longer be read.

    `contactedWithin` counts back from that moment: for a run from its start, whenever it was drafted.
    """
    within = wire.get("contactedWithin")
    excluded = tuple(read_segment(query) for query in wire.get("excludeSegments", ()))
    return Selection(
        as_of=as_of,
        people=tuple(wire.get("people", ())),
        lists=tuple(wire.get("lists", ())),
        include=_tree(wire.get("segment", "")),
        exclude_lists=tuple(wire.get("excludeLists", ())),
        exclude=AnyOf(excluded) if excluded else None,
        exclude_runs=tuple(wire.get("excludeRuns", ())),
        contacted_since=None if within is None else as_of - timedelta(seconds=within),
    )


def selection_of_run(run: Run) -> Selection:
    """Whom a run is for: who was there when it started."""
    wire = run.selection or {"lists": [run.contact_list_id]}
    return selection_of(wire, run.started_at or run.created_at)


def _people(rt: Runtime, said: Sequence[str], faults: list[str]) -> Iterator[str]:
    """Contacts by id, number or mail address. An address is not repeated in a fault."""
    tenant_id = rt.settings.tenant_id
    for place, key in enumerate(said, 1):
        one = rt.store.get_contact(tenant_id, key)
        found = [one] if one is not None and not one.deleted else rt.store.find_contacts(tenant_id, _address(rt, key))
        if not found:
            faults.append(f"no contact has the id, number or address of person {place}; import them first")
        yield from (contact.contact_id for contact in found)


def _address(rt: Runtime, said: str) -> str:
    try:
        return said if "@" in said else to_e164(said, rt.settings.default_region)
    except ValueError:
        return said


def _tree(query: str) -> Query | None:
    return read_segment(query) if query else None


def _query(rt: Runtime, said: str, documents: Sequence[Document], faults: list[str]) -> str:
    """The query of a saved segment, or what was said where it is a query itself."""
    if not said:
        return ""
    segments = (document for document in documents if document.type == DocumentType.SEGMENT)
    brought = next((document for document in segments if said in (document.id, document.name)), None)
    saved = brought or rt.store.find_document(rt.settings.tenant_id, DocumentType.SEGMENT, said)
    query = str(saved.data["query"]) if saved is not None else said
    if saved is None and ":" not in said:
        faults.append(f"there is no segment {said!r}, and it is no query like plan:gold; save one, or write a query")
        return ""
    try:
        read_segment(query)
    except BadQuery as error:
        faults.append(f"the segment {said!r} cannot be read: {error}")
    return query


def _runs(rt: Runtime, said: Sequence[str], faults: list[str]) -> Iterator[str]:
    runs = rt.store.find_runs(rt.settings.tenant_id, limit=100_000) if said else []
    known = {run.run_id: run for run in runs}
    for run_id in said:
        if run_id in known and known[run_id].archived_at:
            faults.append(str(PeopleArchived(run_id)))
        elif run_id in known:
            yield run_id
        else:
            remedy = "`campaigns status last` shows the id of the latest"
            faults.append(f"there is no run {run_id!r} to exclude the people of; {remedy}")


class _Lists:
    """The contact lists of the tenant, by id and by name."""

    def __init__(self, rt: Runtime, faults: list[str]) -> None:
        documents = rt.store.list_documents(rt.settings.tenant_id, DocumentType.CONTACT_LIST)
        self._names = {document.id: document.name for document in documents}
        self._ids = {document.name: document.id for document in documents}
        self._faults = faults

    def name(self, list_id: str) -> str:
        return self._names[list_id]

    def only(self) -> list[str]:
        """The list there is, where there is one only."""
        if len(self._names) == 1:
            return list(self._names)
        named = "name the contact list with --list, or a segment with --segment"
        self._faults.append(f"{named}; there are {self._listed()}")
        return []

    def ids(self, said: Sequence[str]) -> list[str]:
        found = []
        for key in said:
            list_id = key if key in self._names else self._ids.get(key, "")
            if list_id:
                found.append(list_id)
            else:
                self._faults.append(f"there is no contact list {key!r}; there are {self._listed()}")
        return list(dict.fromkeys(found))

    def _listed(self) -> str:
        return ", ".join(sorted(self._ids)) or "none: `campaigns import` makes one"
