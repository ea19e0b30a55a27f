"""Pages for a browser: where to begin, and each API's reference, without any network.

Everything that a page needs comes from the gateway itself.
"""

import html
from collections.abc import Mapping
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from kernel.version import VERSION

INDEX, ASSETS_PATH = "/", "/docs/assets"
# What the first page leads to, path → what is there.
LINKS: Mapping[str, str] = {
    "/docs": "Marketplace API: every route, to try",
    "/redoc": "Marketplace API: to read",
    "/openapi.json": "Marketplace API: OpenAPI document",
    "/docs/party": "Party API: every route, to try",
    "/redoc/party": "Party API: to read",
    "/party/openapi.json": "Party API: OpenAPI document",
    "/api/v1/health": "Health: is the gateway alive",
    "/api/v1/health/detailed": "Health: is every part ready",
}
_ASSETS = Path(fastapi_offline.__file__).parent / "static"
_ICON = f"{ASSETS_PATH}/favicon.png"


def add_index(app: FastAPI) -> None:
    """Give an app the first page, which leads to all others."""
    items = "\n".join(
        f'<li><a href="{path}">{html.escape(text)}</a></li>' for path, text in LINKS.items()
    )
    _add(
        app,
        INDEX,
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Orchestrator</title>
<link rel="icon" href="{_ICON}">
</head>
<body>
<h1>Orchestrator</h1>
<p>Holds the money of an order on a marketplace until the work is done. Version {VERSION}.</p>
<ul>
{items}
</ul>
</body>
</html>
""",
    )


def add_reference(
    app: FastAPI,
    *,
    docs_path: str,
    redoc_path: str,
    openapi_path: str,
    links: Mapping[str, str],
) -> None:
    """Give an app the two pages that show its OpenAPI document, and their scripts and styles.

    links: name → path of the pages of other views.
    """
    app.mount(ASSETS_PATH, StaticFiles(directory=_ASSETS), name="docs-assets")
    shown = get_swagger_ui_html(
        openapi_url=openapi_path,
        title=app.title,
        swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
        swagger_favicon_url=_ICON,
    )
    _add(app, docs_path, _with_links(shown, links))
    read = get_redoc_html(
        openapi_url=openapi_path,
        title=app.title,
        redoc_js_url=f"{ASSETS_PATH}/redoc.standalone.js",
        redoc_favicon_url=_ICON,
        with_google_fonts=False,
    )
    _add(app, redoc_path, _with_links(read, links))


def _with_links(page: HTMLResponse, links: Mapping[str, str]) -> str:
    others = " ".join(f'<a href="{path}">{name}</a>' for name, path in links.items())
    return bytes(page.body).decode().replace("<body>", f"<body><nav>{others}</nav>")


def _add(app: FastAPI, path: str, content: str) -> None:
    async def page(_request: Request) -> HTMLResponse:
        return HTMLResponse(content)

    app.add_route(path, page, include_in_schema=False)
