"""The JSON schemas of what goes in and out, made of the models, and an example of each.

Of every type there are three: `CampaignFields` is what a campaign may say, `CampaignData` what a new one must say, and
`Campaign` is one as it is given back. What NCX sends besides (numbers as text, "" for unset) is read and not described.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from worker.api.documents import LONGEST_ID
from worker.api.examples import BATCH, EXAMPLES
from worker.domain import faults
from worker.domain.workflow import Workflow
from worker.schema.contacts import MOST_AT_ONCE
from worker.schema.rules import read_document
from worker.schema.types import HEADER, TYPES, SchemaType

Schema = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"
AT: Final = 1_764_000_000_000
"""When the examples were made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A body: its JSON schema, and an example where there is one."""

    schema: Mapping[str, Any]
    example: Any = None
    media_type: str = "application/json"
    required: bool = True
    """Of a request."""

    def described(self) -> Schema:
        """As OpenAPI has it."""
        example = {} if self.example is None else {"example": self.example}
        return {self.media_type: {"schema": self.schema, **example}}


FORM: Final = Content(
    schema={"type": "object", "additionalProperties": {"type": "string"}},
    media_type="application/x-www-form-urlencoded",
)
EVENTS: Final = Content(schema={"type": "array", "items": {"type": "object"}})
TWIML: Final = Content(schema={"type": "string"}, media_type="text/xml")
HEALTH: Final = Content(
    schema={"type": "object", "properties": {"status": {"const": "ok"}, "databaseTime": {"type": "string"}}},
    example={"status": "ok", "databaseTime": "2025-11-24T16:00:00+00:00"},
)


def new(kind: SchemaType) -> Content:
    return Content(schema=_ref(f"{_called(kind)}Data"), example=EXAMPLES[kind.name].data)


def changes(kind: SchemaType) -> Content:
    return Content(schema=_ref(f"{_called(kind)}Fields"), example=EXAMPLES[kind.name].changes)


def stored(kind: SchemaType) -> Content:
    return Content(schema=_ref(_called(kind)), example=_stored_example(kind))


def page(kind: SchemaType) -> Content:
    schema = _object(
        count=_count("How many are on this page."),
        total=_count("How many there are in all."),
        objects={"type": "array", "items": _ref(_called(kind))},
        next={"type": "string", "description": "The `cursor` of the next page; empty on the last one."},
    )
    return Content(schema=schema, example={"count": 1, "total": 1, "objects": [_stored_example(kind)], "next": ""})


def batch(kind: SchemaType) -> Content:
    schema = {"type": "array", "items": _ref(f"{_called(kind)}Data"), "maxItems": MOST_AT_ONCE}
    return Content(schema=schema, example=list(BATCH))


def created(_kind: SchemaType) -> Content:
    schema = _object(count=_count("How many were created."), ids={"type": "array", "items": {"type": "string"}})
    return Content(schema=schema, example={"count": len(BATCH), "ids": [contact["contactId"] for contact in BATCH]})


def history(_kind: SchemaType) -> Content:
    change = _object(
        path={"type": "string", "description": "Keys with dots between them."},
        optional={"from": {"description": "Absent: it was not set."}, "to": {"description": "Absent: it is not set."}},
    )
    entry = _object(
        at=_count("Milliseconds since 1970."),
        by={"type": "string", "description": "A user, or `cli:` and who sat at the machine."},
        action={"type": "string", "enum": ["created", "updated", "deleted"]},
        changes={"type": "array", "items": change},
    )
    schema = _object(count=_count(""), total=_count(""), objects={"type": "array", "items": entry})
    said = {"path": "description", "to": "One mail, and done."}
    example = {"at": AT, "by": "usr_ada", "action": "updated", "changes": [said]}
    return Content(schema=schema, example={"count": 1, "total": 1, "objects": [example]})


def schemas() -> dict[str, Schema]:
    """Every schema that others refer to, by name."""
    found: dict[str, Schema] = {"Error": _error()}
    for kind in TYPES.values():
        fields, named = _fields(kind)
        name, header = _called(kind), sorted({*HEADER, "_id", kind.id_key})
        found |= named | {
            f"{name}Fields": fields,
            f"{name}Data": {"allOf": [_ref(f"{name}Fields")], "required": _required(kind)},
            name: {"allOf": [_ref(f"{name}Fields")], "required": header},
        }
    return dict(sorted(found.items()))


def _called(kind: SchemaType) -> str:
    return kind.model.__name__


def _fields(kind: SchemaType) -> tuple[Schema, dict[str, Schema]]:
    """What a document may say, and the schemas that it refers to."""
    schema = _plain(kind.model.model_json_schema(ref_template=_REF))
    named = schema.pop("$defs", {})
    schema.pop("required", None)
    properties = schema["properties"]
    if kind.model is Workflow:  # the model has them compiled; on the wire they are as their author wrote them
        properties |= {"states": {"type": ["object", "array"]}, "functions": {"type": "object"}}
        named = {}
    properties[kind.id_key] |= {"maxLength": LONGEST_ID, "description": "Drawn, unless it is stated on creation."}
    properties["objectType"] = {"const": kind.name}
    for key in HEADER:
        properties[key]["readOnly"] = True
    return schema, named


def _required(kind: SchemaType) -> list[str]:
    """The keys that a document is told to add when it has none."""
    if kind.model is Workflow:
        return ["states"]  # where it begins can be told from them
    try:
        kind.model.parse({})
    except faults.Invalid as error:
        return [str(fault.path[0]) for fault in error.faults if fault.path]
    return []


def _plain(schema: Any) -> Any:
    """Without the titles that pydantic makes of keys, and without defaults that say: not set."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _plain(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and (value is None or value in ("", [], {})))
    }


def _stored_example(kind: SchemaType) -> Schema:
    """The example as it is given back once it is created."""
    example = EXAMPLES[kind.name].data
    _, wire = read_document(kind, example, "US")
    ids = {"_id": example[kind.id_key], kind.id_key: example[kind.id_key]}
    stamps = {"createdAt": AT, "createdBy": "usr_ada", "modifiedAt": AT, "modifiedBy": "usr_ada", "deletedAt": 0}
    return ids | {"tenantId": "default", "objectType": kind.name} | stamps | wire


def _error() -> Schema:
    fault = _object(
        path={"type": "array", "items": {"type": ["string", "integer"]}, "description": "Where; empty: the whole."},
        message={"type": "string"},
        hint={"type": "string", "description": "What to do, where that is known."},
    )
    return _object(
        type={"type": "string", "description": "The kind of error."},
        message={"type": "string"},
        code={"type": "integer", "description": "The HTTP status."},
        timestamp=_count("Milliseconds since 1970."),
        faults={"type": "array", "items": fault},
    )


def _object(*, optional: Mapping[str, Schema] | None = None, **properties: Schema) -> Schema:
    """An object with these keys, all of them there but the optional ones."""
    return {"type": "object", "properties": {**properties, **(optional or {})}, "required": [*properties]}


def _count(description: str) -> Schema:
    return {"type": "integer", "minimum": 0} | ({"description": description} if description else {})


def _ref(name: str) -> Schema:
    return {"$ref": _REF.format(model=name)}
