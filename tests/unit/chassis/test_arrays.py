"""Encoding of rows as binary arrays; tests/integration/chassis sends them to PostgreSQL."""

import datetime as dt
import struct
import uuid

import pytest

from chassis.arrays import (
    Columns,
    contents,
    ids,
    instants,
    middle_numbers,
    numbers,
    small_numbers,
    texts,
)

COLUMNS = Columns("n", id="uuid", kind="smallint", name="text", digest="bytea")


def test_an_array_has_its_type_its_length_and_its_items() -> None:
    assert ids([uuid.UUID(int=10), None]) == (
        struct.pack(">iiIii", 1, 1, 2950, 2, 1)
        + struct.pack(">i", 16)
        + bytes(15)
        + b"\x0a"
        + struct.pack(">i", -1)
    )


def test_an_array_without_items_has_no_dimension() -> None:
    empty = struct.pack(">iiI", 0, 0, 25)

    assert texts([]) == empty
    for spell in (ids, numbers, middle_numbers, small_numbers, contents, instants):
        assert len(spell([])) == len(empty)


@pytest.mark.parametrize("values", [["a\0b"], ["\0"], ["", "a", "\0"], [None, "\0"]])
def test_a_text_with_a_nul_is_refused(values: list[str | None]) -> None:
    with pytest.raises(ValueError, match="NUL"):
        texts(values)


def test_a_number_that_is_too_large_for_its_column_is_refused() -> None:
    for spell, largest in (
        (numbers, 2**63 - 1),
        (middle_numbers, 2**31 - 1),
        (small_numbers, 2**15 - 1),
    ):
        spell([largest])
        with pytest.raises(struct.error):
            spell([largest + 1])


def test_instants_are_microseconds_since_2000() -> None:
    at = dt.datetime(2000, 1, 2, 0, 0, 1, 3, tzinfo=dt.UTC)
    before = dt.datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC)

    assert instants([at, before, at])[20:] == b"".join(
        struct.pack(">iq", 8, number) for number in (86_401_000_003, -1, 86_401_000_003)
    )


def test_rows_become_one_array_for_each_column() -> None:
    rows = [(uuid.UUID(int=10), 3, "a,b", b"x"), (None, 4, "", b"")]

    assert COLUMNS.values(rows) == {
        "n_id": ids([uuid.UUID(int=10), None]),
        "n_kind": small_numbers([3, 4]),
        "n_name": texts(["a,b", ""]),
        "n_digest": contents([b"x", b""]),
    }


@pytest.mark.parametrize("row", [(uuid.UUID(int=10), 3, "é", b"x"), (None, None, None, None)])
@pytest.mark.parametrize("count", [1, 2, 300])
def test_a_value_that_all_rows_have_becomes_as_many_items(
    row: tuple[uuid.UUID | None, int | None, str | None, bytes | None], count: int
) -> None:
    assert COLUMNS.values([row] * count) == {
        "n_id": ids([row[0]] * count),
        "n_kind": small_numbers([row[1]] * count),
        "n_name": texts([row[2]] * count),
        "n_digest": contents([row[3]] * count),
    }


def test_equal_ends_of_a_column_do_not_hide_what_is_between() -> None:
    kinds = [3, None, 3]

    assert COLUMNS.values([(None, kind, "a", b"") for kind in kinds])["n_kind"] == small_numbers(
        kinds
    )


def test_a_text_with_a_nul_that_all_rows_have_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        COLUMNS.values([(None, 3, "\0", b"")] * 2)


def test_no_rows_become_empty_arrays() -> None:
    assert COLUMNS.values([]) == {
        "n_id": ids([]),
        "n_kind": small_numbers([]),
        "n_name": texts([]),
        "n_digest": contents([]),
    }


def test_a_statement_names_each_column_with_its_type() -> None:
    assert COLUMNS.names == "id, kind, name, digest"
    assert COLUMNS.unnested == (
        "unnest(%(n_id)s::uuid[], %(n_kind)s::smallint[], %(n_name)s::text[],"
        " %(n_digest)s::bytea[]) as n (id, kind, name, digest)"
    )
