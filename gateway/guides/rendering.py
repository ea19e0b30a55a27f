"""Renders a page of `docs/` as HTML, with its sections for the search. It knows nothing of HTTP."""

import html
import itertools
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

# The limit of a section's text in the search index.
TEXT_CHARACTERS = 1500
_NOT_IN_A_NAME = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and the text below it. anchor: empty for the page's first heading."""

    anchor: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A rendered page. title: its first heading."""

    title: str
    body: str
    sections: tuple[Section, ...]


def rendered(text: str, *, base: str, pages: frozenset[str]) -> Rendered:
    """Render Markdown. HTML in it is shown as text. Headings get the same anchors as on GitHub.

    base: the path of the pages and their images. pages: their names without `.md`; a link to
    another file of the repository becomes plain text.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(_without_comments(text))
    _name_headings(tokens)
    for token in tokens:
        for child in token.children or ():
            _point(child, base=base, pages=pages)
    sections = tuple(_sections(tokens))
    title = sections[0].heading if sections else ""
    body = str(markdown.renderer.render(tokens, markdown.options, {}))
    return Rendered(title=title, body=body, sections=sections)


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return _NOT_IN_A_NAME.sub("", heading.strip().lower()).replace(" ", "-")


def _without_comments(text: str) -> str:
    return re.sub(r"^<!--.*?-->\n?", "", text, flags=re.MULTILINE | re.DOTALL)


def _name_headings(tokens: list[Token]) -> None:
    seen: dict[str, int] = {}
    for opening, content in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            name = slug(_text_of(content))
            number = seen.get(name, 0)
            seen[name] = number + 1
            opening.attrSet("id", f"{name}-{number}" if number else name)


def _point(token: Token, *, base: str, pages: frozenset[str]) -> None:
    """Change the target of a link or an image to the path where it is served."""
    if token.type == "link_open":
        path, _, anchor = str(token.attrGet("href") or "").partition("#")
        name = posixpath.basename(path).removesuffix(".md").lower()
        if path.startswith(("http://", "https://", "mailto:", "/")) or not path:
            return
        if path.endswith(".md") and name in pages:
            token.attrSet("href", f"{base}/{name}" + (f"#{anchor}" if anchor else ""))
        else:
            token.attrs.pop("href")
    elif token.type == "image":
        token.attrSet("src", f"{base}/{token.attrGet('src')}")


def _sections(tokens: list[Token]) -> Iterator[Section]:
    anchor = heading = ""
    words: list[str] = []
    is_heading = False
    for token in tokens:
        if token.type == "heading_open":
            if heading:
                yield _section(anchor, heading, words)
            anchor, words, is_heading = str(token.attrGet("id")), [], True
        elif is_heading:
            heading, is_heading = _text_of(token), False
        elif token.type in {"inline", "fence", "code_block"}:
            words.append(_text_of(token))
    if heading:
        yield _section(anchor, heading, words)


def _section(anchor: str, heading: str, words: list[str]) -> Section:
    text = " ".join(" ".join(words).split())
    return Section(anchor=anchor, heading=heading, text=text[:TEXT_CHARACTERS])


def _text_of(token: Any) -> str:
    if not token.children:
        return html.unescape(str(token.content))
    return "".join(
        " " if child.type in {"softbreak", "hardbreak"} else child.content
        for child in token.children
    )
