"""Files for a browser: each at its own path, with a strict content policy and an ETag.

The path of a request is never used in the file system: only declared files are found.
"""

import hashlib
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}
# A page may load and call only this origin, and no page may embed it in a frame.
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
    # A browser keeps a file but asks each time whether it has changed, so a release is seen at
    # once.
    "cache-control": "no-cache",
}
NOT_MODIFIED = 304


def file_route(path: str, content: bytes, *, media_type: str) -> Route:
    """Return the route of one file."""

    async def serve(request: Request) -> Response:
        return answer(request, content, media_type=media_type)

    return Route(path, serve)


def answer(request: Request, content: bytes, *, media_type: str) -> Response:
    """Answer with a file, or with 304 if the browser already has it."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**HEADERS, "etag": tag}
    known = request.headers.get("if-none-match", "")
    if tag in {one.strip().removeprefix("W/") for one in known.split(",")}:
        return Response(status_code=NOT_MODIFIED, headers=headers)
    return Response(content, headers=headers, media_type=media_type)
