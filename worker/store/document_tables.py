"""The tables of what people write and who people are: documents with their terms and history, contacts, tokens.

The rules of `tables.py` hold here too.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, Column, ColumnElement, Index, PrimaryKeyConstraint, Text, literal_column

from worker.store.columns import (
    BYTEWISE,
    SERIAL,
    bytewise,
    flag,
    id_of,
    json_of,
    new_table,
    partial,
    tenant,
    text_of,
    time_of,
)


def is_set(column: ColumnElement[str]) -> ColumnElement[bool]:
    """That a text column is not empty, word by word as the partial indexes have it."""
    return column != literal_column("''")


documents = new_table(
    "documents",
    tenant(),
    Column("type", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    text_of("name"),
    text_of("name_key"),  # the name in lower case
    text_of("unique_key"),  # what two live documents of a type may not share; most often the name
    json_of("data"),
    flag("deleted"),
    time_of("created_at", nullable=False),
    text_of("created_by"),
    time_of("modified_at", nullable=False),
    text_of("modified_by"),
    time_of("deleted_at"),
    text_of("terms_version"),  # what its terms were made by; another one: to be made anew
    PrimaryKeyConstraint("tenant_id", "type", "document_id"),
    partial(
        "uq_documents_live", "tenant_id", "type", "unique_key", where="NOT deleted AND unique_key <> ''", unique=True
    ),
    partial("ix_documents_live_name", "tenant_id", "type", "name_key", "document_id", where="NOT deleted"),
)

document_terms = new_table(
    "document_terms",
    tenant(),
    Column("type", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("term", BYTEWISE, nullable=False),
    Column("document_id", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "type", "field", "term", "document_id"),
    Index(None, "tenant_id", "type", "document_id"),
    sqlite_with_rowid=False,
)

document_changes = new_table(
    "document_changes",
    Column("change_id", SERIAL, primary_key=True),
    tenant(),
    Column("type", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    time_of("at", nullable=False),
    text_of("by"),
    Column("action", Text, nullable=False),
    Column("changes", Text, nullable=False),
    Index(None, "tenant_id", "type", "document_id", "change_id"),
)

api_tokens = new_table(
    "api_tokens",
    id_of("token_id"),
    tenant(),
    Column("user_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    time_of("created_at", nullable=False),
    text_of("created_by"),
    time_of("expires_at"),
    time_of("revoked_at"),
    Index(None, "tenant_id", "created_at"),
)

idempotency_keys = new_table(
    "idempotency_keys",
    tenant(),
    Column("key", Text, nullable=False),
    Column("digest", Text, nullable=False),  # of the request; the same key with another one is a mistake
    Column("type", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    time_of("at", nullable=False),
    PrimaryKeyConstraint("tenant_id", "key"),
    Index(None, "at"),
)

contacts = new_table(
    "contacts",
    tenant(),
    Column("contact_id", Text, nullable=False),
    bytewise("external_id"),
    bytewise("phone"),
    bytewise("email"),
    text_of("timezone"),
    json_of("fields"),
    flag("blocked"),
    bytewise("first_name_key"),  # folded; of who has neither, the whole name
    bytewise("last_name_key"),
    flag("deleted"),
    time_of("created_at", nullable=False),
    text_of("created_by"),
    time_of("modified_at", nullable=False),
    text_of("modified_by"),
    time_of("deleted_at"),
    PrimaryKeyConstraint("tenant_id", "contact_id"),
    *(
        partial(f"uq_contacts_{name}", "tenant_id", name, where=f"{name} <> '' AND NOT deleted", unique=True)
        for name in ("external_id", "phone", "email")
    ),
    partial("ix_contacts_first_name", "tenant_id", "first_name_key", where="first_name_key <> '' AND NOT deleted"),
    partial("ix_contacts_last_name", "tenant_id", "last_name_key", where="last_name_key <> '' AND NOT deleted"),
    partial("ix_contacts_created", "tenant_id", "created_at", "contact_id", where="NOT deleted"),
)

LIVE_DOCUMENT: Final[ColumnElement[Any]] = literal_column("NOT documents.deleted")
LIVE_CONTACT: Final[ColumnElement[Any]] = literal_column("NOT contacts.deleted")
"""Word by word as the partial indexes have it; SQLAlchemy would write something else for SQLite."""

contact_list_members = new_table(
    "contact_list_members",
    tenant(),
    Column("contact_list_id", Text, nullable=False),
    Column("contact_id", Text, nullable=False),
    Column("added_at", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("tenant_id", "contact_list_id", "contact_id"),
)

suppressions = new_table(
    "suppressions",
    tenant(),
    Column("channel", Text, nullable=False),  # or '*': every channel
    Column("address", Text, nullable=False),
    text_of("reason"),
    time_of("at", nullable=False),
    PrimaryKeyConstraint("tenant_id", "address", "channel"),
)
