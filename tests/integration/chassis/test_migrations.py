"""Migrations: from nothing and again; afterwards each service reaches its own schema only."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from chassis.migrations.__main__ import EncodingError, upgrade_all
from chassis.migrations.revisions import applied
from chassis.migrations.scripts import SCRIPTS, revisions
from deploy.local.postgres import PostgresServer
from tests.conftest import TestDatabase
from tests.integration.chassis.conftest import beside_a_dead_host

TABLES = """
select table_schema, table_name from information_schema.tables
where table_schema = any(%s) order by 1, 2
"""
REVISIONS = "select version_num from {}"
# Written once and never changed: not even by the service that wrote it.
APPEND_ONLY = {
    ("ledger", "transfers"),
    ("ledger", "entries"),
    ("disputes", "rulings"),
    *((schema, "audit") for schema in SCRIPTS),
}


def tables(url: str) -> list[tuple[str, str]]:
    """List every table of every schema."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(TABLES, (list(SCRIPTS),)).fetchall()
    return [(str(schema), str(table)) for schema, table in rows]


def allowed(url: str, role: str, table: tuple[str, str]) -> set[str]:
    """Return what a role may do with a table or any of its columns."""
    kinds = ("select", "insert", "update", "delete", "truncate")
    name = sql.Identifier(*table).as_string()
    with psycopg.connect(url) as connection:
        return {
            kind
            for kind in kinds
            for [may] in connection.execute(
                "select has_table_privilege(%(role)s, %(name)s, %(kind)s)",
                {"role": role, "name": name, "kind": kind},
            )
            if may
        }


@pytest.fixture
def migrated(database: TestDatabase) -> str:
    """The superuser's URL of a database with every migration applied."""
    return database.url()


def test_migrations_build_every_schema_and_repeating_them_changes_nothing(
    empty_database: str,
) -> None:
    upgrade_all(empty_database)
    first = tables(empty_database)

    upgrade_all(beside_a_dead_host(empty_database))

    assert tables(empty_database) == first
    assert {schema for schema, _ in first} == set(SCRIPTS)
    with psycopg.connect(empty_database) as connection:
        for schema in SCRIPTS:
            statement = sql.SQL(REVISIONS).format(sql.Identifier(schema, "alembic_version"))
            assert len(connection.execute(statement).fetchall()) == 1


def test_an_administrator_need_not_be_a_superuser(
    postgres_server: PostgresServer, empty_database: str
) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        name = connection.info.dbname
        postgres_server.execute("drop role if exists {}", "chassis_admin")
        connection.execute("create role chassis_admin login createrole")
        grant = sql.SQL("grant create on database {} to chassis_admin")
        connection.execute(grant.format(sql.Identifier(name)))

    upgrade_all(postgres_server.url(database=name, role="chassis_admin"))

    assert {schema for schema, _ in tables(empty_database)} == set(SCRIPTS)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_store_every_text_is_refused(
    postgres_server: PostgresServer, encoding: str
) -> None:
    name = f"in_{encoding.lower()}"
    postgres_server.execute(
        f"create database {{}} template template0 encoding '{encoding}' locale 'C'", name
    )
    try:
        with pytest.raises(EncodingError, match=encoding):
            upgrade_all(postgres_server.url(database=name))
    finally:
        postgres_server.execute("drop database {} with (force)", name)


def test_processes_that_migrate_at_once_do_so_one_after_the_other(empty_database: str) -> None:
    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(upgrade_all, empty_database) for _ in range(3)]:
            done.result()

    assert applied(empty_database, SCRIPTS) == {
        schema: revisions(folder)[0] for schema, folder in SCRIPTS.items()
    }


def test_an_orders_events_are_read_by_a_small_index(migrated: str) -> None:
    with psycopg.connect(migrated) as connection:
        found = connection.execute(
            "select indexdef from pg_indexes where schemaname = 'orders' and tablename = 'outbox'"
        ).fetchall()
        wide = connection.execute(
            "select connamespace::regnamespace::text from pg_constraint join pg_class c"
            " on c.oid = conrelid where relname = 'outbox' and cardinality(conkey) = 4"
        ).fetchall()

    assert any("USING hash (aggregate_id)" in index for (index,) in found)
    assert wide == []


def test_no_event_is_indexed_by_whether_it_is_published(migrated: str) -> None:
    with psycopg.connect(migrated) as connection:
        found = connection.execute(
            "select schemaname from pg_indexes where tablename = 'outbox'"
            " and indexdef like '%published_at%'"
        ).fetchall()

    assert found == []


@pytest.mark.parametrize("role", SCRIPTS)
def test_a_role_reaches_its_own_schema_only(migrated: str, role: str) -> None:
    for table in tables(migrated):
        may = allowed(migrated, role, table)
        assert bool(may) == (table[0] == role), (role, table, may)


@pytest.mark.parametrize("role", SCRIPTS)
def test_a_role_cannot_create_a_table(database: TestDatabase, role: str) -> None:
    with psycopg.connect(database.url(role), autocommit=True) as connection:
        for schema in (*SCRIPTS, "public"):
            statement = sql.SQL("create table {} (id int)").format(sql.Identifier(schema, "mine"))
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement)


def test_a_service_cannot_read_the_rows_of_another(database: TestDatabase) -> None:
    with psycopg.connect(database.url("orders"), autocommit=True) as connection:
        for statement in (
            "select * from ledger.accounts",
            "insert into disputes.rulings default values",
            "update escrow.wallets set address = ''",
            "delete from gateway.api_keys",
        ):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement)


def test_the_record_cannot_be_changed(migrated: str) -> None:
    outboxes = {(schema, name) for schema, name in tables(migrated) if name == "outbox"}

    for table in APPEND_ONLY:
        assert allowed(migrated, table[0], table) == {"select", "insert"}, table
    assert len(outboxes) == 5
    for table in outboxes:
        assert allowed(migrated, table[0], table) == {"select", "insert"}, table


@pytest.mark.parametrize("schema", ["orders", "ledger", "escrow", "disputes", "webhooks"])
def test_of_an_event_only_whether_it_is_published_can_change(
    database: TestDatabase, schema: str
) -> None:
    outbox = sql.Identifier(schema, "outbox")
    noted = sql.Identifier(schema, "outbox_published")
    with psycopg.connect(database.url(schema), autocommit=True) as connection:
        connection.execute(sql.SQL("update {} set ids = ids").format(noted))
        for statement in ("insert into {} (ids) values ('{{}}')", "delete from {}", "truncate {}"):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(sql.SQL(statement).format(noted))
        # The version before notes it in the event's own row.
        connection.execute(sql.SQL("update {} set published_at = now()").format(outbox))
        for statement in ("update {} set body = ''", "delete from {}", "truncate {}"):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(sql.SQL(statement).format(outbox))


def test_events_are_short_at_once_in_a_new_schema_only(empty_database: str) -> None:
    upgrade_all(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        [(new,)] = connection.execute(_SHORT_IN).fetchall()
        connection.execute(_BEFORE_SHORT_EVENTS)
    upgrade_all(empty_database)
    with psycopg.connect(empty_database) as connection:
        [(old,)] = connection.execute(_SHORT_IN).fetchall()

    assert new <= 0
    assert 6 < old <= 7


_SHORT_IN = """
select (extract(epoch from short_from - now()) / 86400)::float from disputes.outbox_published
"""
# The schema as the version before has left it. No case was ever opened, but replicas may run.
_BEFORE_SHORT_EVENTS = """
alter table disputes.outbox drop column causation_id, drop column user_id, drop column payload;
alter table disputes.outbox_published drop column short_from;
update disputes.alembic_version set version_num = 'disputes_0014';
"""
