"""Pages for a browser: the first page, and the reference of each API.

The gateway serves everything that a page needs, so the pages work without the internet.
"""

import functools
import html
from collections.abc import Callable, Mapping
from importlib.metadata import distribution
from pathlib import Path
from string import Template
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from kernel.version import VERSION

INDEX, ASSETS_PATH = "/", "/docs/assets"
# The links of the first page: path → text.
LINKS: Mapping[str, str] = {
    "/console": "Console: orders, disputes, withdrawals and webhooks, to look at and decide",
    "/docs/guides": "Guides: how to use and run it, with search",
    "/docs": "Marketplace API: every route, to try",
    "/redoc": "Marketplace API: to read",
    "/openapi.json": "Marketplace API: OpenAPI document",
    "/asyncapi.json": "Events on NATS, in the stream and in webhooks: AsyncAPI document",
    "/docs/party": "Party API: every route, to try",
    "/redoc/party": "Party API: to read",
    "/party/openapi.json": "Party API: OpenAPI document",
    "/api/v1/health": "Health: is the gateway alive",
    "/api/v1/health/detailed": "Health: is every part ready",
}
# Files of the package offapi. The package is not imported: it would read all its files into memory.
ASSETS = ("swagger_bundle.js", "swagger_style.css", "redoc.js")
_ICON_PATH = f"{ASSETS_PATH}/icon.svg"
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<rect width="16" height="16" rx="3" fill="#1f4e5f"/>'
    '<circle cx="8" cy="8" r="4.5" fill="none" stroke="#fff" stroke-width="2"/></svg>'
)
_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<link rel="icon" href="$icon">
$head
</head>
<body>
$body
</body>
</html>
""")
_SWAGGER = Template("""<div id="swagger-ui"></div>
<script src="$assets/swagger_bundle.js"></script>
<script>
SwaggerUIBundle({
  url: "$openapi",
  dom_id: "#swagger-ui",
  layout: "BaseLayout",
  deepLinking: true,
  showExtensions: true,
  showCommonExtensions: true,
  presets: [SwaggerUIBundle.presets.apis],
})
</script>""")
_REDOC = Template("""<redoc spec-url="$openapi"></redoc>
<script type="module" src="$assets/redoc.js"></script>""")


def index() -> list[BaseRoute]:
    """Return the route of the first page, which links to all other pages."""
    items = "\n".join(
        f'<li><a href="{path}">{html.escape(text)}</a></li>' for path, text in LINKS.items()
    )
    body = (
        "<h1>Orchestrator</h1>\n<p>Holds the money of an order on a marketplace until the work is "
        f"done. Version {VERSION}.</p>\n<ul>\n{items}\n</ul>"
    )
    return [_page(INDEX, title="Orchestrator", body=body)]


def reference(
    *,
    title: str,
    document: Callable[[], Any],
    docs_path: str,
    redoc_path: str,
    openapi_path: str,
    links: Mapping[str, str],
) -> list[BaseRoute]:
    """Return the routes of an OpenAPI document and of the two pages that show it.

    document: returns the document; called once. links: name → path of the other view's pages.
    """

    async def icon(_request: Request) -> Response:
        return Response(_ICON, media_type="image/svg+xml")

    paths = {"openapi": openapi_path, "assets": ASSETS_PATH}
    nav = " ".join(f'<a href="{path}">{name}</a>' for name, path in links.items())
    nav = f"<nav>{nav}</nav>\n"
    style = f'<link rel="stylesheet" href="{ASSETS_PATH}/swagger_style.css">'
    return [
        document_route(openapi_path, document),
        _page(docs_path, title=title, head=style, body=nav + _SWAGGER.substitute(paths)),
        _page(
            redoc_path,
            title=title,
            head="<style>body { margin: 0; }</style>",
            body=nav + _REDOC.substitute(paths),
        ),
        Route(_ICON_PATH, icon),
        *map(_asset, ASSETS),
    ]


def document_route(path: str, document: Callable[[], Any]) -> Route:
    """Return the route of a JSON document. document: returns the document; called once."""
    content = functools.cache(lambda: orjson.dumps(document()))

    async def answer(_request: Request) -> Response:
        return Response(content(), media_type="application/json")

    return Route(path, answer)


def _page(path: str, *, title: str, body: str, head: str = "") -> Route:
    content = _PAGE.substitute(title=html.escape(title), icon=_ICON_PATH, head=head, body=body)

    async def page(_request: Request) -> HTMLResponse:
        return HTMLResponse(content)

    return Route(path, page)


def _asset(name: str) -> Route:
    file = Path(str(distribution("offapi").locate_file(f"offapi/{name}")))

    async def asset(_request: Request) -> FileResponse:
        return FileResponse(file)

    return Route(f"{ASSETS_PATH}/{name}", asset)
