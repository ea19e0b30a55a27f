"""Serves the console's files: each by its own path, with a strict content policy and an ETag.

The files are read once. A path is served only if its file is in the package, so no path of a
request ever reaches the file system. The pages of the APIs are in `gateway.pages`.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

PATH = "/console"
FOLDER = Path(__file__).with_name("static")
INDEX, SETTINGS = "index.html", "settings.json"
TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# A page of the console may load and call this origin alone, and nothing may frame it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # A browser keeps a file and asks whether it is still the same, so a release is seen at once.
    "cache-control": "no-cache",
}
NOT_MODIFIED = 304


def routes(*, explorer_url: str = "") -> list[BaseRoute]:
    """Return a route for each file, and one for what the console is told.

    The first page has the path of the console itself. explorer_url: where the network is shown;
    empty: nowhere.
    """
    files = sorted(file for file in FOLDER.rglob("*") if file.suffix in TYPES)
    told = orjson.dumps({"explorerUrl": explorer_url.rstrip("/")})
    return [
        _route(SETTINGS, told, media_type="application/json"),
        *(_file_route(file) for file in files),
    ]


def _file_route(file: Path) -> Route:
    name = file.relative_to(FOLDER).as_posix()
    return _route("" if name == INDEX else name, file.read_bytes(), media_type=TYPES[file.suffix])


def _route(name: str, content: bytes, *, media_type: str) -> Route:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**HEADERS, "etag": tag}

    async def serve(request: Request) -> Response:
        known = request.headers.get("if-none-match", "")
        if tag in {one.strip().removeprefix("W/") for one in known.split(",")}:
            return Response(status_code=NOT_MODIFIED, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Route(f"{PATH}/{name}".rstrip("/"), serve)
