"""Fixtures of the console's proof: a real Chromium, and what its pages have asked and said."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.console.settings import CHROMIUM, IMAGES
from tests.e2e.test_webhooks import receiver
from tests.running_stack import RunningStack

__all__ = ["receiver"]

# Screenshots are shown in README: large enough to read, small enough to load.
BYTES_MAX = 150 * 1024
SIZES = {
    "desktop": {"width": 1280, "height": 800},
    "phone": {"width": 390, "height": 844},
}
_AXE = Path(
    str(distribution("axe-playwright-python").locate_file("axe_playwright_python/axe.min.js"))
).read_text()


@dataclass(slots=True)
class Visit:
    """A page of the console, with all that it has asked, and all that went wrong in it."""

    page: Page
    stack: RunningStack
    url: str
    size: str
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def sign_in(self, key: str) -> None:
        """Open a sign-in link; the key must be gone from the address at once."""
        await self.page.goto(f"{self.url}/console#key={key}")
        await self.page.get_by_role("navigation", name="Views").wait_for()
        assert key not in self.page.url

    async def go(self, place: str) -> None:
        """Go to a view by its address."""
        await self.page.evaluate("place => { location.hash = place }", f"#/{place}")

    async def check_access(self, *, name: str) -> None:
        """Look for serious faults that keep people out, in both colour schemes."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(_AXE)
        # Colours are all that differs in the other scheme.
        for scheme, only in (("dark", ["color-contrast"]), ("light", None)):
            await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            options = {"resultTypes": ["violations"], **({"runOnly": only} if only else {})}
            found = await self.page.evaluate("given => axe.run(document, given)", options)
            serious = [
                f"{one['id']}: {node['html']} {node['any'][:1]}"
                for one in found["violations"]
                if one["impact"] in {"serious", "critical"}
                for node in one["nodes"]
            ]
            assert serious == [], f"{name}, {self.size}, {scheme}"
        wide = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is {wide} pixels wider than a {self.size}"

    async def picture(self, name: str) -> None:
        """Write a screenshot."""
        IMAGES.mkdir(parents=True, exist_ok=True)
        path = IMAGES / f"console-{name}-{self.size}.png"
        await self.page.screenshot(path=path, animations="disabled", caret="hide")
        assert path.stat().st_size <= BYTES_MAX


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a window."""
    if not CHROMIUM:
        sys.exit("the console's proof needs Chromium: `chromium` in PATH, or CHROMIUM=<path>")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        await browser.close()


@pytest.fixture(params=list(SIZES))
async def visit(
    request: pytest.FixtureRequest, chromium: Browser, stack: RunningStack
) -> AsyncIterator[Visit]:
    """A new page of one size. At the end, nothing may have gone wrong in it."""
    async with _visit(chromium, stack, request.param) as opened:
        yield opened


@asynccontextmanager
async def _visit(chromium: Browser, stack: RunningStack, size: str) -> AsyncIterator[Visit]:
    context = await chromium.new_context(
        viewport=SIZES[size], locale="en-GB", timezone_id="UTC", reduced_motion="reduce"
    )
    context.set_default_timeout(30_000)
    page = await context.new_page()
    found = Visit(page=page, stack=stack, url=stack.url, size=size)

    def said(message: Any) -> None:
        # A refusal of the API is shown; the browser also notes it.
        if message.type == "error" and "Failed to load resource" not in message.text:
            found.wrong.append(message.text)

    page.on("request", lambda request: found.asked.append(request.url))
    page.on("console", said)
    page.on("pageerror", lambda error: found.wrong.append(str(error)))
    yield found
    await context.close()
    assert found.wrong == []
    origins = {f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in found.asked}
    assert origins == {stack.url}
    assert not [url for url in found.asked if "ohk_" in url]
