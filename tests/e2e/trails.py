"""The audit trail of a running stack, as a test reads it."""

import re
from typing import Any

import httpx

from deploy.local.settings import ROOT


async def lines(client: httpx.AsyncClient, **filters: str) -> list[dict[str, Any]]:
    """Read the whole trail through its pages, newest first. filters: by their parameters."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        wanted = {**filters, "limit": "100", **({"cursor": cursor} if cursor else {})}
        answer = await client.get("/audit", params=wanted)
        page = answer.json()
        assert answer.status_code == 200, answer.text
        found += page["data"]
        cursor = page["nextCursor"]
    return found


def named(operation: str) -> dict[str, str]:
    """Return the header by which a line is known to be of an operation: "POST /api/v1/orders"."""
    return {"X-Request-Id": operation.replace(" ", ":")}


def operations(found: list[dict[str, Any]]) -> set[str]:
    """Return the operations that lines are of, where their requests were named so."""
    return {str(line["requestId"] or "").replace(":", " ", 1) for line in found}


def documented() -> set[str]:
    """Return the actions that the page of the marketplace API lists."""
    page = (ROOT / "docs" / "marketplace.md").read_text(encoding="utf-8")
    section = page.partition("## Audit trail")[2].partition("\n## ")[0]
    return set(re.findall(r"`([a-z_]+\.[a-z_]+)`", section))


def mutating(document: dict[str, Any]) -> set[str]:
    """Return every operation of an OpenAPI document that changes something."""
    return {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
        if method in {"post", "put", "patch", "delete"}
    }
