"""The HTTP application: documents for people and programs, callbacks of providers, health for ops."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache, partial

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from worker.api.access import requires
from worker.api.answers import answer_errors
from worker.api.openapi import describe
from worker.api.rate_limit import RateLimit
from worker.api.route import DOCUMENTS, NoToken, Route
from worker.api.routes import ROUTES
from worker.runtime.bootstrap import Runtime
from worker.runtime.events import Applying
from worker.runtime.intake import Intake


def make_app(make_runtime: Callable[[], Runtime]) -> FastAPI:
    """The application; the runtime is made inside its event loop and closed with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        rt = make_runtime()
        app.state.rt, app.state.intake, app.state.applying = rt, Intake(rt), Applying(rt)
        settings = rt.settings
        app.state.limit = RateLimit(settings.api_requests_per_second, settings.api_burst, rt.clock.elapsed)
        yield
        app.state.applying.close()
        await rt.close_channels()
        rt.close()

    app = FastAPI(
        title="campaign-worker",
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=None,  # /openapi.json and /docs are rows of the table like all others
    )
    app.router.routes.extend(_routes())
    app.state.openapi = cache(partial(describe, app))
    app.add_middleware(_WithoutTrailingSlash)
    answer_errors(app)
    return app


@cache
def _routes() -> tuple[APIRoute, ...]:
    """The table as FastAPI has it. It takes a tenth of a second, and is the same for every application."""
    return tuple(_as_fastapi_has_it(route) for route in ROUTES)


def _as_fastapi_has_it(route: Route) -> APIRoute:
    return APIRoute(
        route.path,
        partial(route.handler, route.kind) if route.kind else route.handler,
        methods=[route.method],
        name=route.name,
        operation_id=route.name,
        dependencies=[] if isinstance(route.access, NoToken) else [Depends(requires(route.access))],
        response_model=None,
        include_in_schema=route.shown,
    )


class _WithoutTrailingSlash:
    """Takes `/data/api/types/campaign/` for `/data/api/types/campaign`: clients of NCX write it so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(f"{DOCUMENTS}/"):
            scope = {**scope, "path": scope["path"].removesuffix("/")}
        await self._app(scope, receive, send)
