"""The console's files: what is served, how, and what they may not contain."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from gateway.console import routes as console
from gateway.static_files import POLICY, TYPES

FILES = sorted(file for file in console.FOLDER.rglob("*") if file.is_file())
CONTENT = {file: file.read_bytes() for file in FILES}
SCRIPTS = [file for file in FILES if file.suffix == ".js"]
LINES_MAX = 400
# The name of a picture's language is written like an address; nothing is ever asked there.
NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
# Ways to turn text into HTML, code or a style.
READS_TEXT_AS_CODE = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
    r"|setHTML|\beval\b|new Function|srcdoc|\bstyle=|localStorage|document\.cookie"
)


def address(file: Path) -> str:
    name = file.relative_to(console.FOLDER).as_posix()
    return console.PATH if name == console.INDEX else f"{console.PATH}/{name}"


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=console.routes())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


@pytest.mark.parametrize("file", FILES, ids=address)
async def test_every_file_is_served_with_its_type_policy_and_tag(
    browser: httpx.AsyncClient, file: Path
) -> None:
    answer = await browser.get(address(file))
    again = await browser.get(address(file), headers={"if-none-match": answer.headers["etag"]})
    other = await browser.get(address(file), headers={"if-none-match": '"another"'})

    assert answer.status_code == 200
    assert answer.content == CONTENT[file]
    assert answer.headers["content-type"] == TYPES[file.suffix]
    for found in (answer, again, other):
        assert found.headers["content-security-policy"].startswith("default-src 'none'; ")
        assert "unsafe" not in found.headers["content-security-policy"]
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["referrer-policy"] == "no-referrer"
        assert found.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")
    assert other.status_code == 200
    assert (await browser.post(address(file))).status_code == 405


@pytest.mark.parametrize("told", ["", "https://explorer.example/test/"])
async def test_console_settings_have_the_configured_explorer_url(told: str) -> None:
    app = Starlette(routes=console.routes(explorer_url=told))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://gateway"
    ) as client:
        answer = await client.get("/console/settings.json")

    assert answer.json() == {"explorerUrl": told.rstrip("/")}
    assert answer.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize(
    "path",
    [
        "/console/index.html",
        "/console/views",
        "/console/no.js",
        "/console/routes.py",
        "/console/__init__.py",
        "/console//app.js",
        "/console/%2e%2e/routes.py",
        "/console/..%2froutes.py",
        "/console/views/..%2f..%2froutes.py",
        "/console/..%5croutes.py",
        "/console/app.js%00",
    ],
)
async def test_nothing_else_is_served(browser: httpx.AsyncClient, path: str) -> None:
    url = httpx.URL("http://gateway").copy_with(raw_path=path.encode())

    assert (await browser.get(url)).status_code == 404


@pytest.mark.parametrize("file", FILES, ids=address)
def test_no_file_names_another_origin_or_evaluates_text(file: Path) -> None:
    text = file.read_text().replace(NAMESPACE, "")

    assert re.findall(r"""(?:[a-z]+:)?//[a-z0-9.-]+\.[a-z]{2,}""", text) == []
    assert READS_TEXT_AS_CODE.findall(text) == []


@pytest.mark.parametrize("file", SCRIPTS, ids=address)
def test_modules_are_short_and_documented_and_import_existing_files(file: Path) -> None:
    text = file.read_text()

    assert text.startswith("// ")
    assert len(text.splitlines()) <= LINES_MAX
    for name in re.findall(r"""from "([^"]+)";""", text):
        assert (file.parent / name).is_file(), name


async def test_page_has_no_inline_code_or_style(browser: httpx.AsyncClient) -> None:
    page = (await browser.get(console.PATH)).text

    assert re.findall(r"<script[^>]*>[^<]+</script>|<style|\son\w+=", page) == []
    for link in re.findall(r"""(?:src|href)="(/[^"]+)\"""", page):
        assert (await browser.get(link)).status_code == 200, link


def test_every_view_of_the_menu_has_its_module() -> None:
    places = (console.FOLDER / "places.js").read_text()

    names = re.findall(r"""load\("(\w+)"\)""", places)

    assert names
    for name in names:
        assert (console.FOLDER / "views" / f"{name}.js").is_file(), name
    keys = re.findall(r"""key: "(\w)\"""", places)
    assert len(keys) == len(set(keys))
