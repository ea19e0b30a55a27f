"""Statements that are compiled once: the text psycopg executes, and its parameters by name."""

import datetime as dt
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from chassis.sql import compiled, rows_of

THINGS = sa.table(
    "things", sa.column("id", sa.Uuid), sa.column("name", sa.Text), sa.column("size", sa.Integer)
)


def text_of(statement: sa.sql.ClauseElement) -> str:
    return " ".join(compiled(statement).split())


def test_parameters_are_compiled_by_name() -> None:
    statement = sa.select(THINGS.c.name).where(THINGS.c.id == sa.bindparam("thing"))

    assert text_of(statement) == (
        "SELECT things.name FROM things WHERE things.id = %(thing)s::UUID"
    )


def test_list_parameter_is_compiled_as_one_array() -> None:
    wanted = sa.bindparam("wanted", type_=ARRAY(sa.Uuid))
    statement = sa.select(THINGS.c.name).where(THINGS.c.id == sa.any_(wanted))

    assert text_of(statement).endswith("WHERE things.id = ANY (%(wanted)s::UUID[])")


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("plain", "'plain'"),
        ("it's", "'it''s'"),
        ("100%", "'100%%'"),
        ("%(thing)s", "'%%(thing)s'"),
    ],
)
def test_constant_is_compiled_as_a_literal(value: str, literal: str) -> None:
    statement = sa.select(THINGS.c.id).where(THINGS.c.name == value)

    assert text_of(statement).endswith(f"WHERE things.name = {literal}::VARCHAR")


def test_constants_of_a_list_are_compiled_as_literals() -> None:
    statement = sa.select(THINGS.c.id).where(THINGS.c.name.in_(["a", "b"]))

    assert text_of(statement).endswith("things.name IN ('a'::VARCHAR, 'b'::VARCHAR)")


def test_update_mixes_constants_and_parameters() -> None:
    statement = (
        sa.update(THINGS)
        .where(THINGS.c.id == sa.bindparam("thing"))
        .values(name=sa.bindparam("name"), size=0)
    )

    assert text_of(statement) == (
        "UPDATE things SET name=%(name)s::VARCHAR, size=0::INTEGER"
        " WHERE things.id = %(thing)s::UUID"
    )


def test_insert_of_a_row_has_a_parameter_for_each_column() -> None:
    statement = insert(THINGS).on_conflict_do_nothing().returning(THINGS.c.id)

    assert text_of(statement) == (
        "INSERT INTO things (id, name, size)"
        " VALUES (%(id)s::UUID, %(name)s::VARCHAR, %(size)s::INTEGER)"
        " ON CONFLICT DO NOTHING RETURNING things.id"
    )


@pytest.mark.parametrize("value", [uuid.UUID(int=7), dt.date(2026, 1, 2), True, 7])
def test_constants_of_every_type_are_compiled_as_literals(value: object) -> None:
    assert "%(" not in text_of(sa.select(sa.literal(value)))


def test_a_table_is_taken_as_one_array_for_each_column() -> None:
    table = sa.Table(
        "things",
        sa.MetaData(),
        sa.Column("id", sa.Uuid),
        sa.Column("name", sa.Text),
        sa.Column("size", sa.Integer),
        sa.Column("price", sa.BigInteger),
        sa.Column("digest", sa.LargeBinary),
        sa.Column("at", sa.DateTime(timezone=True)),
    )

    assert rows_of(table, "n").unnested == (
        "unnest(%(n_id)s::uuid[], %(n_name)s::text[], %(n_size)s::integer[],"
        " %(n_price)s::bigint[], %(n_digest)s::bytea[], %(n_at)s::timestamptz[])"
        " as n (id, name, size, price, digest, at)"
    )
