"""Reads the code blocks of a page (docs/runbook.md by default), and runs them as a reader would."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from deploy.local.settings import ROOT, child_environment

SECONDS = 300
# After the language: `elsewhere`, if a block needs what a test does not have (its own terminal,
# another deployment, a program that is not installed).
_BLOCK = re.compile(r"^```([a-z]*)( elsewhere)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A refusal ends the run of a page, because a reader could not continue either.
_STRICT = 'set -euo pipefail\ncurl() { command curl --fail-with-body -S "$@"; }\n'
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of a page. number: its index among the section's blocks of its language, from 0.

    is_elsewhere: the page marks the block as one that a test cannot run.
    """

    section: str
    language: str
    number: int
    text: str
    is_elsewhere: bool

    @property
    def name(self) -> tuple[str, int]:
        """Return the section and the number."""
        return self.section, self.number


def blocks(language: str, *, path: Path = ROOT / "docs" / "runbook.md") -> list[Block]:
    """Read the page's blocks of a language."""
    text = path.read_text()
    parts = _SECTION.split(text)
    sections = [("", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    found = []
    for section, body in sections:
        texts = [
            (text, bool(mark)) for named, mark, text in _BLOCK.findall(body) if named == language
        ]
        found += [
            Block(section=section, language=language, number=number, text=one, is_elsewhere=mark)
            for number, (one, mark) in enumerate(texts)
        ]
    return found


def shell(section: str, number: int = 0) -> str:
    """Return a shell block of the page."""
    [found] = [block for block in blocks("sh") if block.name == (section, number)]
    return found.text


def typed(
    section: str, number: int = 0, *, run_dir: Path, **values: str
) -> subprocess.CompletedProcess[str]:
    """Run a shell block in the project's folder. values: the block's variables."""
    return subprocess.run(
        command(section, number),
        env=environment(run_dir, values),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def command(section: str, number: int = 0) -> list[str]:
    """Return the program that a shell block is. An unset variable is an error."""
    return ["bash", "-euo", "pipefail", "-c", shell(section, number)]


def typed_through(
    path: Path, *, run_dir: Path, places: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run every shell block of a page in one shell, in their order.

    places: the addresses and files to use instead of the page's, by the page's text.
    """
    text = "\n".join(block.text for block in blocks("sh", path=path) if not block.is_elsewhere)
    for printed, here in places.items():
        text = text.replace(printed, here)
    return subprocess.run(
        ["bash", "-c", _STRICT + text],
        env=environment(run_dir, {"XDG_CONFIG_HOME": str(run_dir / "config")}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def environment(run_dir: Path, values: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an operator's shell, without the variables that make sets."""
    named = child_environment(RUN_DIR=str(run_dir), **values)
    return {name: value for name, value in named.items() if not name.startswith("MAKE")}


def asked(block: Block, *, database_url: str) -> list[list[tuple[Any, ...]]]:
    """Run an SQL block in a read-only transaction; returns the rows of each statement."""
    statements = [text.encode() for text in block.text.split(";") if text.strip()]
    with psycopg.connect(database_url) as connection:
        connection.execute("set transaction read only")
        return [connection.execute(statement).fetchall() for statement in statements]
