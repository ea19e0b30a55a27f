"""A statement's text with numbered parameters, and its values in their order."""

import psycopg
import pytest

from chassis.statements import wording


@pytest.mark.parametrize(
    ("statement", "text", "names"),
    [
        ("select %(a)s, %(b)s, %(a)s", b"select $1, $2, $1", ("a", "b")),
        ("select %s, %s", b"select $1, $2", None),
        ("select %(a)s::text like '%%x'", b"select $1::text like '%x'", ("a",)),
        ("select 1", b"select 1", ()),
    ],
)
def test_named_parameters_become_numbered(
    statement: str, text: bytes, names: tuple[str, ...] | None
) -> None:
    worded = wording(statement)

    assert (worded.text, worded.names) == (text, names)


def test_values_are_put_in_the_order_of_the_parameters() -> None:
    assert wording("select %(b)s, %(a)s, %(b)s").in_order({"a": 1, "b": 2, "more": 3}) == [2, 1]
    assert wording("select %s, %s").in_order((1, 2)) == (1, 2)


@pytest.mark.parametrize("statement", ["select '%d'", "select '50%'", "select %(a)s, %s"])
def test_statement_with_another_kind_of_placeholder_is_refused(statement: str) -> None:
    with pytest.raises(psycopg.ProgrammingError):
        wording(statement)


def test_missing_values_are_refused() -> None:
    with pytest.raises(psycopg.ProgrammingError, match="no value for 'b'"):
        wording("select %(a)s, %(b)s").in_order({"a": 1})
    with pytest.raises(psycopg.ProgrammingError, match="2 parameters and 1 values"):
        wording("select %s, %s").in_order((1,))
