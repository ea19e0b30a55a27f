"""Statements: SQLAlchemy builds them from the tables, once; psycopg executes their text.

A module compiles its statements when it is imported. No statement is built during a request. Each
statement has one constant text, which psycopg prepares once per connection.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql.compiler import SQLCompiler

from chassis.arrays import Columns

_DIALECT = psycopg.dialect(paramstyle="pyformat")  # type: ignore[no-untyped-call] # the library


def compiled(statement: sa.sql.ClauseElement) -> str:
    """Return the text of a statement for psycopg, with named parameters: %(name)s.

    A parameter is sa.bindparam("name"). Any other value becomes part of the text. A JSON parameter
    is given as psycopg.types.json.Jsonb or as JSON text. A list as a parameter is written as
    sa.any_(sa.bindparam("names", type_=ARRAY(…))). Raises: sqlalchemy.exc.CompileError.
    """
    found = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    assert isinstance(found, SQLCompiler)  # noqa: S101 - what is executed, compiles to it
    text = str(found)
    for name, bind in found.binds.items():
        if bind.required:
            continue
        # A list in `in_` becomes one parameter per item, numbered from 1.
        items = enumerate(bind.value or (), 1) if bind.expanding else [(0, bind.value)]
        for number, value in items:
            parameter = f"{name}_{number}" if number else name
            literal = found.render_literal_value(value, bind.type)
            text = text.replace(f"%({parameter})s", literal)
    return text


def rows_of(
    table: sa.Table, alias: str, *, only: Iterable[str] | None = None, **more: str
) -> Columns:
    """Return the columns of a table as arrays, for statements that take many rows.

    only: the names of some columns; None: all. more: the types of further columns, which are last.
    """
    names = table.c.keys() if only is None else only
    kinds = {name: table.c[name].type.compile(_DIALECT).lower() for name in names}
    known = {name: _KINDS.get(kind, kind) for name, kind in kinds.items()}
    return Columns(alias, **known, **more)


_KINDS = {"timestamp with time zone": "timestamptz"}
