"""Serves the guides: one page per file of `docs/`, their pictures, and the search index.

A page is rendered at its first request. If the program has no `docs/` beside it, there are no
guides. The references of the APIs are served by `gateway.pages`.
"""

import asyncio
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.static_files import TYPES, answer, file_route
from kernel.version import VERSION

if TYPE_CHECKING:
    from gateway.guides.rendering import Rendered

PATH = "/docs/guides"
ROOT = Path(__file__).parents[2]
STATIC = Path(__file__).with_name("static")
# The order of the pages. Pages that are not listed come last.
GROUPS: Mapping[str, Sequence[str]] = {
    "Start": ("marketplace", "party", "client", "cli", "testing", "mainnet"),
    "Build": ("webhooks", "events", "support", "exports", "grpc"),
    "Understand": ("money", "states", "errors", "glossary"),
    "Run": ("console", "operator", "audit", "runbook", "metrics", "scaling"),
    "Releases": ("versioning", "changelog"),
}
OTHERS = "More"
_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title · Orchestrator</title>
<link rel="icon" href="/docs/assets/icon.svg">
<link rel="stylesheet" href="$base/guides.css">
<script type="module" src="$base/search.js"></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<a class="brand" href="/">Orchestrator</a> <span class="version">$version</span>
<form role="search"><input id="search" type="search" autocomplete="off" placeholder="Search ( / )"
 aria-label="Search the guides" aria-controls="found"></form>
<a href="/docs">Marketplace API</a> <a href="/docs/party">Party API</a>
<a href="/console">Console</a>
</header>
<ol id="found" aria-label="Results" aria-live="polite" hidden></ol>
<div class="columns">
<nav aria-label="Guides">$nav</nav>
<main id="content">
$body
</main>
</div>
</body>
</html>
""")


@dataclass(slots=True)
class Guides:
    """The pages of a folder. files: name → Markdown file."""

    files: Mapping[str, Path]
    _made: dict[str, "Rendered"] = field(default_factory=dict)

    def page(self, name: str) -> bytes:
        """Return the HTML of a page."""
        made = self._rendered(name)
        return self._framed(made.title, made.body)

    def index(self) -> bytes:
        """Return the HTML of the first page."""
        body = f"<h1>Guides</h1>\n{self._links('h2')}"
        return self._framed("Guides", body)

    def search(self) -> bytes:
        """Return the search index: a JSON list of sections."""
        return orjson.dumps(
            [
                {
                    "page": self._rendered(name).title,
                    "path": f"{PATH}/{name}" + (f"#{one.anchor}" if number else ""),
                    "heading": one.heading,
                    "text": one.text,
                }
                for name in self.files
                for number, one in enumerate(self._rendered(name).sections)
            ]
        )

    def _rendered(self, name: str) -> "Rendered":
        # Imported at the first use: a gateway whose guides are not read does not load the library.
        from gateway.guides.rendering import rendered  # noqa: PLC0415

        if name not in self._made:
            text = self.files[name].read_text(encoding="utf-8")
            self._made[name] = rendered(text, base=PATH, pages=frozenset(self.files))
        return self._made[name]

    def _framed(self, title: str, body: str) -> bytes:
        page = _PAGE.substitute(
            title=html.escape(title),
            base=PATH,
            version=VERSION,
            nav=self._links("p"),
            body=body,
        )
        return page.encode()

    def _links(self, heading: str) -> str:
        named = {name for names in GROUPS.values() for name in names}
        groups = {**GROUPS, OTHERS: tuple(sorted(self.files.keys() - named))}
        found = []
        for group, names in groups.items():
            items = "".join(
                f'<li><a href="{PATH}/{name}">{html.escape(self._rendered(name).title)}</a></li>'
                for name in names
                if name in self.files
            )
            if items:
                found.append(f"<{heading}>{group}</{heading}><ul>{items}</ul>")
        return "\n".join(found)


def routes(root: Path = ROOT) -> list[BaseRoute]:
    """Return the routes of the guides. root: the folder that contains `docs/`."""
    folder = root / "docs"
    files = {file.stem: file for file in sorted(folder.glob("*.md"))}
    if not files:
        return []
    changes = root / "CHANGELOG.md"
    guides = Guides({**files, "changelog": changes} if changes.is_file() else files)

    async def index(request: Request) -> Response:
        return await _made(request, guides.index, kind=".html")

    async def search(request: Request) -> Response:
        return await _made(request, guides.search, kind=".json")

    def page(name: str) -> Route:
        async def show(request: Request) -> Response:
            return await _made(request, lambda: guides.page(name), kind=".html")

        return Route(f"{PATH}/{name}", show)

    pictures = sorted(one for one in folder.rglob("*") if one.suffix in {".png", ".svg"})
    return [
        Route(PATH, index),
        Route(f"{PATH}/search.json", search),
        *(_file(one, one.relative_to(STATIC)) for one in sorted(STATIC.iterdir())),
        *map(page, guides.files),
        *(_file(one, one.relative_to(folder)) for one in pictures),
    ]


def _file(file: Path, name: Path) -> Route:
    return file_route(f"{PATH}/{name.as_posix()}", file.read_bytes(), media_type=TYPES[file.suffix])


async def _made(request: Request, make: Callable[[], bytes], *, kind: str) -> Response:
    """Answer with a page that is rendered in a thread, so that other requests do not wait."""
    return answer(request, await asyncio.to_thread(make), media_type=TYPES[kind])
