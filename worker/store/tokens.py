"""API tokens: of each only a digest is kept, so who reads the database can present none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from worker.store.codec import from_json, millis, to_json
from worker.store.document_tables import api_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token of a user. Times in milliseconds since 1970; 0: never."""

    token_id: str
    tenant_id: str
    user_id: str
    digest: str = field(repr=False)
    scopes: tuple[str, ...]
    created_at: int
    created_by: str
    expires_at: int = 0
    revoked_at: int = 0


def add(conn: Connection, token: Token) -> None:
    """Keep a new token."""
    conn.execute(
        api_tokens.insert().values(
            token_id=token.token_id,
            tenant_id=token.tenant_id,
            user_id=token.user_id,
            digest=token.digest,
            scopes=to_json(token.scopes),
            created_at=token.created_at,
            created_by=token.created_by,
            expires_at=token.expires_at or None,
        )
    )


def get(conn: Connection, token_id: str) -> Token | None:
    """A token by its id, of whatever tenant: it is what tells the tenant."""
    found = conn.execute(select(api_tokens).where(api_tokens.c.token_id == token_id)).first()
    return _token(found) if found else None


def of_tenant(conn: Connection, tenant_id: str) -> Sequence[Token]:
    """All tokens of a tenant, the oldest first."""
    query = select(api_tokens).where(api_tokens.c.tenant_id == tenant_id)
    return [_token(row) for row in conn.execute(query.order_by(api_tokens.c.created_at, api_tokens.c.token_id)).all()]


def revoke(conn: Connection, tenant_id: str, token_id: str, now: datetime) -> bool:
    """End a token at once. False if there is none; a revoked one stays as it is."""
    token = api_tokens.c
    this = (token.tenant_id == tenant_id) & (token.token_id == token_id)
    conn.execute(update(api_tokens).where(this, token.revoked_at.is_(None)).values(revoked_at=millis(now)))
    return conn.execute(select(token.token_id).where(this)).first() is not None


def _token(row: Row[Any]) -> Token:
    return Token(
        token_id=row.token_id,
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        digest=row.digest,
        scopes=tuple(from_json(row.scopes)),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at or 0,
        revoked_at=row.revoked_at or 0,
    )
