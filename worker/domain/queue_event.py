"""A queue event: something happened elsewhere to somebody, and may bring them into a campaign or take them out of it.

1. Whoever sends it names it by a `key` of their own; the same key twice is the same event.
2. Its contact is somebody we know (`contactId`, `externalId`) or addresses to know them by. Whatever else stands there
   becomes what templates call `contact`.
3. Everything that is wrong is said at once, and nothing that was sent is repeated but keys.
4. `data` is the sender's and is kept as it came; an event has 256 KiB at most.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from worker.domain.addresses import find_timezone, normalize_email, to_e164, why_no_timezone
from worker.domain.base import MAX_SHORT, MAX_WHOLE, closest
from worker.domain.faults import Fault, Invalid

LARGEST: Final = 256 * 1024
"""Bytes of one event as JSON. What is larger belongs where the sender keeps it, with a reference in `data`."""
TYPE: Final = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}"
KEY: Final = r"[!-~]([ -~]{0,198}[!-~])?"
MALFORMED: Final = "malformed:"
"""How the keys begin under which we keep what could not be read: `malformed:DIGEST`, and `:KEY` if it said its key."""
DIGEST: Final = 32
"""Characters of it."""

_TYPE: Final = re.compile(TYPE, re.ASCII)
_KEY: Final = re.compile(KEY, re.ASCII)
_KEYS: Final = ("type", "key", "contact", "data", "occurredAt")
_OWN: Final = ("contactId", "externalId", "phone", "mobile", "email", "timezone")
_NAMES: Final = ("contactId", "externalId", "phone", "mobile", "email")
_EARLIEST_MILLIS: Final = 100_000_000_000
_AHEAD: Final = timedelta(days=1)
"""Clocks differ, but not by more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventContact:
    """Whom an event is about. `phone` is E.164; `fields` is what else is said of them, by the name templates use."""

    contact_id: str = ""
    external_id: str = ""
    phone: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    timezone: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def reachable(self) -> bool:
        """Whether somebody new can be made of it."""
        return bool(self.phone or self.email)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEvent:
    """One event, checked and normalized."""

    type: str
    key: str
    contact: EventContact
    occurred_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Everything but type, key and time, which have columns of their own."""
        contact = self.contact
        who = (contact.contact_id, contact.external_id, contact.phone, contact.email, contact.timezone)
        return {"contact": [*who, dict(contact.fields)], "data": dict(self.data)}

    @classmethod
    def from_json(cls, type_: str, key: str, occurred_at: datetime, payload: Mapping[str, Any]) -> "QueueEvent":
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError for what this version cannot read."""
        contact_id, external_id, phone, email, timezone, fields = payload["contact"]
        contact = EventContact(
            contact_id=contact_id,
            external_id=external_id,
            phone=phone,
            email=email,
            timezone=timezone,
            fields=fields,
        )
        return cls(type=type_, key=key, contact=contact, occurred_at=occurred_at, data=payload["data"])


def as_sent(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What `to_json` made, with the contact by the names of the wire; for people."""
    match payload.get("contact"):
        case [*who, Mapping() as fields]:
            names = ("contactId", "externalId", "phone", "email", "timezone")
            contact = {name: value for name, value in zip(names, who, strict=False) if value}
            return {**payload, "contact": {**contact, **fields}}
    return dict(payload)


def read_event(value: Any, *, received_at: datetime, region: str, key: str = "") -> QueueEvent:
    """Read an event as it is on the wire, a JSON value. Raises Invalid with every fault.

    `region` is the country of numbers without a `+`; `key` stands in for one that is not in the event.
    """
    if not isinstance(value, Mapping):
        raise Invalid("event", [Fault((), "must be one JSON object", 'write {"type": …, "key": …, "contact": {…}}')])
    if (size := _size(value)) > LARGEST:
        hint = "send a reference to what is large"
        raise Invalid("event", [Fault((), f"has {size:,} bytes; an event has at most {LARGEST:,}", hint)])
    faults: list[Fault] = list(_strange(value))
    event = QueueEvent(
        type=_matching(value.get("type"), "type", _TYPE, faults),
        key=_event_key(value.get("key"), key, faults),
        contact=_contact(value.get("contact"), region, faults),
        occurred_at=_moment(value.get("occurredAt"), received_at, faults),
        data=_data(value.get("data"), faults),
    )
    if faults:
        raise Invalid("event", faults)
    return event


def legible(value: Any) -> tuple[str, str]:
    """Type and key of an event of which something else may be wrong; "" for what cannot be read."""
    if not isinstance(value, Mapping):
        return "", ""
    type_, key = _matching(value.get("type"), "type", _TYPE, []), _matching(value.get("key"), "key", _KEY, [])
    return type_, "" if key.startswith(MALFORMED) else key


def malformed_key(digest: str, key: str = "") -> str:
    """The key of ours for what could not be read: it takes no place that a good event may claim."""
    return f"{MALFORMED}{digest[:DIGEST]}" + (f":{key}" if key else "")


def sent_key(key: str) -> str:
    """The key that its sender gave an event which is kept under this one; "" if it could not be read."""
    return key[len(MALFORMED) + DIGEST + 1 :] if key.startswith(MALFORMED) else key


def _size(value: Any) -> int:
    try:
        return len(orjson.dumps(value))
    except TypeError as error:
        raise Invalid("event", [Fault((), "holds something that JSON cannot", "no huge numbers")]) from error


def _strange(value: Mapping[str, Any]) -> Iterator[Fault]:
    for name in value:
        if name not in _KEYS:
            meant = closest(name, _KEYS)
            hint = f"did you mean {meant}?" if meant else "what is the sender's own goes into data"
            yield Fault((str(name)[:60],), "is no key of an event", hint)


_EXAMPLES: Final = {
    "type": "a word like cart.abandoned: letters, digits and . _ : / -",
    "key": "1 to 200 printable ASCII characters that name this event for good; an id of its own or a UUID does",
}


def _matching(value: Any, name: str, shape: re.Pattern[str], faults: list[Fault]) -> str:
    if value is None or value == "":
        faults.append(Fault((name,), "is required", f"add {_EXAMPLES[name]}"))
    elif not isinstance(value, str) or not shape.fullmatch(value):
        faults.append(Fault((name,), f"must be {_EXAMPLES[name]}"))
    else:
        return value
    return ""


def _event_key(value: Any, stated: str, faults: list[Fault]) -> str:
    if stated and value is not None and value != stated:
        faults.append(Fault(("key",), "is not the one of the header Idempotency-Key", "leave one of them out"))
    key = _matching(value if value is not None else stated, "key", _KEY, faults)
    if key.startswith(MALFORMED):
        faults.append(Fault(("key",), f"begins with {MALFORMED}, as only our own do", "choose another one"))
    return key


def _moment(value: Any, received_at: datetime, faults: list[Fault]) -> datetime:
    if value is None:
        return received_at
    moment = _from_millis(value) if isinstance(value, int) and not isinstance(value, bool) else _from_text(value)
    if moment is None:
        hint = "write 2026-11-23T10:00:00Z, or milliseconds since 1970"
        faults.append(Fault(("occurredAt",), "is no moment with its zone", hint))
    elif moment > received_at + _AHEAD:
        faults.append(Fault(("occurredAt",), "lies in the future", "state when it happened, or leave it out"))
    else:
        return moment
    return received_at


def _from_millis(value: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(value / 1000, UTC) if value >= _EARLIEST_MILLIS else None
    except (OverflowError, ValueError, OSError):
        return None


def _from_text(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (OverflowError, TypeError, ValueError):
        return None


def _data(value: Any, faults: list[Fault]) -> Mapping[str, Any]:
    if value is None or isinstance(value, Mapping):
        return value or {}
    faults.append(Fault(("data",), "must be one JSON object", 'write {"cartId": "c-881"}'))
    return {}


def _contact(value: Any, region: str, faults: list[Fault]) -> EventContact:
    hint = f"one or more of {', '.join(_NAMES)}"
    if not isinstance(value, Mapping) or not any(value.get(name) for name in _NAMES):
        missing = "is required" if value is None else "names nobody" if isinstance(value, Mapping) else "must be a map"
        faults.append(Fault(("contact",), missing, f"add {hint}"))
        return EventContact()

    def own(name: str, normalize: Callable[[str], str] = str) -> str:
        return _text(value.get(name), name, normalize, faults)

    numbers = {name: own(name, lambda text: to_e164(text, region)) for name in ("phone", "mobile")}
    return EventContact(
        contact_id=own("contactId", _id),
        external_id=own("externalId", _id),
        phone=numbers["mobile"] or numbers["phone"],
        email=own("email", normalize_email),
        timezone=own("timezone", _zone),
        fields={name: item for name, item in value.items() if name not in _OWN and item not in (None, "")},
    )


def _text(value: Any, name: str, normalize: Callable[[str], str], faults: list[Fault]) -> str:
    """A value of the contact as text; ids are often written as numbers."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_WHOLE:
        value = str(value)
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        faults.append(Fault(("contact", name), "must be text"))
        return ""
    try:
        return normalize(value.strip())
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        faults.append(Fault(("contact", name), message, hint))
        return ""


def _id(text: str) -> str:
    if len(text) > MAX_SHORT:
        raise ValueError(f"is longer than {MAX_SHORT} characters; shorten it")
    return text


def _zone(text: str) -> str:
    zone = find_timezone(text)
    if not zone:
        raise ValueError(why_no_timezone(text))
    return zone
