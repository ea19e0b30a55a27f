"""A case is opened once, however late the request is repeated."""

import psycopg
import pytest

from kernel.errors import DomainError
from kernel.ids import new_id
from tests.conftest import TestDatabase
from tests.serving import Client

from .test_cases import assignment, opening


async def test_opening_the_same_case_after_its_answer_expired_returns_it(
    disputes: Client, disputes_database: TestDatabase
) -> None:
    request = opening()
    opened = await disputes.call("OpenDispute", request, caller="orders")
    await disputes.call("AssignDispute", assignment(opened.id))
    with psycopg.connect(disputes_database.url()) as connection:
        connection.execute("delete from disputes.idempotency")

    again = await disputes.call("OpenDispute", request, caller="orders")

    assert (again.id, again.created_at) == (opened.id, opened.created_at)
    request.description = "Another story"
    request.request_id = str(new_id())
    with pytest.raises(DomainError) as refused:
        await disputes.call("OpenDispute", request, caller="orders")
    assert refused.value.reason == "DISPUTE_ALREADY_OPEN"
