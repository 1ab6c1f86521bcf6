"""How receipts and replies lie in the inbox: JSON, one shape per kind."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from channels.messages import ChannelKind
from channels.results import AnsweredBy, Reason, Receipt, ReceiptKind, Reply


def encode(kind: ChannelKind, item: Receipt | Reply) -> dict[str, Any]:
    """A JSON object; `decode` reads a receipt back."""
    data = asdict(item)
    del data["raw"]  # kept beside it
    if isinstance(item, Receipt):
        data["at"] = item.at.isoformat() if item.at else None
        if not item.address:
            del data["address"]
    return {"channel": kind, "type": type(item).__name__, **data}


def decode(payload: Mapping[str, Any]) -> Receipt:
    """The inverse of `encode` for a receipt; what people say is not read again."""
    data = {key: value for key, value in payload.items() if key not in ("channel", "type")}
    return Receipt(
        **data
        | {
            "kind": ReceiptKind(data["kind"]),
            "reason": Reason(data["reason"]),
            "answered_by": AnsweredBy(data["answered_by"]),
            "at": datetime.fromisoformat(data["at"]) if data["at"] else None,
        }
    )
