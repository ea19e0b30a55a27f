"""Valid requests of support and of operators, beside those of builders.py."""

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.common.v1 import common_pb2 as common
from orchestrator.disputes.v1 import disputes_pb2 as disputes
from orchestrator.escrow.v1 import escrow_pb2 as escrow
from orchestrator.orders.v1 import withdrawals_pb2 as withdrawals

from kernel.ids import new_id


def _ident() -> str:
    return str(new_id())


def _page() -> common.PageRequest:
    return common.PageRequest(page_size=20)


DESK: Mapping[str, Callable[[], Any]] = {
    "UnassignDispute": lambda: disputes.UnassignDisputeRequest(
        request_id=_ident(), dispute_id=_ident()
    ),
    "AddMessage": lambda: disputes.AddMessageRequest(
        request_id=_ident(), dispute_id=_ident(), text="Which figures are missing?"
    ),
    "ListMessages": lambda: disputes.ListMessagesRequest(dispute_id=_ident(), page=_page()),
    "AddNote": lambda: disputes.AddNoteRequest(
        request_id=_ident(), dispute_id=_ident(), text="They have sent them before"
    ),
    "ListNotes": lambda: disputes.ListNotesRequest(dispute_id=_ident(), page=_page()),
    "CompleteDispute": lambda: disputes.CompleteDisputeRequest(
        request_id=_ident(), dispute_id=_ident()
    ),
    "AgeAnswers": lambda: disputes.AgeAnswersRequest(request_id=_ident(), seconds=60),
}
OUTSIDE = "GCLSOHCCFBAJBK5IYKYX2MAJXDITGL6X4YDZYSYUWDYU74KEU5LFKLKQ"
OPERATORS: Mapping[str, Callable[[], Any]] = {
    "RedirectPayout": lambda: escrow.RedirectPayoutRequest(
        order_id=_ident(), party=escrow.PAYEE_ROLE_SELLER, address=OUTSIDE, why="It is frozen"
    ),
    "RedirectPayoutByRule": lambda: escrow.RedirectPayoutByRuleRequest(
        request_id=_ident(),
        order_id=_ident(),
        party=escrow.PAYEE_ROLE_SELLER,
        address=OUTSIDE,
        why="It is frozen",
        wait_seconds=5,
    ),
}
# The marketplace's own request; orders then calls escrow's RedirectPayoutByRule.
REDIRECT: Mapping[str, Callable[[], Any]] = {
    "RedirectPayout": lambda: withdrawals.RedirectPayoutRequest(
        request_id=_ident(),
        order_id=_ident(),
        party=common.PARTY_SELLER,
        address=OUTSIDE,
        why="It is frozen",
        wait_seconds=5,
    ),
}
