"""Who asks: a token to an actor, counted against its limit, with the scope that the route states.

A token is `Authorization: Bearer <token>`, or the token alone, as clients of NCX send it.
"""

import hashlib
from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from worker.api.rate_limit import RateLimit
from worker.runtime.bootstrap import Runtime
from worker.schema import tokens
from worker.schema.errors import TooManyRequests, Unauthorized
from worker.schema.scopes import Actor, Scope


def requires(scope: Scope) -> Callable[[Request], Awaitable[None]]:
    """What must run before a handler: it leaves the actor in `request.state.actor`.

    Raises Unauthorized, TooManyRequests, Forbidden.
    """

    async def check(request: Request) -> None:
        token = _presented(request.headers.get("authorization", ""))
        limit: RateLimit = request.app.state.limit
        # Counted before it is looked up, so that a client that runs wild does not keep the database busy.
        if wait := limit.take(hashlib.sha256(token.encode()).digest()):
            raise TooManyRequests("more requests than this token may make; wait, then go on more slowly", wait)
        actor = await run_in_threadpool(_verify, request.app.state.rt, token)
        actor.require(scope)
        request.state.actor = actor

    return check


def _verify(rt: Runtime, token: str) -> Actor:
    return tokens.verify(rt.store, rt.now(), token)


def _presented(header: str) -> str:
    """The token in an Authorization header. Raises Unauthorized."""
    scheme, _, rest = header.strip().partition(" ")
    token = rest.strip() if scheme.lower() == "bearer" else header.strip()
    if not token or " " in token:
        raise Unauthorized("this needs a token; send Authorization: Bearer <token>")
    return token
