"""API tokens: made for a user of a tenant with some scopes, shown once, kept as a digest, ended at will.

A token is `cw_<id>_<secret>`. The secret has 256 random bits, so a plain SHA-256 of it cannot be guessed backwards.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from worker.schema.errors import NotFound, Unauthorized
from worker.schema.scopes import Actor, read_scopes
from worker.schema.types import SCOPES
from worker.store.codec import millis
from worker.store.facade import Store
from worker.store.tokens import Token

_SHAPE: Final = re.compile(r"cw_([0-9a-z]{26})_([A-Za-z0-9_-]{43})", re.ASCII)


def create(
    store: Store,
    now: datetime,
    *,
    tenant_id: str,
    user_id: str,
    scopes: Iterable[str],
    by: str,
    lifetime: timedelta | None = None,
) -> str:
    """Make a token and return it, for the only time. Raises ValueError for a scope that does not exist."""
    token_id, secret = store.new_id().lower(), secrets.token_urlsafe(32)
    token = Token(
        token_id=token_id,
        tenant_id=tenant_id,
        user_id=user_id,
        digest=_digest(secret),
        scopes=tuple(sorted(read_scopes(scopes, SCOPES))),
        created_at=millis(now),
        created_by=by,
        expires_at=millis(now + lifetime) if lifetime else 0,
    )
    store.add_token(token)
    return f"cw_{token_id}_{secret}"


def verify(store: Store, now: datetime, presented: str) -> Actor:
    """Who presents this token. Raises Unauthorized."""
    shape = _SHAPE.fullmatch(presented)
    token = store.get_token(shape[1]) if shape else None
    # Compared in any case, so that the time it takes tells nothing.
    matches = hmac.compare_digest(_digest(shape[2] if shape else ""), token.digest if token else "")
    if token is None or not matches:
        raise Unauthorized("there is no such token; make one with `campaigns tokens create`")
    if token.revoked_at or (token.expires_at and token.expires_at <= millis(now)):
        raise Unauthorized("this token has ended; make a new one with `campaigns tokens create`")
    return Actor(tenant_id=token.tenant_id, user_id=token.user_id, scopes=frozenset(token.scopes))


def revoke(store: Store, now: datetime, *, tenant_id: str, token_id: str) -> None:
    """End a token at once. Raises NotFound."""
    if not store.revoke_token(tenant_id, token_id, now):
        raise NotFound(f"there is no token {token_id!r}; `campaigns tokens list` shows them")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
