"""Documents on their way in and out: as JSON with a header, and as the store keeps them."""

from collections.abc import Mapping
from typing import Any

from worker.domain.base import Document as Model
from worker.schema.types import HEADER, TYPES, SchemaType, terms
from worker.store.document_rows import Document, Stamp
from worker.store.documents import name_key

Wire = dict[str, Any]
"""A document as JSON, header included."""


def draft(kind: SchemaType, document_id: str, model: Model, data: Mapping[str, Any]) -> Document:
    """A checked document as the store keeps it: `data` without the header, and what a search finds it by."""
    kept = {key: value for key, value in data.items() if key not in HEADER}
    return Document(
        type=kind.name,
        id=document_id,
        name=model.name,
        data={**kept, "objectType": kind.name, kind.id_key: document_id},
        unique=name_key(kind.unique(model)),
        terms=(*terms(kind, model), ("_id", str(data.get("_id") or document_id))),
        terms_version=kind.terms_version,
    )


def to_wire(tenant_id: str, stored: Document) -> Wire:
    """A stored document with its header."""
    kind = TYPES[stored.type]
    ids = {"_id": stored.data.get("_id") or stored.id, kind.id_key: stored.id}
    return ids | header(tenant_id, stored.type, stored.stamp) | {k: v for k, v in stored.data.items() if k not in ids}


def header(tenant_id: str, type_name: str, stamp: Stamp) -> Wire:
    """What the service says about a document."""
    return {
        "tenantId": tenant_id,
        "objectType": type_name,
        "createdAt": stamp.created_at,
        "createdBy": stamp.created_by,
        "modifiedAt": stamp.modified_at,
        "modifiedBy": stamp.modified_by,
        "deletedAt": stamp.deleted_at,
    }
