"""What the HTTP process tells about itself: whether it can work, and what it offers.

The pages of /docs load nothing from elsewhere: they work on a machine without internet, and tell nobody who reads them.
"""

from importlib.resources import as_file, files
from typing import Final

from fastapi import Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse

from worker.runtime.bootstrap import Runtime
from worker.schema.errors import NotFound

_SCRIPT, _STYLE, _ICON = "swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"
_ASSETS: Final = frozenset({_SCRIPT, _STYLE, _ICON})


def health(request: Request) -> JSONResponse:
    rt: Runtime = request.app.state.rt
    return JSONResponse({"status": "ok", "databaseTime": rt.store.now().isoformat()})


def openapi(request: Request) -> JSONResponse:
    return JSONResponse(request.app.state.openapi())


async def docs(request: Request) -> HTMLResponse:
    # Relative, so that it is found behind a proxy that puts a path in front.
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title=request.app.title,
        swagger_js_url=f"docs/{_SCRIPT}",
        swagger_css_url=f"docs/{_STYLE}",
        swagger_favicon_url=f"docs/{_ICON}",
    )


def asset(asset: str) -> FileResponse:
    """What the page of /docs loads. Raises NotFound."""
    if asset not in _ASSETS:
        raise NotFound("there is nothing at this address; /docs shows what there is")
    with as_file(files("fastapi_offline") / "static" / asset) as path:
        return FileResponse(path, headers={"Cache-Control": "max-age=86400"})
