"""A case from its opening to its end, over gRPC with PostgreSQL."""

import asyncio
import json
import uuid
from collections.abc import Callable

import psycopg
import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from chassis.identity import Identity
from kernel.errors import DomainError
from kernel.ids import new_id, to_public
from kernel.money import CENT
from tests.conftest import TestDatabase
from tests.serving import Client, identity_of

LINK = "https://cdn.example.com/a.png"
Rows = Callable[[str, uuid.UUID], list[tuple[object, ...]]]


def usdc(cents: int) -> common_pb2.Money:
    return common_pb2.Money(asset="USDC", minor_units=cents * CENT)


def opening(**fields: object) -> disputes_pb2.OpenDisputeRequest:
    known: dict[str, object] = {
        "request_id": str(new_id()),
        "dispute_id": str(new_id()),
        "order_id": str(new_id()),
        "opened_by": common_pb2.PARTY_BUYER,
        "reason": orders_pb2.DISPUTE_REASON_QUALITY_ISSUE,
        "description": "The logo is upside down",
        "evidence": [LINK],
        "contract_snapshot_json": '{"terms":"as agreed"}',
        "amount": usdc(8000),
    }
    return disputes_pb2.OpenDisputeRequest(**{**known, **fields})  # type: ignore[arg-type] # by name


def decision(dispute_id: str, **fields: object) -> disputes_pb2.DecideDisputeRequest:
    known: dict[str, object] = {
        "request_id": str(new_id()),
        "dispute_id": dispute_id,
        "decision": orders_pb2.DISPUTE_DECISION_SPLIT,
        "release_amount": usdc(5000),
        "refund_amount": usdc(3000),
        "note": "Half done",
        "resolved_by": "agent-1",
    }
    return disputes_pb2.DecideDisputeRequest(**{**known, **fields})  # type: ignore[arg-type] # by name


def completion(dispute_id: str) -> disputes_pb2.CompleteDisputeRequest:
    return disputes_pb2.CompleteDisputeRequest(request_id=str(new_id()), dispute_id=dispute_id)


def assignment(dispute_id: str, agent_id: str = "agent-1") -> disputes_pb2.AssignDisputeRequest:
    return disputes_pb2.AssignDisputeRequest(
        request_id=str(new_id()), dispute_id=dispute_id, agent_id=agent_id, notes="Soon"
    )


def evidence(dispute_id: str, *links: str) -> disputes_pb2.AddEvidenceRequest:
    return disputes_pb2.AddEvidenceRequest(
        request_id=str(new_id()), dispute_id=dispute_id, evidence=links or (LINK + "?2",)
    )


async def opened(disputes: Client, **fields: object) -> disputes_pb2.Dispute:
    answer: disputes_pb2.Dispute = await disputes.call(
        "OpenDispute", opening(**fields), caller="orders"
    )
    return answer


async def refusal(call: object) -> DomainError:
    with pytest.raises(DomainError) as refused:
        await call  # type: ignore[misc] # a coroutine of whatever answer
    return refused.value


def told(rows: Rows, marketplace_id: uuid.UUID) -> list[tuple[str, int, dict[str, object]]]:
    statement = (
        "select event_type, version, coalesce(payload, (body::json -> 'payload')::text)"
        " from disputes.outbox where marketplace_id = %s"
        " order by aggregate_id, version"
    )
    return [
        (str(kind), int(str(version)), json.loads(str(payload)))
        for kind, version, payload in rows(statement, marketplace_id)
    ]


async def test_a_case_is_read_as_it_was_opened(disputes: Client) -> None:
    user = str(uuid.uuid4())
    request = opening(initiated_by=user)

    answer = await disputes.call("OpenDispute", request, caller="orders")

    by_id = disputes_pb2.GetDisputeRequest(dispute_id=request.dispute_id)
    by_order = disputes_pb2.GetDisputeRequest(order_id=request.order_id)
    assert await disputes.call("GetDispute", by_id) == answer
    assert await disputes.call("GetDispute", by_order) == answer
    assert answer.status == disputes_pb2.DISPUTE_STATUS_OPEN
    assert answer.initiated_by == user
    assert answer.contract_snapshot_json == '{"terms":"as agreed"}'
    assert answer.amount == usdc(8000)
    assert list(answer.evidence) == [LINK]
    assert not answer.HasField("decided_at")


async def test_the_events_of_a_case_have_versions_without_a_gap(
    disputes: Client, read: Rows
) -> None:
    case = await opened(disputes)
    await disputes.call("AssignDispute", assignment(case.id))
    await disputes.call("AddEvidence", evidence(case.id))
    await disputes.call("DecideDispute", decision(case.id), caller="orders")

    done = await disputes.call("CompleteDispute", completion(case.id), caller="orders")

    ids = {
        "disputeId": to_public("dsp", uuid.UUID(case.id)),
        "orderId": to_public("ord", uuid.UUID(case.order_id)),
    }
    resolved_at = done.resolved_at.ToJsonString()
    assert done.status == disputes_pb2.DISPUTE_STATUS_RESOLVED
    assert (done.release_amount, done.refund_amount) == (usdc(5000), usdc(3000))
    assert told(read, disputes.marketplace_id) == [
        ("dispute.opened", 1, {**ids, "openedBy": "BUYER", "reason": "QUALITY_ISSUE"}),
        ("dispute.under_review", 2, {**ids, "reviewedBy": "agent-1"}),
        ("dispute.evidence_added", 3, {**ids, "evidenceCount": 2}),
        (
            "dispute.resolved",
            4,
            {**ids, "decision": "SPLIT", "resolvedBy": "agent-1", "resolvedAt": resolved_at},
        ),
    ]


async def test_an_order_has_one_open_case(disputes: Client, read: Rows) -> None:
    case = await opened(disputes)

    again = opening(order_id=case.order_id)
    error = await refusal(disputes.call("OpenDispute", again, caller="orders"))

    assert (error.kind, error.reason) == ("FAILED_PRECONDITION", "DISPUTE_ALREADY_OPEN")
    assert error.details == {"orderId": case.order_id, "disputeId": case.id}
    assert len(told(read, disputes.marketplace_id)) == 1


async def test_two_concurrent_openings_make_one_case(disputes: Client) -> None:
    order_id = str(new_id())
    calls = [
        disputes.call("OpenDispute", opening(order_id=order_id), caller="orders") for _ in range(8)
    ]

    answers = await asyncio.gather(*calls, return_exceptions=True)

    errors = [answer for answer in answers if isinstance(answer, DomainError)]
    assert len(errors) == 7
    assert {error.reason for error in errors} == {"DISPUTE_ALREADY_OPEN"}


async def test_an_order_can_have_a_new_case_after_the_first_is_resolved(disputes: Client) -> None:
    case = await opened(disputes)
    await disputes.call("DecideDispute", decision(case.id), caller="orders")
    await disputes.call("CompleteDispute", completion(case.id), caller="orders")

    second = await opened(disputes, order_id=case.order_id)

    newest = disputes_pb2.GetDisputeRequest(order_id=case.order_id)
    assert (await disputes.call("GetDispute", newest)).id == second.id


async def test_an_id_belongs_to_one_case_only(disputes: Client) -> None:
    case = await opened(disputes)

    error = await refusal(
        disputes.call("OpenDispute", opening(dispute_id=case.id), caller="orders")
    )

    assert (error.kind, error.reason) == ("ALREADY_EXISTS", "DISPUTE_ID_TAKEN")


async def test_of_two_concurrent_decisions_one_wins(disputes: Client, read: Rows) -> None:
    case = await opened(disputes)
    calls = [
        disputes.call(
            "DecideDispute",
            decision(case.id, release_amount=usdc(1000 * n), refund_amount=usdc(8000 - 1000 * n)),
            caller="orders",
        )
        for n in range(1, 8)
    ]

    answers = await asyncio.gather(*calls, return_exceptions=True)

    errors = [answer for answer in answers if isinstance(answer, DomainError)]
    [winner] = [answer for answer in answers if isinstance(answer, disputes_pb2.Dispute)]
    assert {error.reason for error in errors} == {"DECISION_ALREADY_MADE"}
    assert {error.kind for error in errors} == {"FAILED_PRECONDITION"}
    statement = "select release_minor_units from disputes.rulings where marketplace_id = %s"
    assert read(statement, disputes.marketplace_id) == [(winner.release_amount.minor_units,)]


async def test_the_same_concurrent_decision_is_recorded_once(disputes: Client, read: Rows) -> None:
    case = await opened(disputes)

    answers = await asyncio.gather(
        *(
            disputes.call("DecideDispute", decision(case.id, note=f"By {n}"), caller="orders")
            for n in range(6)
        )
    )

    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
    statement = "select note from disputes.rulings where marketplace_id = %s"
    assert read(statement, disputes.marketplace_id) == [(answers[0].resolution_note,)]


async def test_evidence_added_concurrently_is_all_kept(disputes: Client, read: Rows) -> None:
    case = await opened(disputes, evidence=[])

    await asyncio.gather(
        *(disputes.call("AddEvidence", evidence(case.id, f"{LINK}?{n}")) for n in range(10))
    )

    by_id = disputes_pb2.GetDisputeRequest(dispute_id=case.id)
    kept = await disputes.call("GetDispute", by_id)
    assert sorted(kept.evidence) == [f"{LINK}?{n}" for n in range(10)]
    assert [version for _, version, _ in told(read, disputes.marketplace_id)] == [*range(1, 12)]


async def test_a_split_with_a_zero_amount_names_the_full_decision(disputes: Client) -> None:
    case = await opened(disputes)
    empty = decision(case.id, release_amount=usdc(8000), refund_amount=usdc(0))

    error = await refusal(disputes.call("DecideDispute", empty, caller="orders"))

    assert (error.kind, error.reason) == ("INVALID_ARGUMENT", "SPLIT_AMOUNTS_MISMATCH")
    assert getattr(error, "fields") == (  # noqa: B009 - of this kind only
        (
            "refund_amount",
            "must be greater than 0: use FULL_RELEASE or FULL_REFUND to pay one side only",
        ),
    )


async def test_a_case_is_not_completed_before_it_is_decided(disputes: Client) -> None:
    case = await opened(disputes)

    error = await refusal(disputes.call("CompleteDispute", completion(case.id), caller="orders"))

    assert (error.kind, error.reason) == ("FAILED_PRECONDITION", "INVALID_STATE")
    assert error.details["currentState"] == "OPEN"


async def test_completing_twice_publishes_one_event(disputes: Client, read: Rows) -> None:
    case = await opened(disputes)
    await disputes.call("DecideDispute", decision(case.id), caller="orders")

    first = await disputes.call("CompleteDispute", completion(case.id), caller="orders")
    second = await disputes.call("CompleteDispute", completion(case.id), caller="orders")

    assert first == second
    kinds = [kind for kind, _, _ in told(read, disputes.marketplace_id)]
    assert kinds == ["dispute.opened", "dispute.resolved"]


async def test_a_repeated_request_gives_the_first_answer_after_the_case_moved_on(
    disputes: Client,
) -> None:
    request = opening()
    first = await disputes.call("OpenDispute", request, caller="orders")
    await disputes.call("AssignDispute", assignment(first.id))

    again, is_replayed = await disputes.call_with_replay("OpenDispute", request, caller="orders")

    assert again.SerializeToString() == first.SerializeToString()
    assert is_replayed


async def test_a_hidden_link_is_refused_and_nothing_is_written(
    disputes: Client, read: Rows
) -> None:
    case = await opened(disputes)

    error = await refusal(
        disputes.call("AddEvidence", evidence(case.id, LINK, "https://me@evil.example/"))
    )

    assert (error.kind, error.reason) == ("INVALID_ARGUMENT", "INVALID_URL")
    assert getattr(error, "fields")[0][0] == "evidence[1]"  # noqa: B009 - of this kind only
    assert len(told(read, disputes.marketplace_id)) == 1


async def test_another_marketplace_sees_no_case(disputes: Client) -> None:
    case = await opened(disputes)
    stranger = identity_of("gateway", marketplace_id=uuid.uuid4())
    orders_of_stranger = identity_of("orders", marketplace_id=stranger.marketplace_id)
    calls: list[tuple[str, object, Identity]] = [
        ("GetDispute", disputes_pb2.GetDisputeRequest(dispute_id=case.id), stranger),
        ("GetDispute", disputes_pb2.GetDisputeRequest(order_id=case.order_id), stranger),
        ("AssignDispute", assignment(case.id), stranger),
        ("AddEvidence", evidence(case.id), stranger),
        ("DecideDispute", decision(case.id), orders_of_stranger),
        ("CompleteDispute", completion(case.id), orders_of_stranger),
    ]

    for method, request, who in calls:
        error = await refusal(disputes.call(method, request, who=who))  # type: ignore[arg-type] # messages
        assert (error.kind, error.reason) == ("NOT_FOUND", "DISPUTE_NOT_FOUND"), method
    listing = disputes_pb2.ListDisputesRequest()
    assert not (await disputes.call("ListDisputes", listing, who=stranger)).disputes


async def test_support_works_only_with_its_scope(disputes: Client) -> None:
    case = await opened(disputes)
    reader = identity_of(
        "gateway", marketplace_id=disputes.marketplace_id, scopes=frozenset({"read", "write"})
    )

    error = await refusal(disputes.call("AssignDispute", assignment(case.id), who=reader))

    assert (error.kind, error.reason) == ("PERMISSION_DENIED", "INSUFFICIENT_SCOPE")
    assert error.details == {"required_scope": "support", "current_scopes": ["read", "write"]}


@pytest.mark.parametrize(
    "statement",
    [
        "update disputes.rulings set note = 'x'",
        "delete from disputes.rulings",
        "delete from disputes.disputes",
        "update disputes.outbox set body = 'x'",
        "delete from disputes.outbox",
        "truncate disputes.rulings",
    ],
)
def test_the_services_role_cannot_rewrite_the_record(
    disputes_database: TestDatabase, statement: str
) -> None:
    with (
        psycopg.connect(disputes_database.url("disputes")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)
