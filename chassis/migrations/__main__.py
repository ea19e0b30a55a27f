"""Apply every schema's migrations: `python -m chassis.migrations`, as a database administrator."""

import gc
import pathlib
import sys
import time

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError

from chassis import postgres_settings
from chassis.migrations.scripts import ENVIRONMENT, SCRIPTS
from chassis.settings import MigrationSettings, load

# One process at a time runs migrations; the others wait for this advisory lock.
LOCK = 727_274_001
AGAIN_SECONDS = 0.1
ENCODING = "UTF8"
_TAKE = sa.text("select pg_try_advisory_lock(:lock)")


class EncodingError(Exception):
    """The database's encoding cannot store every text."""


def upgrade_all(url: str) -> None:
    """Upgrade every schema to its newest revision; creates missing schemas and roles.

    url: postgresql:// of a role that may create schemas (and roles, if they are missing).
    Raises: EncodingError; DBAPIError.
    """
    conninfo = postgres_settings.conninfo(url)
    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(conninfo, client_encoding=ENCODING),
    )
    try:
        with engine.connect() as connection:
            found = connection.execute(sa.text("show server_encoding")).scalar_one()
            if found != ENCODING:
                raise EncodingError(f"the database is in {found}; make one in {ENCODING}")
            # Tried repeatedly instead of waiting inside one statement: `create index concurrently`
            # waits for every statement that began earlier, so it would wait for this process.
            while not connection.execute(_TAKE, {"lock": LOCK}).scalar_one():
                connection.commit()
                time.sleep(AGAIN_SECONDS)
            connection.commit()
            for schema, scripts in SCRIPTS.items():
                if scripts.is_dir():
                    _upgrade(connection, schema, scripts)
    finally:
        engine.dispose()


def _upgrade(connection: sa.Connection, schema: str, scripts: pathlib.Path) -> None:
    _prepare(connection, schema)
    config = Config()
    config.set_main_option("script_location", str(ENVIRONMENT))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(scripts))
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    config.attributes["is_new"] = _is_new(connection, schema)
    command.upgrade(config, "head")
    connection.execute(sa.text(f"grant select on {schema}.alembic_version to {schema}"))
    connection.commit()


def _prepare(connection: sa.Connection, schema: str) -> None:
    """Create the role and the schema; fails if a lock is not free for 4 seconds."""
    connection.execute(sa.text("set lock_timeout = '4s'"))
    found = sa.text("select 1 from pg_roles where rolname = :name")
    if connection.execute(found, {"name": schema}).first() is None:
        connection.execute(sa.text(f"create role {schema} login"))
    connection.execute(sa.text(f"create schema if not exists {schema}"))
    connection.execute(sa.text(f"grant usage on schema {schema} to {schema}"))
    connection.commit()


def _is_new(connection: sa.Connection, schema: str) -> bool:
    """Return whether no migration of a schema has run yet."""
    found = connection.execute(
        sa.text("select to_regclass(:name)"), {"name": f"{schema}.alembic_version"}
    )
    is_new = found.scalar_one() is None
    connection.commit()
    return is_new


def main() -> None:
    """Run from the command line; DATABASE_URL names the database."""
    settings = load(MigrationSettings, program="migrations")
    # Imported objects live until the end, so the garbage collector need not scan them.
    gc.freeze()
    try:
        upgrade_all(settings.database_url)
    except DBAPIError as error:
        sys.exit(f"migrations: {error.orig}")
    except EncodingError as error:
        sys.exit(f"migrations: {error}")
    sys.stdout.write("migrations: every schema is at its newest revision\n")


if __name__ == "__main__":
    main()
