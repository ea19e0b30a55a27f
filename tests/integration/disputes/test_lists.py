"""Lists of cases: by order, status and given ids, page by page."""

import itertools
import uuid
from typing import Any

import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2

from kernel.errors import InvalidArgument
from tests.integration.disputes.test_cases import LINK, assignment, opened, refusal
from tests.serving import Client, identity_of


async def test_cases_are_listed_newest_first_page_by_page(disputes: Client) -> None:
    ids = [(await opened(disputes, dispute_id=str(uuid.uuid4()))).id for _ in range(7)]
    created = {}
    pages, token = [], ""
    while True:
        request = disputes_pb2.ListDisputesRequest(
            page=common_pb2.PageRequest(page_size=3, page_token=token)
        )
        answer = await disputes.call("ListDisputes", request)
        pages.append([case.id for case in answer.disputes])
        created.update({case.id: case.created_at.ToNanoseconds() for case in answer.disputes})
        if not (token := answer.next_page_token):
            break

    seen = [case_id for page in pages for case_id in page]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(seen) == sorted(ids)
    assert [created[i] for i in seen] == sorted(created.values(), reverse=True)


async def test_a_list_is_filtered_by_order_and_status(disputes: Client) -> None:
    first, second = await opened(disputes), await opened(disputes)
    await disputes.call("AssignDispute", assignment(second.id))

    async def listed(**fields: object) -> list[str]:
        request = disputes_pb2.ListDisputesRequest(**fields)  # type: ignore[arg-type] # by name
        return [case.id for case in (await disputes.call("ListDisputes", request)).disputes]

    assert await listed(order_id=first.order_id) == [first.id]
    assert await listed(status=disputes_pb2.DISPUTE_STATUS_UNDER_REVIEW) == [second.id]
    assert await listed(status=disputes_pb2.DISPUTE_STATUS_RESOLVED) == []
    assert (
        await listed(order_id=first.order_id, status=disputes_pb2.DISPUTE_STATUS_UNDER_REVIEW) == []
    )


async def test_every_filter_and_pair_of_filters_lists_the_matching_cases(disputes: Client) -> None:
    made = [
        await opened(disputes, opened_by=opener)
        for opener in (common_pb2.PARTY_BUYER, common_pb2.PARTY_SELLER) * 3
    ]
    for case, agent in zip(made, ("ada", "bo", "ada", "ada"), strict=False):
        await disputes.call("AssignDispute", assignment(case.id, agent))
    cases = (await disputes.call("ListDisputes", disputes_pb2.ListDisputesRequest())).disputes
    assert [case.id for case in cases] == [case.id for case in made[::-1]]
    filters: dict[str, list[Any]] = {
        "order_id": [made[0].order_id, made[4].order_id],
        "status": [disputes_pb2.DISPUTE_STATUS_OPEN, disputes_pb2.DISPUTE_STATUS_UNDER_REVIEW],
        "dispute_ids": [[made[1].id, made[2].id, made[5].id]],
        "assigned_to": ["ada", "bo", "nobody"],
        "opened_by": [common_pb2.PARTY_BUYER, common_pb2.PARTY_SELLER],
        "opened_from": [cases[2].created_at],
        "opened_to": [cases[3].created_at],
    }
    for names in [*itertools.combinations(filters, 1), *itertools.combinations(filters, 2)]:
        for values in itertools.product(*(filters[name] for name in names)):
            request = disputes_pb2.ListDisputesRequest(**dict(zip(names, values, strict=True)))
            fitting = [case.id for case in cases if _fits(case, request)]

            assert await _listed(disputes, request, size=2) == fitting, request


def _fits(case: disputes_pb2.Dispute, request: disputes_pb2.ListDisputesRequest) -> bool:
    opened_at = case.created_at.ToNanoseconds()
    tests = {
        "order_id": lambda: case.order_id == request.order_id,
        "status": lambda: case.status == request.status,
        "dispute_ids": lambda: case.id in request.dispute_ids,
        "assigned_to": lambda: case.assigned_to == request.assigned_to,
        "opened_by": lambda: case.opened_by == request.opened_by,
        "opened_from": lambda: opened_at >= request.opened_from.ToNanoseconds(),
        "opened_to": lambda: opened_at < request.opened_to.ToNanoseconds(),
    }
    return all(tests[field.name]() for field, _ in request.ListFields())


async def _listed(
    disputes: Client, asked: disputes_pb2.ListDisputesRequest, *, size: int
) -> list[str]:
    """List every page."""
    request = disputes_pb2.ListDisputesRequest()
    request.CopyFrom(asked)
    seen: list[str] = []
    while True:
        request.page.page_size = size
        answer = await disputes.call("ListDisputes", request)
        seen += [case.id for case in answer.disputes]
        if not (token := answer.next_page_token):
            return seen
        request.page.page_token = token


async def test_cursor_is_valid_for_its_filters_only(disputes: Client) -> None:
    for _ in range(2):
        await opened(disputes)
    page = common_pb2.PageRequest(page_size=1)
    asked = disputes_pb2.ListDisputesRequest(page=page, opened_by=common_pb2.PARTY_BUYER)
    page.page_token = (await disputes.call("ListDisputes", asked)).next_page_token

    others: list[dict[str, Any]] = [
        {},
        {"assigned_to": "ada"},
        {"opened_by": common_pb2.PARTY_SELLER},
        {"opened_by": common_pb2.PARTY_BUYER, "status": disputes_pb2.DISPUTE_STATUS_OPEN},
    ]
    for fields in others:
        other = disputes_pb2.ListDisputesRequest(page=page, **fields)
        error = await refusal(disputes.call("ListDisputes", other))
        assert isinstance(error, InvalidArgument)
        assert [name for name, _ in error.fields] == ["cursor"]


@pytest.mark.parametrize("seconds", [-(10**15), 10**15])
async def test_instant_outside_the_calendar_is_refused(disputes: Client, seconds: int) -> None:
    request = disputes_pb2.ListDisputesRequest()
    request.opened_from.seconds = seconds

    error = await refusal(disputes.call("ListDisputes", request))

    assert isinstance(error, InvalidArgument)
    assert [name for name, _ in error.fields] == ["opened_from"]


async def test_given_cases_are_listed_page_by_page(disputes: Client) -> None:
    cases = [await opened(disputes) for _ in range(4)]
    await disputes.call("AssignDispute", assignment(cases[1].id))
    asked = [case.id for case in cases[:3]] + [str(uuid.uuid4())]

    async def listed(token: str = "", **fields: object) -> disputes_pb2.ListDisputesResponse:
        page = common_pb2.PageRequest(page_size=2, page_token=token)
        request = disputes_pb2.ListDisputesRequest(page=page, dispute_ids=asked, **fields)  # type: ignore[arg-type] # by name
        answer: disputes_pb2.ListDisputesResponse = await disputes.call("ListDisputes", request)
        return answer

    first = await listed()
    last = await listed(first.next_page_token)

    assert [[case.id for case in page.disputes] for page in (first, last)] == [
        [cases[2].id, cases[1].id],
        [cases[0].id],
    ]
    assert last.next_page_token == ""
    reviewed = await listed(status=disputes_pb2.DISPUTE_STATUS_UNDER_REVIEW)
    assert [case.id for case in reviewed.disputes] == [cases[1].id]


async def test_given_large_cases_are_listed_as_far_as_they_fit(disputes: Client) -> None:
    large = {
        "description": "\N{SNOWMAN}" * 4000,
        "contract_snapshot_json": '{"terms":"%s"}' % ("x" * 16000),
        "evidence": [f"{LINK}?{n}-{'x' * 2000}" for n in range(20)],
    }
    asked = [(await opened(disputes, **large)).id for _ in range(20)]
    seen: list[str] = []
    while set(asked) - set(seen):
        request = disputes_pb2.ListDisputesRequest(
            page=common_pb2.PageRequest(page_size=20), dispute_ids=set(asked) - set(seen)
        )
        answer = await disputes.call("ListDisputes", request)
        assert answer.disputes
        seen += [case.id for case in answer.disputes]

    assert sorted(seen) == sorted(asked)
    assert len(answer.disputes) < len(asked)


async def test_given_cases_of_another_marketplace_are_not_listed(disputes: Client) -> None:
    case = await opened(disputes)
    stranger = identity_of("gateway", marketplace_id=uuid.uuid4())
    request = disputes_pb2.ListDisputesRequest(dispute_ids=[case.id])

    assert len((await disputes.call("ListDisputes", request)).disputes) == 1
    assert not (await disputes.call("ListDisputes", request, who=stranger)).disputes


@pytest.mark.parametrize("ids", [["no uuid"], [str(uuid.uuid4()) for _ in range(101)]])
async def test_invalid_ids_and_too_many_ids_are_refused(disputes: Client, ids: list[str]) -> None:
    request = disputes_pb2.ListDisputesRequest(dispute_ids=ids)

    error = await refusal(disputes.call("ListDisputes", request))

    assert error.kind == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "token", ["%", "bm90IGEgdXVpZA", "MTIzNDU2NzgtMTIzNC01Njc4LTEyMzQtNTY3ODEyMzQ1Njc4"]
)
async def test_an_unknown_cursor_is_refused(disputes: Client, token: str) -> None:
    await opened(disputes)
    request = disputes_pb2.ListDisputesRequest(page=common_pb2.PageRequest(page_token=token))

    error = await refusal(disputes.call("ListDisputes", request))

    assert error.kind == "INVALID_ARGUMENT"
