"""How arrays are spelled for Postgres; that it reads them back is tried on a real one."""

import uuid

from services.ledger.book import TransferType
from services.ledger.tables import ids, numbers, texts


def test_arrays_are_spelled_as_postgres_reads_them() -> None:
    assert ids([uuid.UUID(int=10), None]) == "{0000000000000000000000000000000a,NULL}"
    assert numbers([1, None, -5, TransferType.POST]) == "{1,NULL,-5,3}"
    assert texts(["a,b", 'say "x"', "back\\slash", "", "NULL"]) == (
        '{"a,b","say \\"x\\"","back\\\\slash","","NULL"}'
    )


def test_empty_arrays_are_empty() -> None:
    assert [ids([]), numbers([]), texts([])] == ["{}", "{}", "{}"]
