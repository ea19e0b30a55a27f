"""The documents match the code: their files, commands, events, settings and reasons exist."""

import importlib
import pathlib
import re
from typing import Any

import pytest
from google.protobuf.descriptor import FileDescriptor
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from kernel.errors import KINDS
from services.ledger import invariants
from tools import catalogue, draw

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FILE = re.compile(r"`([\w./*-]+\.(?:py|md|proto|toml|lock|yaml)|[\w./-]+/)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MAKE = re.compile(r"(?:^|`)make ([a-z0-9-]+)", re.MULTILINE)
TOLD = re.compile(r"^// ([a-z_]+\.[a-z_]+)[^{]*?^message (\w+)", re.MULTILINE | re.DOTALL)
REASON = re.compile(r"\b[A-Z]{3,}(?:_[A-Z]+)+\b")
# Folders that appear when something runs.
MADE = (".run/", ".venv/")
SERVICES = ("orders", "ledger", "escrow", "disputes", "webhooks")


def name(page: pathlib.Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text(page: pathlib.Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(draw.pages()), ids=name)
def test_a_drawn_page_is_what_the_code_says(page: pathlib.Path) -> None:
    assert text(page) == draw.pages()[page](), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_a_document_names_is_there(page: pathlib.Path) -> None:
    known = {path.name for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
    missing = [
        file
        for file in FILE.findall(text(page))
        if not file.startswith(MADE)
        and not any(ROOT.glob(file.strip("/")))
        and not any((ROOT / "services").glob(f"*/{file.strip('/')}"))
        and not any((ROOT / "services").glob(f"*/{file.strip('/')}/"))
        and file not in known
    ]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_of_a_document_leads_somewhere(page: pathlib.Path) -> None:
    links = [link for link in LINK.findall(text(page)) if "://" not in link]

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_command_a_document_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    named = {target for page in PAGES for target in MAKE.findall(text(page))}

    assert named - targets == set()
    assert {"demo", "run", "test", "check", "reconcile", "docs"} <= named


def events() -> dict[str, set[str]]:
    """Map each event's type to the camelCase names of its payload, from the contracts."""
    found: dict[str, set[str]] = {}
    for service in SERVICES:
        source = text(ROOT / f"protos/orchestrator/{service}/v1/events.proto")
        module = importlib.import_module(f"orchestrator.{service}.v1.events_pb2")
        contract: FileDescriptor = module.DESCRIPTOR
        commented = TOLD.findall(source)
        for event_type, message in commented:
            fields = contract.message_types_by_name[message].fields
            found[event_type] = {field.json_name for field in fields}
        assert len(commented) == len(contract.message_types_by_name)
    return found


@pytest.mark.parametrize(("event_type", "fields"), sorted(events().items()))
def test_every_event_is_documented_with_its_payload(event_type: str, fields: set[str]) -> None:
    rows = re.findall(rf"^\| `{re.escape(event_type)}` \|([^|]*)\|", EVENTS_PAGE, re.MULTILINE)

    assert len(rows) == 1
    assert set(re.findall(r"`(\w+)`", rows[0])) == fields


def test_no_event_is_documented_that_the_contracts_do_not_have() -> None:
    assert set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", EVENTS_PAGE, re.MULTILINE)) == set(
        events()
    )


EVENTS_PAGE = text(ROOT / "docs/events.md")


def test_every_invariant_is_in_the_page_about_money() -> None:
    checked = {name.split()[0] for name in invariants.CHECKS}

    assert set(re.findall(r"^\| (I\d+) \|", text(ROOT / "docs/money.md"), re.MULTILINE)) == checked


def test_every_reason_the_contracts_promise_is_in_the_catalogue() -> None:
    promised: set[str] = set()
    for service in SERVICES:
        source = text(ROOT / f"protos/orchestrator/{service}/v1/{service}.proto")
        for comment in re.findall(r"((?:^ *//.*\n)+)", source, re.MULTILINE):
            _, found, reasons = comment.partition("easons: ")
            if found:
                promised |= set(REASON.findall(reasons))

    assert len(promised) > 30
    assert promised - catalogue.reasons() - set(KINDS) == set()


def settings() -> list[tuple[str, str]]:
    """List every setting of the programs with its default ("" where it is required)."""
    found: dict[tuple[str, str], None] = {}
    for module in [*(f"services.{service}.settings" for service in SERVICES), "gateway.settings"]:
        for cls in vars(importlib.import_module(module)).values():
            if isinstance(cls, type) and issubclass(cls, BaseSettings):
                for field, info in cls.model_fields.items():
                    found[field.upper(), spelled(info.default)] = None
    return sorted(found)


def spelled(default: Any) -> str:
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    return "" if default is PydanticUndefined or default is None else str(default)


@pytest.mark.parametrize(("setting", "default"), settings())
def test_every_setting_is_in_the_readme_with_its_default(setting: str, default: str) -> None:
    row = re.compile(rf"^\| `{setting}` \|[^|]*\|([^|]*)\|", re.MULTILINE)
    rows = row.findall(text(ROOT / "README.md"))

    assert rows, "no row in the table of settings"
    assert any(default == row.strip().strip("`") for row in rows)
