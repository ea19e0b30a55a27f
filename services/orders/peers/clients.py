"""gRPC clients of the ledger, escrow and disputes, which implement the ports of orders."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import grpc
import orjson
from google.protobuf.message import Message
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2, disputes_pb2_grpc
from orchestrator.escrow.v1 import escrow_pb2, escrow_pb2_grpc
from orchestrator.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from chassis.channel import TIMEOUT_SECONDS, Caller
from chassis.idempotency import fingerprint
from chassis.wire import milliseconds_text
from kernel.ids import derived_id
from kernel.money import USDC, to_text
from services.orders.order.domain import Order, UserName
from services.orders.order.marketplace_rules import MarketplaceRules
from services.orders.peers.ports import (
    Command,
    CommandState,
    Flaw,
    Memo,
    Payee,
    Payment,
    Posted,
    TimelineItem,
    Transfer,
)

RequestT = TypeVar("RequestT", bound=Message)
# The methods that start a command.
Starting: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[RequestT, escrow_pb2.Command]"
# The second is added to the timeout of a call that waits for a command's end.
COMMAND_WAIT_SECONDS, SLACK_SECONDS = 20, 5.0


class LedgerClient:
    """The client of the ledger."""

    def __init__(self, stub: ledger_pb2_grpc.LedgerServiceStub, caller: Caller) -> None:
        self._stub = stub
        self._caller = caller

    async def open_account(self, *, user: UserName, asset: str) -> None:
        """Open a user's account, unless it is open."""
        request = ledger_pb2.OpenAccountRequest(
            request_id=f"open:{user.id}:{asset}",
            user_id=str(user.id),
            public_id=user.public_id,
            asset=asset,
        )
        await self._caller.call(self._stub.OpenAccount, request)

    async def post(self, transfers: Sequence[Transfer]) -> list[Posted]:
        """Post transfers, all or nothing; return one answer for each."""
        if not transfers:
            return []
        request = ledger_pb2.PostTransfersRequest(
            transfers=[new_transfer(t, linked=t is not transfers[-1]) for t in transfers]
        )
        response = await self._caller.call(self._stub.PostTransfers, request)
        return [posted_of(result) for result in response.results]

    async def timeline(self, order_id: uuid.UUID) -> list[TimelineItem]:
        """List an order's transfers, oldest first."""
        request = ledger_pb2.ListTransfersRequest(order_id=str(order_id))
        response = await self._caller.call(self._stub.ListTransfers, request)
        return [
            TimelineItem(
                at=milliseconds_text(transfer.at),
                kind="TRANSFER",
                name=_name(ledger_pb2.TransferCode, transfer.code, "TRANSFER_CODE_"),
                details={
                    "transferId": transfer.id,
                    "type": _name(ledger_pb2.TransferType, transfer.type, "TRANSFER_TYPE_"),
                    "debit": transfer.debit_account,
                    "credit": transfer.credit_account,
                    "amount": to_text(transfer.amount.minor_units),
                    "transactionHash": transfer.transaction_hash,
                    "reason": transfer.reason,
                },
            )
            for transfer in response.transfers
        ]


class EscrowClient:
    """The client of the escrow service: wallets and contracts."""

    def __init__(self, stub: escrow_pb2_grpc.EscrowServiceStub, caller: Caller) -> None:
        self._stub = stub
        self._caller = caller

    async def create_wallet(self, *, user: UserName, wait_seconds: int) -> str:
        """Make a user's wallet and return its address."""
        request = escrow_pb2.CreateWalletRequest(
            request_id=str(derived_id(user.id, "wallet")),
            user_id=str(user.id),
            user_public_id=user.public_id,
            wait_seconds=wait_seconds,
        )
        wallet = await self._caller.call(
            self._stub.CreateWallet, request, timeout_seconds=wait_seconds + SLACK_SECONDS
        )
        return wallet.address

    async def create(self, *, command_id: uuid.UUID, escrow_id: uuid.UUID, order: Order) -> Command:
        """Start deploying the order's contract; the answer has the contract's address."""
        request = escrow_pb2.CreateEscrowRequest(
            request_id=str(command_id),
            escrow_id=str(escrow_id),
            order_id=str(order.id),
            buyer_user_id=str(order.buyer.id),
            seller_user_id=str(order.seller.id),
            amount=_money(order.asset, order.amount),
            title=order.title,
            description=order.description,
            milestones=[milestone.title for milestone in order.milestones],
            platform_fee_bps=order.platform_fee_bps,
        )
        return await self._start(self._stub.CreateEscrow, request)

    async def fund(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Start moving the buyer's money into the contract."""
        request = escrow_pb2.FundEscrowRequest(request_id=str(command_id), order_id=str(order_id))
        return await self._start(self._stub.FundEscrow, request, waits=True)

    async def complete_milestone(
        self, *, command_id: uuid.UUID, order_id: uuid.UUID, place: int
    ) -> Command:
        """Start completing a milestone. place: its position in the order, from 0."""
        request = escrow_pb2.CompleteMilestoneRequest(
            request_id=str(command_id), order_id=str(order_id), milestone=place
        )
        return await self._start(self._stub.CompleteMilestone, request, waits=True)

    async def release(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Start paying the seller."""
        request = escrow_pb2.ReleaseEscrowRequest(
            request_id=str(command_id), order_id=str(order_id)
        )
        return await self._start(self._stub.ReleaseEscrow, request, waits=True)

    async def refund(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Start paying the buyer back."""
        request = escrow_pb2.RefundEscrowRequest(request_id=str(command_id), order_id=str(order_id))
        return await self._start(self._stub.RefundEscrow, request, waits=True)

    async def freeze(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Start freezing the contract."""
        request = escrow_pb2.FreezeEscrowRequest(request_id=str(command_id), order_id=str(order_id))
        return await self._start(self._stub.FreezeEscrow, request, waits=True)

    async def resolve(
        self, *, command_id: uuid.UUID, order: Order, to_seller: int, to_buyer: int
    ) -> Command:
        """Start paying out the contract by shares, in minor units."""
        request = escrow_pb2.ResolveEscrowRequest(
            request_id=str(command_id),
            order_id=str(order.id),
            seller_share=_money(order.asset, to_seller),
            buyer_share=_money(order.asset, to_buyer),
        )
        return await self._start(self._stub.ResolveEscrow, request, waits=True)

    async def credit(self, *, command_id: uuid.UUID, user_id: uuid.UUID, amount: int) -> Command:
        """Start paying a user's wallet from the platform wallet. amount: minor units."""
        request = escrow_pb2.CreditWalletRequest(
            request_id=str(command_id), user_id=str(user_id), amount=_money(USDC, amount)
        )
        return await self._start(self._stub.CreditWallet, request)

    async def flaw_of(
        self, *, user_id: uuid.UUID | None, destination: str, memo: Memo | None, amount: int
    ) -> Flaw | None:
        """Return why a wallet may not pay an amount to an address; None: it may.

        user_id: the owner of the wallet; None: the platform wallet.
        """
        request = escrow_pb2.CheckDestinationRequest(
            user_id="" if user_id is None else str(user_id),
            by_platform=user_id is None,
            destination=_destination(destination, memo),
            amount=_money(USDC, amount),
        )
        answer = await self._caller.call(self._stub.CheckDestination, request)
        return Flaw(why=answer.why, message=answer.message) if answer.why else None

    async def withdraw(
        self,
        *,
        command_id: uuid.UUID,
        user_id: uuid.UUID | None,
        destination: str,
        memo: Memo | None,
        amount: int,
    ) -> Command:
        """Start paying an amount in minor units from a user's wallet to an address outside.

        user_id: the owner of the wallet; None: the platform wallet.
        """
        request = escrow_pb2.WithdrawRequest(
            request_id=str(command_id),
            user_id="" if user_id is None else str(user_id),
            by_platform=user_id is None,
            destination=_destination(destination, memo),
            amount=_money(USDC, amount),
        )
        return await self._start(self._stub.Withdraw, request)

    async def command(self, *, command_id: uuid.UUID, wait_seconds: int) -> Command:
        """Return the state of a command, after waiting at most `wait_seconds` for its end."""
        request = escrow_pb2.GetCommandRequest(
            command_id=str(command_id), wait_seconds=wait_seconds
        )
        return command_of(
            await self._caller.call(
                self._stub.GetCommand, request, timeout_seconds=wait_seconds + SLACK_SECONDS
            )
        )

    async def existing(self, order_id: uuid.UUID) -> Command:
        """Return an order's existing contract, in the form of a command that has succeeded."""
        request = escrow_pb2.GetEscrowRequest(order_id=str(order_id))
        escrow = await self._caller.call(self._stub.GetEscrow, request)
        return Command(
            id=order_id,
            state="SUCCEEDED",
            contract_id=escrow.contract_id,
            escrow_status=_name(escrow_pb2.EscrowState, escrow.state, "ESCROW_STATE_"),
        )

    async def timeline(self, order_id: uuid.UUID) -> list[TimelineItem]:
        """List an order's chain transactions, oldest first."""
        request = escrow_pb2.ListTransactionsRequest(order_id=str(order_id))
        response = await self._caller.call(self._stub.ListTransactions, request)
        return [
            TimelineItem(
                at=milliseconds_text(transaction.at),
                kind="TRANSACTION",
                name=transaction.name,
                details={
                    "hash": transaction.hash,
                    "state": transaction.state,
                    "ledger": transaction.ledger,
                },
            )
            for transaction in response.transactions
        ]

    async def _start(
        self, method: "Starting[RequestT]", request: RequestT, *, waits: bool = False
    ) -> Command:
        """Start a command. waits: for its end, for a while. Raises: the peer's refusal."""
        seconds = COMMAND_WAIT_SECONDS + SLACK_SECONDS if waits else TIMEOUT_SECONDS
        if waits:
            cast("Any", request).wait_seconds = COMMAND_WAIT_SECONDS
        return command_of(await self._caller.call(method, request, timeout_seconds=seconds))


class DisputesClient:
    """The client of the disputes service."""

    def __init__(self, stub: disputes_pb2_grpc.DisputesServiceStub, caller: Caller) -> None:
        self._stub = stub
        self._caller = caller

    async def open(
        self,
        *,
        request_id: str,
        dispute_id: uuid.UUID,
        order: Order,
        rules: MarketplaceRules,
        fields: Mapping[str, str],
    ) -> None:
        """Open the case of a disputed order."""
        if order.dispute is None:
            raise ValueError("the order has no dispute")
        request = disputes_pb2.OpenDisputeRequest(
            request_id=request_id,
            dispute_id=str(dispute_id),
            order_id=str(order.id),
            opened_by=f"PARTY_{order.dispute.opened_by.value}",
            reason=f"DISPUTE_REASON_{order.dispute.reason.value}",
            description=fields["description"],
            initiated_by=fields["initiated_by"],
            evidence=orjson.loads(fields["evidence"]),
            contract_snapshot_json=order.contract_terms_json,
            amount=_money(order.asset, order.amount),
        )
        # The fingerprint excludes the fields below. They may differ when the call is repeated, and
        # an older service does not know them.
        request.fingerprint = fingerprint(request)
        request.buyer_id, request.seller_id = str(order.buyer.id), str(order.seller.id)
        request.first_answer_hours = rules.support_time.answer_hours or 0
        request.decision_hours = rules.support_time.decision_hours or 0
        request.clock_offset_seconds = int(rules.clock_offset.total_seconds())
        await self._caller.call(self._stub.OpenDispute, request)

    async def decide(
        self, *, request_id: str, dispute_id: uuid.UUID, order: Order, fields: Mapping[str, str]
    ) -> None:
        """Record a decision in the case."""
        is_split = fields["decision"] == "SPLIT"
        request = disputes_pb2.DecideDisputeRequest(
            request_id=request_id,
            dispute_id=str(dispute_id),
            decision=f"DISPUTE_DECISION_{fields['decision']}",
            release_amount=_money(order.asset, int(fields["release"])) if is_split else None,
            refund_amount=_money(order.asset, int(fields["refund"])) if is_split else None,
            note=fields["note"],
            resolved_by=fields["resolved_by"],
            # An agreement has no name, nor has an operation that an older version has begun.
            resolved_by_name=fields.get("resolved_by_name", ""),
        )
        await self._caller.call(self._stub.DecideDispute, request)

    async def withdraw(self, *, request_id: str, dispute_id: uuid.UUID, why: str) -> None:
        """Withdraw the decision."""
        request = disputes_pb2.WithdrawDecisionRequest(
            request_id=request_id, dispute_id=str(dispute_id), why=why
        )
        await self._caller.call(self._stub.WithdrawDecision, request)

    async def complete(self, *, request_id: str, dispute_id: uuid.UUID) -> None:
        """Mark the case resolved."""
        request = disputes_pb2.CompleteDisputeRequest(
            request_id=request_id, dispute_id=str(dispute_id)
        )
        await self._caller.call(self._stub.CompleteDispute, request)


def new_transfer(transfer: Transfer, *, linked: bool) -> ledger_pb2.NewTransfer:
    """Encode a transfer. linked: it is posted together with the next one or not at all."""
    return ledger_pb2.NewTransfer(
        id=str(transfer.id),
        type=f"TRANSFER_TYPE_{transfer.type}",
        code=f"TRANSFER_CODE_{transfer.code}",
        debit_account=transfer.debit,
        credit_account=transfer.credit,
        amount=_money(transfer.asset, transfer.amount) if transfer.amount else None,
        pending_id=str(transfer.pending_id) if transfer.pending_id else "",
        linked=linked,
        order_id=str(transfer.order_id) if transfer.order_id else "",
        transaction_hash=transfer.transaction_hash,
        reason=transfer.reason,
        bars=transfer.bars,
    )


def posted_of(result: ledger_pb2.TransferResult) -> Posted:
    """Decode the answer to a transfer."""
    return Posted(
        is_refused=result.status == ledger_pb2.TRANSFER_STATUS_REFUSED,
        reason=result.reason,
        available=result.available.minor_units,
        requested=result.requested.minor_units,
        debited_reserved=result.debited.reserved.minor_units,
    )


def command_of(command: escrow_pb2.Command) -> Command:
    """Decode a command."""
    return Command(
        id=uuid.UUID(command.id),
        state=cast("CommandState", _name(escrow_pb2.CommandState, command.state, "COMMAND_STATE_")),
        contract_id=command.escrow.contract_id,
        escrow_status=_name(escrow_pb2.EscrowState, command.escrow.state, "ESCROW_STATE_"),
        payments=tuple(_payment(payment) for payment in command.payments),
        error_reason=command.error_reason,
        error_message=command.error_message,
    )


def _payment(payment: escrow_pb2.ChainPayment) -> Payment:
    return Payment(
        payee=cast("Payee", _name(escrow_pb2.PayeeRole, payment.payee, "PAYEE_ROLE_")),
        amount=payment.amount.minor_units,
        transaction_hash=payment.transaction_hash,
        is_absorbed_fee=payment.absorbed_fee,
        is_redirected=payment.redirected,
    )


def _destination(address: str, memo: Memo | None) -> escrow_pb2.Destination:
    said = common_pb2.Memo(type=f"MEMO_TYPE_{memo.type.value}", value=memo.value) if memo else None
    return escrow_pb2.Destination(address=address, memo=said)


def _money(asset: str, minor_units: int) -> common_pb2.Money:
    return common_pb2.Money(asset=asset, minor_units=minor_units)


def _name(enum: Any, value: int, prefix: str) -> str:
    return str(enum.Name(value)).removeprefix(prefix)
