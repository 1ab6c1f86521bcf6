"""The schema service: who wrote a document and when, its history, what a search asks for, tokens, idempotency keys."""

import json

import sqlalchemy as sa
from alembic import op

from worker.store.name_keys import name_keys

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STAMPED = ("documents", "contacts")
OF_DOCUMENTS = ("unique_key", "terms_version")
OF_CONTACTS = ("first_name_key", "last_name_key")
IDENTITIES = ("external_id", "phone", "email")


def text(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def bytewise(name: str, default: str | None = None) -> sa.Column[str]:
    kind = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Column(name, kind, server_default=default, nullable=False)


def millis(name: str, *, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def serial(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    for table in STAMPED:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN updated_at TO modified_at")
        for column in (text("created_by", ""), text("modified_by", ""), millis("deleted_at")):
            op.add_column(table, column)
    _documents()
    _contacts()
    _terms_and_changes()
    _tokens_and_keys()


def downgrade() -> None:
    for table in ("idempotency_keys", "api_tokens", "document_changes", "document_terms"):
        op.drop_table(table)
    for name in ("ix_contacts_created", "ix_contacts_last_name", "ix_contacts_first_name"):
        op.drop_index(name, "contacts")
    # What may be there only now: deleted contacts whose addresses others have, and names that need not be unique.
    op.execute("UPDATE contacts SET external_id = '', phone = '', email = '' WHERE deleted")
    op.execute("UPDATE documents SET name_key = '' WHERE name_key <> unique_key")
    for name in IDENTITIES:
        op.drop_index(f"uq_contacts_{name}", "contacts")
        _sort("contacts", name, "default")
        partial(f"uq_contacts_{name}", "contacts", ["tenant_id", name], f"{name} <> ''", unique=True)
    for name in ("uq_documents_live", "ix_documents_live_name"):
        op.drop_index(name, "documents")
    added = {"documents": OF_DOCUMENTS, "contacts": (*OF_CONTACTS, "deleted")}
    for table in STAMPED:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN modified_at TO updated_at")
        with op.batch_alter_table(table) as batch:
            for name in ("created_by", "modified_by", "deleted_at", *added[table]):
                batch.drop_column(name)
    live = "NOT deleted AND name_key <> ''"
    partial("uq_documents_live_name", "documents", ["tenant_id", "type", "name_key"], live, unique=True)


def _sort(table: str, name: str, collation: str) -> None:
    """Prefixes are ranges only where text sorts by bytes; SQLite always does."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f'ALTER TABLE {table} ALTER COLUMN {name} TYPE text COLLATE "{collation}"')


def _name_keys() -> None:
    """What searches ask for, of those who are here already; in batches, since they may be millions."""
    bind = op.get_bind()
    ask = sa.text(
        "SELECT tenant_id, contact_id, fields FROM contacts WHERE (tenant_id, contact_id) > (:tenant, :contact)"
        " ORDER BY tenant_id, contact_id LIMIT 1000"
    )
    change = sa.text(
        "UPDATE contacts SET first_name_key = :first, last_name_key = :last"
        " WHERE tenant_id = :tenant AND contact_id = :contact"
    )
    last = {"tenant": "", "contact": ""}
    while rows := bind.execute(ask, last).all():
        keys = [(row, name_keys(json.loads(row.fields))) for row in rows]
        found = [
            {"first": first, "last": last_name, "tenant": row.tenant_id, "contact": row.contact_id}
            for row, (first, last_name) in keys
            if first or last_name
        ]
        if found:
            bind.execute(change, found)
        last = {"tenant": rows[-1].tenant_id, "contact": rows[-1].contact_id}


def _documents() -> None:
    for name in OF_DOCUMENTS:
        op.add_column("documents", text(name, ""))
    op.execute("UPDATE documents SET unique_key = name_key")
    op.drop_index("uq_documents_live_name", "documents")
    live = "NOT deleted AND unique_key <> ''"
    partial("uq_documents_live", "documents", ["tenant_id", "type", "unique_key"], live, unique=True)
    by_name = ["tenant_id", "type", "name_key", "document_id"]
    partial("ix_documents_live_name", "documents", by_name, "NOT deleted")


def _contacts() -> None:
    for name in OF_CONTACTS:
        op.add_column("contacts", bytewise(name, ""))
    op.add_column("contacts", sa.Column("deleted", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    for name in IDENTITIES:
        op.drop_index(f"uq_contacts_{name}", "contacts")
        _sort("contacts", name, "C")
        live = f"{name} <> '' AND NOT deleted"
        partial(f"uq_contacts_{name}", "contacts", ["tenant_id", name], live, unique=True)
    for index, key in (("ix_contacts_first_name", "first_name_key"), ("ix_contacts_last_name", "last_name_key")):
        partial(index, "contacts", ["tenant_id", key], f"{key} <> '' AND NOT deleted")
    _name_keys()
    partial("ix_contacts_created", "contacts", ["tenant_id", "created_at", "contact_id"], "NOT deleted")


def _terms_and_changes() -> None:
    op.create_table(
        "document_terms",
        *(text("tenant_id"), text("type"), text("field"), bytewise("term"), text("document_id")),
        sa.PrimaryKeyConstraint("tenant_id", "type", "field", "term", "document_id", name="pk_document_terms"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_document_terms_tenant_id_type_document_id", "document_terms", ["tenant_id", "type", "document_id"]
    )
    op.create_table(
        "document_changes",
        *(serial("change_id"), text("tenant_id"), text("type"), text("document_id"), millis("at", nullable=False)),
        *(text("by", ""), text("action"), text("changes")),
        sa.PrimaryKeyConstraint("change_id", name="pk_document_changes"),
    )
    op.create_index(
        "ix_document_changes_tenant_id_type_document_id_change_id",
        "document_changes",
        ["tenant_id", "type", "document_id", "change_id"],
    )


def _tokens_and_keys() -> None:
    op.create_table(
        "api_tokens",
        *(text("token_id"), text("tenant_id"), text("user_id"), text("digest"), text("scopes")),
        *(millis("created_at", nullable=False), text("created_by", ""), millis("expires_at"), millis("revoked_at")),
        sa.PrimaryKeyConstraint("token_id", name="pk_api_tokens"),
    )
    op.create_index("ix_api_tokens_tenant_id_created_at", "api_tokens", ["tenant_id", "created_at"])
    op.create_table(
        "idempotency_keys",
        *(text("tenant_id"), text("key"), text("digest"), text("type"), text("document_id")),
        millis("at", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_at", "idempotency_keys", ["at"])
