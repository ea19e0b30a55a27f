"""Orders are printed with the progress of their disputes, which the disputes service knows."""

from typing import Any

import httpx
import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from kernel.errors import DomainError, Unavailable
from kernel.ids import new_id

from .conftest import Services
from .messages import DISPUTE_ID, a_dispute, an_order, at
from .test_guide import DSP, ORD, done


async def test_an_order_shows_that_its_dispute_is_under_review(
    rest: httpx.AsyncClient, services: Services
) -> None:
    frozen = orders_pb2.OrderDispute(
        id=str(DISPUTE_ID),
        status="OPEN",
        opened_by=common_pb2.PARTY_BUYER,
        reason=orders_pb2.DISPUTE_REASON_QUALITY_ISSUE,
    )
    services.orders.answers["GetOrder"] = an_order("DISPUTED", dispute=frozen)
    case = a_dispute("UNDER_REVIEW", assigned_to="agent-1")
    services.disputes.answers["GetDispute"] = case
    services.disputes.answers["ListDisputes"] = disputes_pb2.ListDisputesResponse(disputes=[case])

    order = (await rest.get(f"/api/v1/orders/{ORD}")).json()["data"]
    dispute = (await rest.get(f"/api/v1/disputes/{DSP}")).json()["data"]

    assert order["dispute"]["status"] == "UNDER_REVIEW"
    assert dispute["status"] == "UNDER_REVIEW"
    assert dispute["order"] == order
    assert services.disputes.asked[0][1].dispute_ids == [str(DISPUTE_ID)]


@pytest.mark.parametrize(
    "trouble",
    [
        # The case is being opened.
        disputes_pb2.ListDisputesResponse(),
        Unavailable("the service is unavailable"),
    ],
)
async def test_order_is_printed_although_its_case_cannot_be_read(
    rest: httpx.AsyncClient,
    services: Services,
    trouble: DomainError | disputes_pb2.ListDisputesResponse,
) -> None:
    dispute = orders_pb2.OrderDispute(
        id=str(DISPUTE_ID), status="OPEN", opened_at=at("2026-02-18T10:00:00Z")
    )
    order = an_order("DISPUTED", dispute=dispute)
    services.orders.answers["GetOrder"] = order
    services.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(orders=[order])
    services.disputes.answers["ListDisputes"] = trouble

    one = done(await rest.get(f"/api/v1/orders/{ORD}"))
    [listed] = (await rest.get("/api/v1/orders")).json()["data"]

    assert one == listed
    assert listed["dispute"]["status"] == "OPEN"


def disputed(state: str = "DISPUTED") -> orders_pb2.Order:
    """Return another order with an open dispute."""
    dispute = orders_pb2.OrderDispute(id=str(new_id()), status="OPEN")
    return an_order(state, id=str(new_id()), dispute=dispute)


async def test_a_list_shows_the_progress_of_its_disputes_by_one_call(
    rest: httpx.AsyncClient, services: Services
) -> None:
    orders = [disputed("RELEASED"), disputed(), disputed()]
    ids = [one.dispute.id for one in orders]
    services.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(orders=orders)
    # The second case is being opened: the answer has an older one of that order.
    cases = [
        a_dispute("RESOLVED", id=str(new_id()), order_id=orders[1].id),
        a_dispute("UNDER_REVIEW", id=ids[2], order_id=orders[2].id),
    ]
    services.disputes.answers["ListDisputes"] = disputes_pb2.ListDisputesResponse(disputes=cases)

    listed = (await rest.get("/api/v1/orders")).json()["data"]

    assert [one["dispute"]["status"] for one in listed] == ["OPEN", "OPEN", "UNDER_REVIEW"]
    [(_, request, _)] = services.disputes.asked
    assert (list(request.dispute_ids), request.page.page_size) == (ids[1:], 2)


async def test_disputes_beyond_one_answers_size_are_requested_again(
    rest: httpx.AsyncClient, services: Services
) -> None:
    orders = [disputed(), disputed(), disputed()]
    services.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(orders=orders)

    async def one_at_a_time(request: Any) -> disputes_pb2.ListDisputesResponse:
        case = a_dispute("UNDER_REVIEW", id=request.dispute_ids[-1])
        more = "next" if len(request.dispute_ids) > 1 else ""
        return disputes_pb2.ListDisputesResponse(disputes=[case], next_page_token=more)

    services.disputes.answers["ListDisputes"] = one_at_a_time

    listed = (await rest.get("/api/v1/orders")).json()["data"]

    assert [one["dispute"]["status"] for one in listed] == ["UNDER_REVIEW"] * 3
    assert len(services.disputes.asked) == 3


async def test_list_ignores_cases_that_were_not_requested(
    rest: httpx.AsyncClient, services: Services
) -> None:
    # The previous version of disputes does not know the filter.
    order = disputed()
    services.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(orders=[order])
    services.disputes.answers["ListDisputes"] = disputes_pb2.ListDisputesResponse(
        disputes=[a_dispute("RESOLVED", order_id=order.id)], next_page_token="next"
    )

    [listed] = (await rest.get("/api/v1/orders")).json()["data"]

    assert listed["dispute"]["status"] == "OPEN"
    assert len(services.disputes.asked) == 1
