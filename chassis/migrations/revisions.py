"""The applied revision of each schema, read from the database."""

from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

CONNECT_SECONDS = 10


def applied(database_url: str, schemas: Mapping[str, Path]) -> dict[str, str]:
    """Return the applied revision of each schema in a database; "" for a schema without one.

    database_url: with a role that may read the schemas. Raises: psycopg.Error.
    """
    found: dict[str, str] = {}
    with psycopg.connect(database_url, connect_timeout=CONNECT_SECONDS, autocommit=True) as there:
        for schema in schemas:
            statement = sql.SQL("select version_num from {}.alembic_version").format(
                sql.Identifier(schema)
            )
            try:
                row = there.execute(statement).fetchone()
            except psycopg.errors.UndefinedTable:
                row = None
            found[schema] = "" if row is None else str(row[0])
    return found
