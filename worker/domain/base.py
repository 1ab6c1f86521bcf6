"""What all documents share: the header, unknown keys that survive, and faults that come all at once.

1. On the wire keys are camelCase; `_id` and `<type>Id` are ids and are never parsed.
2. A key this version does not know is kept and given back as it came.
3. An empty string or null means "not set", a number may be written as text: NCX sends both.
4. `parse` reports everything that is wrong in one `Invalid`, each fault with its path and a remedy.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Self

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel, to_snake

from worker.domain.addresses import is_timezone, normalize_email
from worker.domain.faults import Fault, Invalid, Path

_EARLIEST_MILLIS: Final = 100_000_000_000
"""1973 in milliseconds, the year 5138 in seconds: below it, somebody counted seconds."""


MAX_WHOLE: Final = 2**53
MAX_SHORT: Final = 500
"""Characters of what stands in an index as a whole."""

_SHORT: Final = frozenset({"name", "username", "external_id", "object_id", "code"})
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def _millis(value: int) -> int:
    if value and value < _EARLIEST_MILLIS:
        raise ValueError("looks like seconds; write milliseconds since 1970, seconds times 1000")
    return value


def _timezone(value: str) -> str:
    if value and not is_timezone(value):
        raise ValueError("is not a time zone; use a name of the IANA database, like America/Phoenix")
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Millis = Annotated[int, AfterValidator(_millis)]
"""A moment in milliseconds since 1970. 0 is "never"."""

EmailAddress = Annotated[str, AfterValidator(lambda value: normalize_email(value) if value else value)]

Timezone = Annotated[str, AfterValidator(_timezone)]
"""A zone of the IANA database."""

Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""A list of texts; one text alone is a list of one."""


class Document(BaseModel):
    """The header all documents carry. `deletedAt` 0 or absent is a live one."""

    model_config = ConfigDict(
        extra="allow", frozen=True, alias_generator=to_camel, coerce_numbers_to_str=True, str_strip_whitespace=True
    )
    TYPE: ClassVar[str]
    """The constant `objectType`."""

    object_id: str = Field(default="", alias="_id")
    tenant_id: str = ""
    object_type: str = ""
    name: str = ""
    description: str = ""
    created_at: Millis = 0
    created_by: str = ""
    modified_at: Millis = 0
    modified_by: str = ""
    deleted_at: Millis = 0

    @property
    def is_live(self) -> bool:
        return not self.deleted_at

    @classmethod
    def parse(cls, data: Any, default_region: str = "US") -> Self:
        """Read a document as it is on the wire. Raises Invalid with every fault.

        `default_region` (ISO 3166) is the country of phone numbers written without a country code.
        """
        subject = f"{cls.TYPE} {_label(data)}".rstrip()
        if not isinstance(data, Mapping):
            raise Invalid(subject, [Fault((), f"must be a map of keys to values, not {_kind(data)}")])
        strange = [key for key in data if not isinstance(key, str)]
        if strange:
            raise Invalid(subject, [Fault((str(key),), "a key must be text", "put it in quotes") for key in strange])
        if not _is_json(data):
            hint = "no dates, NaN, infinite or huge numbers, no NUL, no half of an emoji"
            raise Invalid(subject, [Fault((), "holds something that JSON cannot", hint)])
        context = {"region": default_region}
        faults: list[Fault] = []
        try:
            document = cls.model_validate(dict(data), by_alias=True, context=context)
        except ValidationError as error:
            faults = list(faults_of(error))
            faulty = {fault.path[0] for fault in faults if fault.path}
            # Read again without the faulty keys, so that the rules across fields are heard at the same time.
            rest = {key: value for key, value in data.items() if key not in faulty}
            document = cls.model_validate(rest, by_alias=True, context=context)
        faulty = {fault.path[0] for fault in faults if fault.path}
        faults += [fault for fault in document.rules() if not faulty.intersection(fault.path[:1])]
        if faults:
            raise Invalid(subject, faults)
        return document

    def rules(self) -> Iterator[Fault]:
        """What is wrong across fields. Every field by itself is right, or unset."""
        if self.object_type not in ("", self.TYPE):
            yield Fault(("objectType",), f"must be {self.TYPE!r}", "or leave it out")
        if self.created_at and self.modified_at and self.modified_at < self.created_at:
            yield Fault(("modifiedAt",), "is before createdAt")
        for name in self.model_fields_set:  # the rest is ours
            value = getattr(self, name)
            if isinstance(value, int) and abs(value) > MAX_WHOLE:
                yield Fault((self._key(name),), "is a whole number past 2^53, which many readers round")
            elif name in _SHORT and isinstance(value, str) and len(value) > MAX_SHORT:
                yield Fault((self._key(name),), f"is longer than {MAX_SHORT} characters", "shorten it")

    def _key(self, name: str) -> str:
        field = type(self).model_fields.get(name)
        return (field.alias if field else None) or name  # a key that is not known is its own name

    def to_wire(self) -> dict[str, Any]:
        """The document as JSON: what was set, normalized, and every unknown key as it came."""
        return self.model_dump(by_alias=True, exclude_unset=True, mode="json") | {"objectType": self.TYPE}

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Only ids: names and addresses are people's."""
        ids = ("tenant_id", "object_id", f"{to_snake(type(self).__name__)}_id")
        return ((key, value) for key in ids if (value := getattr(self, key, "")))

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        known = cls.wire_keys()
        return {key: value for key, value in data.items() if key not in known or not _is_empty(value)}

    @classmethod
    @cache
    def wire_keys(cls) -> frozenset[str]:
        """The keys this version knows, as they are written."""
        return frozenset(field.alias or name for name, field in cls.model_fields.items())


def required(document: Document, *keys: str) -> Iterator[Fault]:
    """A fault for each of these keys that is not set."""
    by_key = {field.alias: name for name, field in type(document).model_fields.items()}
    for key in keys:
        if not getattr(document, by_key[key]):
            yield Fault((key,), "is required", f"add {key}")


def references(value: Any, key: str) -> tuple[str, ...]:
    """The ids in a relation, however it is written.

    A relation page `{"count", "objects": [{key: id}]}`, a list of ids or of objects with `key`, a map from id to
    anything, or one id. Raises ValueError for any other shape.
    """
    if value is None or value == "":
        return ()
    if isinstance(value, Mapping) and (isinstance(value.get("objects"), (list, tuple)) or set(value) == {"count"}):
        value = value.get("objects") or ()  # an empty page may come without its objects
    if isinstance(value, Mapping):
        found = [value[key]] if key in value else list(value)
    elif isinstance(value, (list, tuple)):
        found = [item.get(key) if isinstance(item, Mapping) else item for item in value]
    else:
        found = [value]
    for item in found:
        if isinstance(item, bool) or not isinstance(item, (str, int)) or item == "":
            raise ValueError(f"must be a list of ids, or of objects with {key}")
    return tuple(dict.fromkeys(str(item) for item in found))


def closest(word: object, known: Mapping[str, Any] | frozenset[str] | tuple[str, ...] | list[str]) -> str:
    """The known word that was probably meant, or "". Case does not matter."""
    by_lower = {name.lower(): name for name in reversed(list(known))}  # of two that differ in case, the first
    match = difflib.get_close_matches(str(word).lower(), by_lower, n=1, cutoff=0.75)
    return by_lower[match[0]] if match else ""


def faults_of(error: ValidationError) -> Iterator[Fault]:
    """What pydantic found, in sentences."""
    for detail in error.errors(include_url=False):
        path: Path = tuple(part for part in detail["loc"] if not _is_internal(part))
        context = detail.get("ctx", {})
        match detail["type"]:
            case "value_error":
                message, _, hint = str(context["error"]).partition("; ")
                yield Fault(path, message, hint)
            case "missing":
                yield Fault(path, "is required", f"add {path[-1]}")
            case "enum" | "literal_error":
                yield Fault(path, f"must be {context['expected']}", _meant(detail["input"], context["expected"]))
            case kind:
                expected = next((text for prefix, text in _EXPECTED.items() if kind.startswith(prefix)), "")
                message = f"must be {expected}, not {_kind(detail['input'])}" if expected else _plain(detail["msg"])
                yield Fault(path, message)


_EXPECTED: Final = {
    "string": "text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "dict": "a map",
    "model": "a map",
    "tuple": "a list",
    "list": "a list",
}


def _meant(word: object, expected: str) -> str:
    known = tuple(part.strip(" '") for part in expected.replace(" or ", ",").split(","))
    meant = closest(word, known)
    return f"did you mean {meant}?" if meant else ""


def _plain(message: str) -> str:
    """A message of pydantic as ours read: without a subject."""
    return message.replace("Input should", "must", 1)


def _is_internal(part: int | str) -> bool:
    """Whether a step of a path is pydantic's own: the branch of a union, a validator."""
    return isinstance(part, str) and ("[" in part or "(" in part)


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_json(data: Any) -> bool:
    """Whether it can be stored, and returned unchanged."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
        orjson.dumps(data)  # whole numbers that fit into 64 bits
    except (TypeError, ValueError, RecursionError):
        return False
    return b"\\u0000" not in text or not _NUL.search(text)


def _kind(value: Any) -> str:
    names = (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "this text"),
        (Mapping, "a map"),
        (list, "a list"),
    )
    return next((name for types, name in names if isinstance(value, types)), f"a {type(value).__name__}")


def _label(data: Any) -> str:
    """The name of a document for people, where it has one."""
    name = data.get("name") if isinstance(data, Mapping) else None
    return f'"{name}"' if isinstance(name, str) and name else ""
