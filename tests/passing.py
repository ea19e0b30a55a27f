"""Lets time pass for stored rows by moving their times back: the database's clock counts."""

import datetime as dt

import psycopg
from psycopg import sql

DAY = dt.timedelta(hours=24)
# Tests stay this far away from a limit on both sides, because statements take time.
MOMENT = dt.timedelta(minutes=1)


def for_answers(url: str, time: dt.timedelta, *, schema: str) -> None:
    """Make stored answers older."""
    _move(url, schema, "idempotency", "created_at", time)


def for_orders(url: str, time: dt.timedelta) -> None:
    """Make orders rest longer in their states."""
    _move(url, "orders", "orders", "rests_since", time)


def for_offers(url: str, time: dt.timedelta) -> None:
    """Make offers older."""
    for column in ("created_at", "expires_at"):
        _move(url, "orders", "offers", column, time)


def _move(url: str, schema: str, table: str, column: str, time: dt.timedelta) -> None:
    """Move a column's times back. url: of a role that may change the table."""
    statement = sql.SQL("update {}.{} set {column} = {column} - %s").format(
        sql.Identifier(schema), sql.Identifier(table), column=sql.Identifier(column)
    )
    with psycopg.connect(url) as connection:
        connection.execute(statement, (time,))
