"""What the HTTP process tells about itself: whether it can work, and what it offers."""

from fastapi import Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse

from worker.runtime.bootstrap import Runtime


def health(request: Request) -> JSONResponse:
    rt: Runtime = request.app.state.rt
    return JSONResponse({"status": "ok", "databaseTime": rt.store.now().isoformat()})


def openapi(request: Request) -> JSONResponse:
    return JSONResponse(request.app.state.openapi())


async def docs(request: Request) -> HTMLResponse:
    # Relative, so that it is found behind a proxy that puts a path in front.
    return get_swagger_ui_html(openapi_url="openapi.json", title=request.app.title)
