"""Commands on API tokens: create one, list them, revoke one."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from worker.cli.context import open_runtime
from worker.cli.errors import Exit, Stop
from worker.cli.output import AsJson, show
from worker.schema import tokens
from worker.schema.types import SCOPES


def create(
    user: Annotated[str, typer.Option("--user", help="Whose token: the id that documents and histories name.")],
    scopes: Annotated[
        list[str], typer.Option("--scope", help="What it may do, like campaigns:read; several times, or `all`.")
    ],
    *,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it lives.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Make a token for the HTTP interface and print it. It is shown this once; only a digest is kept.

    For example: campaigns tokens create --user usr_ann --scope campaigns:read --scope campaigns:admin
    """
    with open_runtime() as rt:
        wanted = [str(scope) for scope in SCOPES if rt.actor.may(scope)] if scopes == ["all"] else scopes
        beyond = [str(scope) for scope in SCOPES if str(scope) in wanted and not rt.actor.may(scope)]
        if beyond:
            raise Stop(f"nobody gives what they do not hold: {', '.join(beyond)}", Exit.BAD_INPUT)
        try:
            token = tokens.create(
                rt.store,
                rt.now(),
                tenant_id=rt.actor.tenant_id,
                user_id=user,
                scopes=wanted,
                by=rt.actor.user_id,
                lifetime=timedelta(days=days),
            )
        except ValueError as error:
            raise Stop(str(error), Exit.BAD_INPUT) from None
    show({"token": token, "userId": user, "scopes": sorted(wanted)}, as_json=as_json, text=token)


def list_all(*, as_json: AsJson = False) -> None:
    """List the tokens: whose they are, what they may do, and since when. The tokens themselves are not kept."""
    with open_runtime() as rt:
        found = rt.store.tokens_of(rt.actor.tenant_id)
    facts: list[dict[str, Any]] = [
        {
            "tokenId": token.token_id,
            "userId": token.user_id,
            "scopes": token.scopes,
            "createdAt": token.created_at,
            "createdBy": token.created_by,
            "expiresAt": token.expires_at,
            "revokedAt": token.revoked_at,
        }
        for token in found
    ]
    lines = [
        f"{one['tokenId']}  {one['userId']}  {_state(one)}  {', '.join(one['scopes'])}  (made by {one['createdBy']})"
        for one in facts
    ]
    show({"tokens": facts}, as_json=as_json, text="\n".join(lines) or "there are no tokens")


def revoke(
    token: Annotated[
        str, typer.Argument(metavar="TOKEN_ID", help="As `campaigns tokens list` names it.", show_default=False)
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """End a token at once."""
    with open_runtime() as rt:
        tokens.revoke(rt.store, rt.now(), tenant_id=rt.actor.tenant_id, token_id=token)
    show({"revoked": token}, as_json=as_json, text=f"{token} is revoked")


def _state(token: dict[str, Any]) -> str:
    if token["revokedAt"]:
        return f"revoked {_day(token['revokedAt'])}"
    return f"until {_day(token['expiresAt'])}" if token["expiresAt"] else "for good"


def _day(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).date().isoformat()
