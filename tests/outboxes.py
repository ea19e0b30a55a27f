"""Events as an outbox keeps them, with the body that subscribers read."""

import json
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from chassis.outbox import STORED, Event, Stored, body_of, rows, whole


def kept(url: str, schema: str, where: LiteralString = "", *values: object) -> list[dict[str, Any]]:
    """Read the bodies of a schema's events by id. where: a condition, with its values."""
    columns: LiteralString = STORED
    condition: LiteralString = where or "true"
    statement = sql.SQL("select {} from {} where {} order by id").format(
        sql.SQL(columns), sql.Identifier(schema, "outbox"), sql.SQL(condition)
    )
    with psycopg.connect(url, row_factory=namedtuple_row) as connection:
        found = connection.execute(statement, values)
        return [json.loads(body_of(cast("Stored", row))) for row in found]


def body(event: Event) -> bytes:
    """Return the body of an event that is not stored."""
    [row] = rows([event])
    return whole(row).body.encode()
