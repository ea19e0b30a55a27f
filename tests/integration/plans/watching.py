"""What statements of a database read, as its server's auto_explain writes it into the log."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.conftest import TestDatabase

_SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_nested_statements": "on",
    "plan_cache_mode": "force_generic_plan",
}
# The server puts a tab before each further line of a message.
_PLAN = re.compile(rb" plan:\n(\t\{\n(?:\t .*\n)+\t\}\n)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement that ran. pages: those it looked at, from memory or not."""

    text: str
    pages: int
    rows: int
    plan: str

    @property
    def name(self) -> str:
        """Its text on one line."""
        return " ".join(self.text.split())


def watch(database: TestDatabase) -> None:
    """Let the server write down the plans of connections that are made from now on."""
    with psycopg.connect(database.url(), autocommit=True) as connection:
        for name, value in _SETTINGS.items():
            statement = sql.SQL("alter database {} set {} = {}").format(
                sql.Identifier(database.name), sql.SQL(name), sql.Literal(value)
            )
            connection.execute(statement)


class Log:
    """A server's log, read on from where it was read last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = path.stat().st_size

    def statements(self) -> list[Statement]:
        """Return what ran since the last call."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        plans = list(_PLAN.finditer(text))
        # What is being written is read whole the next time.
        self._read += plans[-1].end() if plans else 0
        return [_statement(json.loads(plan[1])) for plan in plans]


def _statement(told: dict[str, Any]) -> Statement:
    top = told["Plan"]
    return Statement(
        text=told["Query Text"],
        pages=top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        rows=int(top["Actual Rows"]),
        plan=json.dumps(top, indent=1),
    )
