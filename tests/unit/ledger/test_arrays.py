"""How rows are spelled as arrays; tests/integration/ledger has PostgreSQL read them."""

import uuid

from services.ledger.arrays import Columns, ids, numbers, texts
from services.ledger.book import TransferType

COLUMNS = Columns("n", id="uuid", kind="smallint", name="text", digest="bytea")


def test_arrays_are_spelled_as_postgres_reads_them() -> None:
    assert ids([uuid.UUID(int=10), None]) == "{0000000000000000000000000000000a,NULL}"
    assert numbers([1, None, -5, TransferType.POST]) == "{1,NULL,-5,3}"
    assert texts(["a,b", 'say "x"', "back\\slash", "", "NULL"]) == (
        '{"a,b","say \\"x\\"","back\\\\slash","","NULL"}'
    )


def test_empty_arrays_are_empty() -> None:
    assert [ids([]), numbers([]), texts([])] == ["{}", "{}", "{}"]


def test_rows_become_one_array_for_each_column() -> None:
    rows = [(uuid.UUID(int=10), TransferType.POST, "a,b", b"x"), (None, 4, "", b"")]

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
