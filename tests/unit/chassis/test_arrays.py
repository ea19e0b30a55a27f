"""How rows are spelled as arrays; tests/integration/ledger has PostgreSQL read them."""

import datetime as dt
import enum
import uuid

import pytest

from chassis.arrays import Columns, ids, instants, numbers, texts


class Kind(enum.IntEnum):
    """Numbers with names."""

    POST = 3


COLUMNS = Columns("n", id="uuid", kind="smallint", name="text", digest="bytea")


def test_arrays_are_spelled_as_postgres_reads_them() -> None:
    assert ids([uuid.UUID(int=10), None]) == "{0000000000000000000000000000000a,NULL}"
    assert numbers([1, None, -5, Kind.POST]) == "{1,NULL,-5,3}"
    assert texts(["a,b", 'say "x"', "back\\slash", "", "NULL"]) == (
        '{"a,b","say \\"x\\"","back\\\\slash","","NULL"}'
    )


def test_instants_are_spelled_with_their_zone() -> None:
    at = dt.datetime(2026, 2, 18, 10, 1, 0, 500_000, tzinfo=dt.UTC)

    assert instants([at, at]) == (
        '{"2026-02-18T10:01:00.500000+00:00","2026-02-18T10:01:00.500000+00:00"}'
    )


def test_empty_arrays_are_empty() -> None:
    assert [ids([]), numbers([]), texts([]), instants([])] == ["{}"] * 4


@pytest.mark.parametrize("values", [["a\0b"], ["\0"], ["", "a", "\0"]])
def test_a_text_with_a_nul_is_refused_and_never_becomes_two(values: list[str]) -> None:
    with pytest.raises(ValueError, match="NUL"):
        texts(values)


def test_rows_become_one_array_for_each_column() -> None:
    rows = [(uuid.UUID(int=10), Kind.POST, "a,b", b"x"), (None, 4, "", b"")]

    assert COLUMNS.values(rows) == {
        "n_id": "{0000000000000000000000000000000a,NULL}",
        "n_kind": "{3,4}",
        "n_name": '{"a,b",""}',
        "n_digest": [b"x", b""],
    }


def test_no_rows_become_empty_arrays() -> None:
    assert COLUMNS.values([]) == {"n_id": "{}", "n_kind": "{}", "n_name": "{}", "n_digest": []}


def test_a_statement_names_each_column_with_its_type() -> None:
    assert COLUMNS.names == "id, kind, name, digest"
    assert COLUMNS.unnested == (
        "unnest(%(n_id)s::uuid[], %(n_kind)s::smallint[], %(n_name)s::text[],"
        " %(n_digest)s::bytea[]) as n (id, kind, name, digest)"
    )
