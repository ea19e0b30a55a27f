"""The guides: every page of docs/ is served, its links work, and search finds its text."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from gateway.guides import rendering
from gateway.guides import routes as guides
from gateway.static_files import POLICY

DOCS = guides.ROOT / "docs"
NAMES = [*sorted(file.stem for file in DOCS.glob("*.md")), "changelog"]
PAGES = frozenset({"money", "events"})


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Starlette(routes=guides.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def test_every_page_is_listed_and_has_a_title(browser: httpx.AsyncClient) -> None:
    index = await browser.get(guides.PATH)

    assert index.headers["content-security-policy"] == POLICY
    for name in NAMES:
        assert f'href="{guides.PATH}/{name}"' in index.text, name
        page = await browser.get(f"{guides.PATH}/{name}")
        assert page.status_code == 200
        assert "<title> ·" not in page.text
        again = await browser.get(
            f"{guides.PATH}/{name}", headers={"if-none-match": page.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")


async def test_every_link_and_picture_of_a_page_exists(browser: httpx.AsyncClient) -> None:
    texts = {name: (await browser.get(f"{guides.PATH}/{name}")).text for name in NAMES}
    lost = []
    for name, text in texts.items():
        for target in re.findall(r'(?:href|src)="([^"]*)"', text):
            if not target.startswith((guides.PATH, "#")):
                # Pages beside the guides, and other sites, which only a link may name.
                assert target.startswith(("/", "http")), target
                continue
            path, _, anchor = target.partition("#")
            other = texts.get(path.rpartition("/")[2], "") if path else text
            is_there = (
                f'id="{anchor}"' in other
                if anchor
                else (await browser.get(path)).status_code == 200
            )
            if not is_there:
                lost.append((name, target))

    assert lost == []


async def test_pages_load_nothing_from_elsewhere(browser: httpx.AsyncClient) -> None:
    for name in NAMES:
        text = (await browser.get(f"{guides.PATH}/{name}")).text
        assert not re.search(r'src="(?!/docs/)', text), name
        assert "<script>" not in text
        assert " style=" not in text.replace("style=&quot;", "")


async def test_search_index_has_every_page_and_heading(browser: httpx.AsyncClient) -> None:
    found = (await browser.get(f"{guides.PATH}/search.json")).json()

    assert {one["path"].partition("#")[0] for one in found} == {
        f"{guides.PATH}/{name}" for name in NAMES
    }
    assert all(one["heading"] and one["page"] for one in found)
    assert all(len(one["text"]) <= rendering.TEXT_CHARACTERS for one in found)
    assert any("`" not in one["text"] and "Idempotency-Key" in one["text"] for one in found)


async def test_state_machines_are_shown_as_pictures(browser: httpx.AsyncClient) -> None:
    text = (await browser.get(f"{guides.PATH}/states")).text

    shown = re.findall(r'<img src="([^"]*)" alt="([^"]+)"', text)
    assert [Path(source).stem.removeprefix("states-") for source, _ in shown] == [
        "order",
        "offer",
        "withdrawal",
        "escrow",
        "dispute",
    ]
    for source, _ in shown:
        picture = await browser.get(source)
        assert picture.headers["content-type"] == "image/svg+xml"
        assert picture.headers["content-security-policy"] == POLICY
    assert "stateDiagram" not in text


@pytest.mark.parametrize("path", ["x", "../CHANGELOG.md", "%2e%2e/README.md", "reports/bench.md"])
async def test_nothing_else_of_the_folder_is_served(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(f"{guides.PATH}/{path}")).status_code == 404


def test_a_program_without_pages_has_no_guides(tmp_path: Path) -> None:
    assert guides.routes(tmp_path) == []


def test_html_of_a_page_is_text() -> None:
    made = rendering.rendered("# A\n\n<script>x</script> [y](javascript:z)", base="/d", pages=PAGES)

    assert "<script>" not in made.body
    assert 'href="javascript' not in made.body


def test_links_point_to_pages_or_become_text() -> None:
    text = "# A b\n\n[m](money.md#x-y) [e](EVENTS.md) [r](../README.md) [s](#a-b) ![p](i/p.png)"
    made = rendering.rendered(text, base="/d", pages=PAGES)

    assert made.title == "A b"
    assert re.findall(r'(?:href|src|id)="([^"]*)"', made.body) == [
        "a-b",
        "/d/money#x-y",
        "/d/events",
        "#a-b",
        "/d/i/p.png",
    ]


def test_anchors_are_those_of_github() -> None:
    made = rendering.rendered("# A\n\n## It's `x_y`, or: Z-1\n\n## A", base="", pages=PAGES)

    assert re.findall(r'id="([^"]*)"', made.body) == ["a", "its-x_y-or-z-1", "a-1"]
    assert [(one.anchor, one.heading) for one in made.sections][1] == (
        "its-x_y-or-z-1",
        "It's x_y, or: Z-1",
    )
