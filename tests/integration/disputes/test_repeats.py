"""A case is opened once, however late the request is repeated."""

import psycopg
import pytest
from orchestrator.disputes.v1 import disputes_pb2

from kernel.errors import DomainError
from kernel.ids import new_id
from tests.conftest import TestDatabase
from tests.serving import Client

from .test_cases import assignment, opening

DAY_SECONDS = 86400


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


async def test_stored_answers_age_with_the_test_clock(disputes: Client) -> None:
    case = await disputes.call("OpenDispute", opening(), caller="orders")
    evidence = disputes_pb2.AddEvidenceRequest(
        request_id="one key", dispute_id=case.id, evidence=["https://example.com/1.png"]
    )
    await disputes.call("AddEvidence", evidence)
    aging = disputes_pb2.AgeAnswersRequest(request_id="clock", seconds=DAY_SECONDS - 60)
    for _ in range(2):
        await disputes.call("AgeAnswers", aging)
    another = disputes_pb2.AddEvidenceRequest(
        request_id="one key", dispute_id=case.id, evidence=["https://example.com/2.png"]
    )
    with pytest.raises(DomainError) as refused:
        await disputes.call("AddEvidence", another)
    assert refused.value.reason == "IDEMPOTENCY_KEY_REUSED"

    aging = disputes_pb2.AgeAnswersRequest(request_id="clock 2", seconds=120)
    await disputes.call("AgeAnswers", aging)
    after = await disputes.call("AddEvidence", another)

    assert len(after.evidence) == len(case.evidence) + 2
