"""The client people write against: `create`, `retrieve`, `update`, `search`, `delete` for every type.

    client = SchemaTypeClient("https://campaigns.example.com", token=os.environ["CAMPAIGNS_TOKEN"])
    campaign = client.retrieve("campaign", id="cmp_1")

1. The same class works over HTTP and in process: a URL of the service, or one of the database. Results, totals and
   errors are the same.
2. Results are documents of the domain: `campaign.name`, `campaign.use_for_sms`; `to_wire()` gives the JSON, unknown
   keys as they came.
3. A type is named as on the wire (`"campaign"`), or by its class (`Campaign`), which tells a type checker what comes.
4. Nothing is retried. A create that was interrupted may be sent again with the same `idempotency_key`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, Self, TypeVar, overload

from worker.domain.base import Document
from worker.domain.faults import Invalid
from worker.schema import tokens
from worker.schema.drafts import Wire
from worker.schema.errors import SchemaError
from worker.schema.finding import MOST_ROWS, Found, Search
from worker.schema.remote import Remote
from worker.schema.scopes import Actor
from worker.schema.service import SchemaService
from worker.schema.types import TYPES
from worker.store.codec import moment
from worker.store.facade import Store

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class Objects(Generic[D]):
    """A page of documents. `total` is how many there are in all; `next` is the cursor of the next page, or ""."""

    objects: tuple[D, ...] = field(repr=False)
    total: int
    next: str = field(default="", repr=False)

    @property
    def count(self) -> int:
        return len(self.objects)

    def __iter__(self) -> Iterator[D]:
        return iter(self.objects)

    def __len__(self) -> int:
        return len(self.objects)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One change of a document. `changes`: path, from and to of every value that differs."""

    at: datetime
    by: str
    action: str
    changes: tuple[Mapping[str, Any], ...] = field(repr=False)


class Backend(Protocol):
    """Where the calls go: over HTTP, or to a service in this process. Documents are JSON here."""

    def create(self, type_name: str, data: Any, *, idempotency_key: str = "") -> Wire: ...
    def create_many(self, type_name: str, rows: Sequence[Any]) -> tuple[str, ...]: ...
    def retrieve(self, type_name: str, document_id: str, *, deleted: bool = False) -> Wire: ...
    def update(self, type_name: str, document_id: str, changes: Any, *, modified_at: int | None = None) -> Wire: ...
    def search(self, type_name: str, search: Search) -> Found: ...
    def delete(self, type_name: str, document_id: str, *, modified_at: int | None = None) -> None: ...
    def history(self, type_name: str, document_id: str) -> tuple[Wire, ...]: ...
    def close(self) -> None: ...


class Local:
    """The service in this process, for one actor."""

    def __init__(self, service: SchemaService, actor: Actor) -> None:
        self._service, self._actor = service, actor

    def create(self, type_name: str, data: Any, *, idempotency_key: str = "") -> Wire:
        return self._service.create(self._actor, type_name, data, idempotency_key=idempotency_key)

    def create_many(self, type_name: str, rows: Sequence[Any]) -> tuple[str, ...]:
        return self._service.create_many(self._actor, type_name, rows)

    def retrieve(self, type_name: str, document_id: str, *, deleted: bool = False) -> Wire:
        return self._service.retrieve(self._actor, type_name, document_id, deleted=deleted)

    def update(self, type_name: str, document_id: str, changes: Any, *, modified_at: int | None = None) -> Wire:
        return self._service.update(self._actor, type_name, document_id, changes, modified_at=modified_at)

    def search(self, type_name: str, search: Search) -> Found:
        return self._service.search(self._actor, type_name, search)

    def delete(self, type_name: str, document_id: str, *, modified_at: int | None = None) -> None:
        self._service.delete(self._actor, type_name, document_id, modified_at=modified_at)

    def history(self, type_name: str, document_id: str) -> tuple[Wire, ...]:
        return self._service.history(self._actor, type_name, document_id)

    def close(self) -> None:
        self._service.store.close()


class SchemaTypeClient:
    """A client for the documents of one tenant. Use it as a context manager, or close it.

    `target`: a URL of the service (`http://`, `https://`) or of its database (`postgresql://`, `sqlite:///`), or a
    backend. `token` is an API token; both ways need one. `timeout`: seconds for one request over HTTP.
    """

    def __init__(self, target: "str | Backend", *, token: str = "", timeout: float = 30.0, region: str = "US") -> None:
        if not isinstance(target, str):
            self._backend: Backend = target
        elif target.startswith(("http://", "https://")):
            self._backend = Remote(target, token, timeout)
        else:
            self._backend = _local(target, token, region)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release connections."""
        self._backend.close()

    @overload
    def create(self, kind: type[D], data: Mapping[str, Any], *, idempotency_key: str = "") -> D: ...
    @overload
    def create(self, kind: str, data: Mapping[str, Any], *, idempotency_key: str = "") -> Document: ...
    def create(self, kind: "str | type[Document]", data: Mapping[str, Any], *, idempotency_key: str = "") -> Document:
        """Create a document. Raises Invalid with every fault, Conflict for a name or id that is taken."""
        name = _name(kind)
        made: Document = _typed(name, self._backend.create(name, data, idempotency_key=idempotency_key))
        return made

    def create_many(self, kind: "str | type[Document]", data: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """Create contacts, all or none, at most 10,000 in process and 1 MB over HTTP; their ids in order."""
        return self._backend.create_many(_name(kind), data)

    @overload
    def retrieve(self, kind: type[D], id: str, *, deleted: bool = False) -> D: ...
    @overload
    def retrieve(self, kind: str, id: str, *, deleted: bool = False) -> Document: ...
    def retrieve(self, kind: "str | type[Document]", id: str, *, deleted: bool = False) -> Document:
        """One document. Raises NotFound, also for a deleted one unless asked for."""
        name = _name(kind)
        found: Document = _typed(name, self._backend.retrieve(name, id, deleted=deleted))
        return found

    @overload
    def update(self, kind: type[D], id: str, data: Mapping[str, Any], *, modified_at: int | None = None) -> D: ...
    @overload
    def update(self, kind: str, id: str, data: Mapping[str, Any], *, modified_at: int | None = None) -> Document: ...
    def update(
        self, kind: "str | type[Document]", id: str, data: Mapping[str, Any], *, modified_at: int | None = None
    ) -> Document:
        """Change some keys; None or "" unsets one. `modified_at`: raise Stale if somebody has changed it since."""
        name = _name(kind)
        changed: Document = _typed(name, self._backend.update(name, id, data, modified_at=modified_at))
        return changed

    @overload
    def search(
        self, kind: type[D], q: str = "", *, rows: int = 100, start: int = 0, sort: str = "", cursor: str = ""
    ) -> Objects[D]: ...
    @overload
    def search(
        self, kind: str, q: str = "", *, rows: int = 100, start: int = 0, sort: str = "", cursor: str = ""
    ) -> Objects[Document]: ...
    def search(
        self,
        kind: "str | type[Document]",
        q: str = "",
        *,
        rows: int = 100,
        start: int = 0,
        sort: str = "",
        cursor: str = "",
    ) -> Objects[Any]:
        """A page of what `q` asks for, in Lucene's syntax. Raises BadRequest with the position of a fault."""
        name = _name(kind)
        found = self._backend.search(name, Search(q=q, rows=rows, start=start, sort=sort, cursor=cursor))
        return Objects(tuple(_typed(name, wire) for wire in found.objects), found.total, found.next)

    @overload
    def search_all(self, kind: type[D], q: str = "", *, sort: str = "") -> Iterator[D]: ...
    @overload
    def search_all(self, kind: str, q: str = "", *, sort: str = "") -> Iterator[Document]: ...
    def search_all(self, kind: "str | type[Document]", q: str = "", *, sort: str = "") -> Iterator[Document]:
        """Everything that `q` asks for, a page at a time: memory does not grow with the number of documents."""
        name, cursor = _name(kind), ""
        while True:
            found = self._backend.search(name, Search(q=q, rows=MOST_ROWS, sort=sort, cursor=cursor))
            yield from (_typed(name, wire) for wire in found.objects)
            if not (cursor := found.next):
                return

    def delete(self, kind: "str | type[Document]", id: str, *, modified_at: int | None = None) -> None:
        """Delete a document. Raises Conflict, naming them, while others need it."""
        self._backend.delete(_name(kind), id, modified_at=modified_at)

    def history(self, kind: "str | type[Document]", id: str) -> tuple[HistoryEntry, ...]:
        """Who changed what, when, from what to what; the oldest first."""
        return tuple(
            HistoryEntry(at=moment(e["at"]), by=e["by"], action=e["action"], changes=tuple(e["changes"]))
            for e in self._backend.history(_name(kind), id)
        )


def _name(kind: "str | type[Document]") -> str:
    return kind if isinstance(kind, str) else kind.TYPE


def _typed(type_name: str, wire: Wire) -> Any:  # the overloads of the client tell which model
    """A document as its model. It was checked when it was saved, perhaps by the rules of another version."""
    try:
        return TYPES[type_name].model.parse(wire)
    except Invalid as error:
        message = f"this version cannot read the {type_name}; use the client of the service's version"
        raise SchemaError(message, error.faults) from None


def _local(url: str, token: str, region: str) -> Local:
    store = Store(url)
    try:
        store.check_schema()
        actor = tokens.verify(store, store.now(), token)
    except BaseException:
        store.close()
        raise
    return Local(SchemaService(store, store.now, default_region=region), actor)
