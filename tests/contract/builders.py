"""One valid request for each RPC, with every field set, so that each rule can be violated.

A request is valid by its contract; the orders, users and disputes in it need not exist.
"""

import uuid
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from orchestrator.common.v1 import common_pb2 as common
from orchestrator.disputes.v1 import disputes_pb2 as disputes
from orchestrator.escrow.v1 import escrow_pb2 as escrow
from orchestrator.ledger.v1 import corrections_pb2 as corrections
from orchestrator.ledger.v1 import ledger_pb2 as ledger
from orchestrator.orders.v1 import offers_pb2 as offers
from orchestrator.orders.v1 import orders_pb2 as orders
from orchestrator.orders.v1 import withdrawals_pb2 as withdrawals
from orchestrator.webhooks.v1 import webhooks_pb2 as webhooks

from kernel.ids import new_id
from kernel.money import CENT
from tests.contract.desk import DESK, OPERATORS, OUTSIDE, REDIRECT
from tests.contract.event_builders import EVENTS

LINK = "https://cdn.example.com/a.png"
# An account of Stellar.
MEMO = common.Memo(type=common.MEMO_TYPE_TEXT, value="account 7")


def ident() -> str:
    """Return a new UUID."""
    return str(new_id())


def usdc(cents: int) -> common.Money:
    """Return an amount."""
    return common.Money(asset="USDC", minor_units=cents * CENT)


def page() -> common.PageRequest:
    """Return a page request with a token that no service issues."""
    return common.PageRequest(page_size=20)


def public_id() -> str:
    """Return a public id that no user has."""
    return f"usr_{uuid.uuid4().hex[:12]}"


def keyed(message: type[Message], **fields: Any) -> Message:
    """Return a mutating request with a new request id."""
    return message(request_id=ident(), **fields)


def transfer(**fields: Any) -> ledger.NewTransfer:
    """Return a deposit of one cent to a user."""
    known: dict[str, Any] = {
        "id": ident(),
        "type": ledger.TRANSFER_TYPE_SINGLE,
        "code": ledger.TRANSFER_CODE_DEPOSIT,
        "debit_account": "external:stellar",
        "credit_account": f"user:{uuid.uuid4()}",
        "amount": usdc(1),
        "order_id": ident(),
        "transaction_hash": "ab" * 32,
        "reason": "A test",
    }
    return ledger.NewTransfer(**{**known, **fields})


def on_order(message: type[Message], **fields: Any) -> Message:
    """Return a mutating request about an order."""
    return keyed(message, **{"order_id": ident(), **fields})


ORDERS: dict[str, Callable[[], Any]] = {
    "RegisterUser": lambda: keyed(
        orders.RegisterUserRequest,
        external_user_id="customer-1",
        public_id=public_id(),
        email="customer@example.com",
        type=orders.USER_TYPE_BOTH,
        user_id=ident(),
    ),
    "GetMarketplace": orders.GetMarketplaceRequest,
    "AdvanceClock": lambda: keyed(orders.AdvanceClockRequest, seconds=60),
    "GetUser": lambda: orders.GetUserRequest(user=ident()),
    "ListUsers": lambda: orders.ListUsersRequest(page=page()),
    "CreateOrder": lambda: keyed(
        orders.CreateOrderRequest,
        buyer=ident(),
        seller=ident(),
        amount=usdc(8000),
        title="Logo design",
        description="Design a logo for my startup",
        currency="USDC",
        client_order_ref=ident(),
        milestones=[
            orders.Milestone(
                ref="m1", title="All of it", description="Every part", amount=usdc(8000)
            )
        ],
        metadata_json='{"cart":7}',
        origin=orders.ORIGIN_MARKETPLACE,
        intention_id=ident(),
        contract_template_id=ident(),
        contract_id=ident(),
        contract_terms_json='{"terms":"as agreed"}',
    ),
    "GetOrder": lambda: orders.GetOrderRequest(order_id=ident()),
    "GetOrders": lambda: orders.GetOrdersRequest(order_ids=[ident(), ident()]),
    "ListOrders": lambda: orders.ListOrdersRequest(
        page=page(), state=orders.ORDER_STATE_CLOSED, buyer=ident(), seller=ident()
    ),
    "ListPartyOrders": lambda: orders.ListPartyOrdersRequest(
        user_id=ident(), role=common.PARTY_BUYER, status="paid", offset=0, limit=20
    ),
    "GetTimeline": lambda: orders.GetTimelineRequest(order_id=ident()),
    "GetReceipt": lambda: orders.GetReceiptRequest(order_id=ident()),
    "ReserveFunds": lambda: on_order(orders.ReserveFundsRequest, amount=usdc(8000), wait_seconds=5),
    "CreateEscrow": lambda: on_order(orders.CreateEscrowRequest, wait_seconds=5),
    "FundEscrow": lambda: on_order(orders.FundEscrowRequest, wait_seconds=5),
    "ReleaseFunds": lambda: on_order(
        orders.ReleaseFundsRequest,
        requested_by=common.PARTY_BUYER,
        wait_seconds=5,
        delta_score_tenths=95,
        force=True,
    ),
    "CompleteMilestone": lambda: on_order(
        orders.CompleteMilestoneRequest, ref="m1", wait_seconds=5
    ),
    "CancelOrder": lambda: on_order(
        orders.CancelOrderRequest,
        canceled_by=common.PARTY_BUYER,
        reason="Changed my mind",
        wait_seconds=5,
    ),
    "RefundOrder": lambda: on_order(
        orders.RefundOrderRequest,
        requested_by=common.PARTY_BUYER,
        reason="Not needed",
        wait_seconds=5,
    ),
    "OpenDispute": lambda: on_order(
        orders.OpenDisputeRequest,
        opened_by=common.PARTY_BUYER,
        reason=orders.DISPUTE_REASON_OTHER,
        description="It is not what was agreed",
        evidence=[LINK],
    ),
    "MakeOffer": lambda: offers.MakeOfferRequest(
        request_id=ident(),
        order_id=ident(),
        refund_amount=usdc(2000),
        message="Two drafts are missing",
        offered_by=common.PARTY_BUYER,
    ),
    "AcceptOffer": lambda: on_order(
        offers.AcceptOfferRequest,
        offer_id=ident(),
        answered_by=common.PARTY_SELLER,
        wait_seconds=5,
    ),
    "DeclineOffer": lambda: on_order(
        offers.DeclineOfferRequest, offer_id=ident(), answered_by=common.PARTY_SELLER
    ),
    "GetOffer": lambda: offers.GetOfferRequest(order_id=ident(), offer_id=ident()),
    "ListOffers": lambda: offers.ListOffersRequest(order_id=ident()),
    "ResolveDispute": lambda: keyed(
        orders.ResolveDisputeRequest,
        dispute_id=ident(),
        decision=orders.DISPUTE_DECISION_SPLIT,
        release_amount=usdc(5000),
        refund_amount=usdc(3000),
        note="Half done",
        wait_seconds=5,
    ),
    "DeliverOrder": lambda: on_order(orders.DeliverOrderRequest, notes="Here it is", url=LINK),
    "ConfirmOrder": lambda: on_order(orders.ConfirmOrderRequest, wait_seconds=5),
    "PayOrder": lambda: on_order(orders.PayOrderRequest, wait_seconds=5),
    "GetReconciliation": orders.GetReconciliationRequest,
    "GiveBackHold": lambda: orders.GiveBackHoldRequest(order_id=ident(), reason="A late hold"),
    "CreditUser": lambda: keyed(
        orders.CreditUserRequest,
        user=ident(),
        amount=usdc(100),
        reference=ident(),
        description="Welcome",
        wait_seconds=5,
    ),
}

ORDERS |= {
    "CreateWithdrawal": lambda: keyed(
        withdrawals.CreateWithdrawalRequest,
        user=ident(),
        amount=usdc(100),
        destination=OUTSIDE,
        memo=MEMO,
        reference=ident(),
        commit=True,
        wait_seconds=5,
    ),
    "CommitWithdrawal": lambda: keyed(
        withdrawals.CommitWithdrawalRequest, withdrawal_id=ident(), wait_seconds=5
    ),
    "ApproveWithdrawal": lambda: keyed(
        withdrawals.ApproveWithdrawalRequest, withdrawal_id=ident(), wait_seconds=5
    ),
    "CancelWithdrawal": lambda: keyed(withdrawals.CancelWithdrawalRequest, withdrawal_id=ident()),
    "GetWithdrawal": lambda: withdrawals.GetWithdrawalRequest(withdrawal_id=ident()),
    "ListWithdrawals": lambda: withdrawals.ListWithdrawalsRequest(
        page=page(),
        user=ident(),
        state=withdrawals.WITHDRAWAL_STATE_CREATED,
        reference=ident(),
    ),
}

ORDERS["GetPreview"] = lambda: orders.GetPreviewRequest(release_funds=ORDERS["ReleaseFunds"]())

LEDGER: dict[str, Callable[[], Any]] = {
    "OpenAccount": lambda: keyed(
        ledger.OpenAccountRequest, user_id=ident(), public_id=public_id(), asset="USDC"
    ),
    "PostTransfers": lambda: keyed(ledger.PostTransfersRequest, transfers=[transfer()]),
    "CheckTransfers": lambda: ledger.CheckTransfersRequest(
        transfers=[transfer()], user_ids=[ident()], asset="USDC"
    ),
    "GetBalance": lambda: ledger.GetBalanceRequest(user_id=ident(), asset="USDC"),
    "ListEntries": lambda: ledger.ListEntriesRequest(user_id=ident(), asset="USDC", page=page()),
    "ListTransfers": lambda: ledger.ListTransfersRequest(order_id=ident()),
    "GetTransfer": lambda: ledger.GetTransferRequest(transfer_id=ident()),
    "ListAccounts": lambda: ledger.ListAccountsRequest(page=page(), accounts=[f"user:{ident()}"]),
    "GetPlatformBalance": lambda: ledger.GetPlatformBalanceRequest(asset="USDC"),
    "ListPlatformEntries": lambda: ledger.ListPlatformEntriesRequest(asset="USDC", page=page()),
    "CheckInvariants": ledger.CheckInvariantsRequest,
    "GetBooks": ledger.GetBooksRequest,
    "ListSuspense": lambda: ledger.ListSuspenseRequest(only_open=True, page=page()),
    "CreditSuspense": lambda: ledger.CreditSuspenseRequest(transfer_id=ident(), reason="Theirs"),
    "ListOpenHolds": lambda: ledger.ListOpenHoldsRequest(page=page()),
    "ProposeCorrection": lambda: keyed(
        corrections.ProposeCorrectionRequest,
        debit_account="external:stellar",
        credit_account=f"user:{uuid.uuid4()}",
        amount=usdc(1),
        reason="A deposit whose record was refused",
        evidence_hash="cd" * 32,
        settles="evt_1",
        order_id=ident(),
        transaction_hash="ab" * 32,
    ),
    "DecideCorrection": lambda: corrections.DecideCorrectionRequest(
        correction_id=ident(), verdict=corrections.VERDICT_REJECTED
    ),
    "ListCorrections": lambda: corrections.ListCorrectionsRequest(only_open=True, page=page()),
}

ESCROW: dict[str, Callable[[], Any]] = {
    "CreateWallet": lambda: keyed(
        escrow.CreateWalletRequest, user_id=ident(), user_public_id=public_id(), wait_seconds=5
    ),
    "GetWallet": lambda: escrow.GetWalletRequest(user_id=ident()),
    "GetNetwork": escrow.GetNetworkRequest,
    "CreateEscrow": lambda: on_order(
        escrow.CreateEscrowRequest,
        escrow_id=ident(),
        buyer_user_id=ident(),
        seller_user_id=ident(),
        amount=usdc(8000),
        title="Logo design",
        description="Design a logo for my startup",
        milestones=["All of it"],
        platform_fee_bps=0,
    ),
    "FundEscrow": lambda: on_order(escrow.FundEscrowRequest),
    "CompleteMilestone": lambda: on_order(escrow.CompleteMilestoneRequest, milestone=0),
    "ReleaseEscrow": lambda: on_order(escrow.ReleaseEscrowRequest),
    "RefundEscrow": lambda: on_order(escrow.RefundEscrowRequest),
    "FreezeEscrow": lambda: on_order(escrow.FreezeEscrowRequest),
    "ResolveEscrow": lambda: on_order(
        escrow.ResolveEscrowRequest, seller_share=usdc(5000), buyer_share=usdc(3000)
    ),
    "CreditWallet": lambda: keyed(escrow.CreditWalletRequest, user_id=ident(), amount=usdc(100)),
    "CheckDestination": lambda: escrow.CheckDestinationRequest(
        user_id=ident(),
        destination=escrow.Destination(address=OUTSIDE, memo=MEMO),
        amount=usdc(100),
    ),
    "Withdraw": lambda: keyed(
        escrow.WithdrawRequest,
        user_id=ident(),
        destination=escrow.Destination(address=OUTSIDE, memo=MEMO),
        amount=usdc(100),
    ),
    "GetCommand": lambda: escrow.GetCommandRequest(command_id=ident()),
    "GetEscrow": lambda: escrow.GetEscrowRequest(order_id=ident()),
    "ListTransactions": lambda: escrow.ListTransactionsRequest(order_id=ident()),
    "ListHoldings": lambda: escrow.ListHoldingsRequest(page=page()),
    "ListConcerns": escrow.ListConcernsRequest,
    "CheckNetwork": escrow.CheckNetworkRequest,
    "RequeueCommand": lambda: escrow.RequeueCommandRequest(command_id=ident()),
    "AdoptTransaction": lambda: escrow.AdoptTransactionRequest(
        command_id=ident(), transaction_hash="ab" * 32, why="It landed"
    ),
    "AbandonCommand": lambda: escrow.AbandonCommandRequest(command_id=ident(), why="It did not"),
    "ConfirmChain": lambda: escrow.ConfirmChainRequest(why="All is settled"),
    "StopFlow": lambda: escrow.StopFlowRequest(flow=escrow.FLOW_PAYMENTS, reason="A drill"),
    "ResumeFlow": lambda: escrow.ResumeFlowRequest(flow=escrow.FLOW_PAYMENTS, reason="It is over"),
    "LimitFlow": lambda: escrow.LimitFlowRequest(
        flow=escrow.FLOW_PAYMENTS, reason="The licence", daily_limit=usdc(10**9)
    ),
    "ListFlows": escrow.ListFlowsRequest,
    "RewrapKeys": escrow.RewrapKeysRequest,
    "CheckCommand": lambda: escrow.CheckCommandRequest(
        after=ESCROW["CreateEscrow"](), fund=ESCROW["FundEscrow"]()
    ),
}

DISPUTES: dict[str, Callable[[], Any]] = {
    "OpenDispute": lambda: on_order(
        disputes.OpenDisputeRequest,
        dispute_id=ident(),
        opened_by=common.PARTY_BUYER,
        reason=orders.DISPUTE_REASON_QUALITY_ISSUE,
        description="The logo is upside down",
        initiated_by=ident(),
        evidence=[LINK],
        contract_snapshot_json="{}",
        amount=usdc(8000),
        buyer_id=ident(),
        seller_id=ident(),
    ),
    "GetDispute": lambda: disputes.GetDisputeRequest(dispute_id=ident()),
    "ListDisputes": lambda: disputes.ListDisputesRequest(
        page=page(),
        order_id=ident(),
        status=disputes.DISPUTE_STATUS_OPEN,
        dispute_ids=[ident()],
    ),
    "AssignDispute": lambda: keyed(
        disputes.AssignDisputeRequest, dispute_id=ident(), agent_id="agent-1", notes="Soon"
    ),
    "AddEvidence": lambda: keyed(disputes.AddEvidenceRequest, dispute_id=ident(), evidence=[LINK]),
    "DecideDispute": lambda: keyed(
        disputes.DecideDisputeRequest,
        dispute_id=ident(),
        decision=orders.DISPUTE_DECISION_SPLIT,
        release_amount=usdc(5000),
        refund_amount=usdc(3000),
        note="Half done",
        resolved_by="agent-1",
    ),
    "WithdrawDecision": lambda: keyed(
        disputes.WithdrawDecisionRequest, dispute_id=ident(), why="It can never be paid"
    ),
    **DESK,
}

WEBHOOKS: dict[str, Callable[[], Any]] = {
    "CreateWebhook": lambda: keyed(
        webhooks.CreateWebhookRequest,
        url=f"https://shop.example.com/hooks/{ident()}",
        event_types=["order.*", "dispute.opened"],
        description="The shop",
    ),
    "GetWebhook": lambda: webhooks.GetWebhookRequest(webhook_id=ident()),
    "ListWebhooks": lambda: webhooks.ListWebhooksRequest(page=page()),
    "UpdateWebhook": lambda: keyed(
        webhooks.UpdateWebhookRequest,
        webhook_id=ident(),
        url="https://shop.example.com/others",
        event_types=["*"],
        description="All of them",
        enabled=True,
    ),
    "DeleteWebhook": lambda: keyed(webhooks.DeleteWebhookRequest, webhook_id=ident()),
    "RotateSecret": lambda: keyed(webhooks.RotateSecretRequest, webhook_id=ident()),
    "TestWebhook": lambda: keyed(webhooks.TestWebhookRequest, webhook_id=ident()),
    "ListDeliveries": lambda: webhooks.ListDeliveriesRequest(
        webhook_id=ident(), page=page(), status=webhooks.DELIVERY_STATUS_FAILED
    ),
    "ResendDelivery": lambda: keyed(
        webhooks.ResendDeliveryRequest, webhook_id=ident(), delivery_id=ident()
    ),
    "ResendDeliveries": lambda: keyed(
        webhooks.ResendDeliveriesRequest, webhook_id=ident(), since=Timestamp(seconds=1)
    ),
}

VALID: dict[str, dict[str, Callable[[], Any]]] = {
    "orders": {**ORDERS, **REDIRECT},
    "ledger": LEDGER,
    "escrow": {**ESCROW, **OPERATORS},
    "disputes": DISPUTES,
    "webhooks": WEBHOOKS | EVENTS,
}
