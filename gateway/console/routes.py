"""Serves the console's files, each at its own path. The files are read once.

Pages of the APIs are served by `gateway.pages`, the guides by `gateway.guides`.
"""

from pathlib import Path

import orjson
from starlette.routing import BaseRoute, Route

from gateway.static_files import TYPES, file_route

PATH = "/console"
FOLDER = Path(__file__).with_name("static")
INDEX, SETTINGS = "index.html", "settings.json"


def routes(*, explorer_url: str = "") -> list[BaseRoute]:
    """Return a route for each file, and one for the console's configuration.

    The console's first page has the path of the console itself. explorer_url: the block explorer to
    link to; empty: no links.
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
    return file_route(f"{PATH}/{name}".rstrip("/"), content, media_type=media_type)
