"""The JSON schemas of queue events, and an example that works when it is pasted."""

from typing import Final

from worker.api.events import MOST_AT_ONCE
from worker.api.shapes import Content, Schema
from worker.domain.queue_event import KEY, TYPE

_EXAMPLE: Final = {
    "type": "cart.abandoned",
    "key": "cart-881-abandoned",
    "contact": {"externalId": "C-10226", "email": "bob@example.com", "firstName": "Bob"},
    "data": {"cartId": "cart-881", "total": 42.5},
}

_TEXT: Final = {"type": "string"}
EVENT: Final[Schema] = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "pattern": f"^{TYPE}$", "description": "What campaigns listen to."},
        "key": {
            "type": "string",
            "pattern": f"^{KEY}$",
            "description": "Names the event for good: the same key again is a duplicate. Or as Idempotency-Key.",
        },
        "contact": {
            "type": "object",
            "properties": dict.fromkeys(("contactId", "externalId", "phone", "mobile", "email", "timezone"), _TEXT),
            "description": "Whom it is about: an id, or addresses. What else stands here, templates see as `contact`.",
        },
        "data": {"type": "object", "description": "The sender's own; conditions see it as `event.data`."},
        "occurredAt": {"type": ["string", "integer"], "description": "With its zone, or milliseconds since 1970."},
    },
    "required": ["type", "contact"],
    "additionalProperties": False,
}
SENT: Final = Content(
    schema={"oneOf": [EVENT, {"type": "array", "items": EVENT, "maxItems": MOST_AT_ONCE}]}, example=_EXAMPLE
)
ACCEPTED: Final = Content(
    schema={
        "type": "object",
        "properties": {
            "count": {"type": "integer", "minimum": 0, "description": "How many were accepted now."},
            "events": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"key": _TEXT, "status": {"type": "string", "enum": ["accepted", "duplicate"]}},
                    "required": ["key", "status"],
                },
            },
        },
        "required": ["count", "events"],
    },
    example={"count": 1, "events": [{"key": "cart-881-abandoned", "status": "accepted"}]},
)
