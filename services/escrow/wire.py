"""Conversions between protobuf messages and escrow's domain. They are total."""

import uuid
from collections.abc import Sequence

from orchestrator.common.v1 import common_pb2
from orchestrator.escrow.v1 import escrow_pb2

from chassis.wire import instant_to_proto, money_from_proto, money_to_proto, page_token
from kernel.errors import InvalidArgument
from kernel.money import USDC, Money
from services.escrow.commands.rows import ChainTransactionRow
from services.escrow.contracts.contract import payouts
from services.escrow.contracts.intents import Memo, MemoType
from services.escrow.deposits.store import Blindness
from services.escrow.domain import Command, Escrow, PayeeRole, Payment, Wallet
from services.escrow.operating.attention import Concerns
from services.escrow.operating.network import NetworkFinding
from services.escrow.operating.redirect_store import Redirect
from services.escrow.queries import Holdings, Network
from services.escrow.sending.flows import Flow, FlowReport
from services.escrow.sending.landings import Hold
from services.escrow.service import NewEscrow
from services.escrow.wallets.waking import ASLEEP


def new_escrow(request: escrow_pb2.CreateEscrowRequest) -> NewEscrow:
    """Decode the request for a new escrow."""
    return NewEscrow(
        id=uuid.UUID(request.escrow_id),
        order_id=uuid.UUID(request.order_id),
        buyer_user_id=uuid.UUID(request.buyer_user_id),
        seller_user_id=uuid.UUID(request.seller_user_id),
        amount=money_from_proto(request.amount),
        title=request.title,
        description=request.description,
        milestones=tuple(request.milestones),
        platform_fee_bps=request.platform_fee_bps,
    )


def payer(
    request: escrow_pb2.CheckDestinationRequest | escrow_pb2.WithdrawRequest,
) -> uuid.UUID | None:
    """Return the user whose wallet pays; None: the platform's does. Raises: InvalidArgument."""
    if request.by_platform == bool(request.user_id):
        raise InvalidArgument(
            "Invalid field: user_id",
            fields=[("user_id", "must be given unless the platform pays, and not then")],
        )
    return None if request.by_platform else uuid.UUID(request.user_id)


def memo(destination: escrow_pb2.Destination) -> Memo | None:
    """Decode the memo of a payment, or None if it has no memo."""
    if not destination.HasField("memo"):
        return None
    name = common_pb2.MemoType.Name(destination.memo.type).removeprefix("MEMO_TYPE_")
    return Memo(type=MemoType(name), value=destination.memo.value)


def command(value: Command) -> escrow_pb2.Command:
    """Encode a command with its payments and its escrow."""
    message = escrow_pb2.Command(
        id=str(value.id),
        kind=f"COMMAND_KIND_{value.kind}",
        state=f"COMMAND_STATE_{value.state}",
        step=value.step,
        payments=[_payment(payment, value.escrow) for payment in value.payments],
        error_reason=value.error_reason,
        error_message=value.error_message,
        created_at=instant_to_proto(value.created_at),
        finished_at=instant_to_proto(value.finished_at),
    )
    if value.escrow is not None:
        message.escrow.CopyFrom(escrow(value.escrow))
    return message


def escrow(value: Escrow) -> escrow_pb2.Escrow:
    """Encode an escrow."""
    return escrow_pb2.Escrow(
        id=str(value.id),
        order_id=str(value.order_id),
        contract_id=value.contract_id,
        state=f"ESCROW_STATE_{value.state}",
        amount=money_to_proto(value.amount),
        funded_at=instant_to_proto(value.funded_at),
        closed_at=instant_to_proto(value.closed_at),
        last_error=value.last_error,
    )


def wallet(value: Wallet, *, balance: int | None = None) -> escrow_pb2.Wallet:
    """Encode a wallet. balance: minor units, where it was read."""
    balances = [] if balance is None else [_usdc(balance)]
    return escrow_pb2.Wallet(
        id=str(value.id),
        user_id=str(value.user_id),
        user_public_id=value.user_public_id,
        address=value.address,
        # Returning the address of a merged wallet has its account created again: see `Waking`.
        state=f"WALLET_STATE_{'CREATING' if value.state in ASLEEP else value.state}",
        balances=balances,
        created_at=instant_to_proto(value.created_at),
    )


def network(value: Network) -> escrow_pb2.Network:
    """Encode the network and its asset."""
    return escrow_pb2.Network(
        passphrase=value.passphrase,
        name=value.name,
        asset_code=USDC,
        asset_issuer=value.asset_issuer,
        asset_contract=value.asset_contract,
    )


def transaction(value: ChainTransactionRow) -> escrow_pb2.ChainTransaction:
    """Encode a transaction that was signed."""
    return escrow_pb2.ChainTransaction(
        hash=value.hash,
        name=value.name,
        state=value.state,
        ledger=value.ledger,
        at=instant_to_proto(value.at),
    )


def holdings(value: Holdings) -> escrow_pb2.ListHoldingsResponse:
    """Encode a page of holders with their live balances."""
    return escrow_pb2.ListHoldingsResponse(
        holdings=[
            escrow_pb2.Holding(
                account=holder.account,
                address=holder.address,
                balance=_usdc(value.balances[holder.address]),
                in_motion=holder.in_motion,
                is_closed=holder.is_closed,
                is_overfunded=holder.address in value.overfunded,
            )
            for holder in value.holders
        ],
        next_page_token=page_token(value.next_after) if value.next_after else "",
    )


def concerns(value: Concerns) -> escrow_pb2.ListConcernsResponse:
    """Encode what an operator must look at."""
    return escrow_pb2.ListConcernsResponse(
        commands=[
            escrow_pb2.CommandOfConcern(
                id=str(found.id),
                kind=f"COMMAND_KIND_{found.kind}",
                state=f"COMMAND_STATE_{found.state}",
                step=found.step,
                reason=found.reason,
                message=found.message,
                account=found.account,
                waits=found.waits,
                since=instant_to_proto(found.since),
            )
            for found in value.commands
        ],
        transfers=[
            escrow_pb2.TransferAside(
                event_id=found.event_id,
                transaction_hash=found.transaction_hash,
                ledger=found.ledger,
                to_address=found.to_address,
                why=found.why,
            )
            for found in value.transfers
        ],
        changes=[
            escrow_pb2.ForeignChange(
                event_id=found.event_id,
                order_id=str(found.order_id),
                contract_id=found.contract_id,
                name=found.name,
                transaction_hash=found.transaction_hash,
                ledger=found.ledger,
                found_at=instant_to_proto(found.found_at),
            )
            for found in value.changes
        ],
        hold=None if value.hold is None else _hold(value.hold),
        blindness=None if value.blindness is None else _blindness(value.blindness),
        oldest_event_at=instant_to_proto(value.oldest_event_at),
    )


def findings(value: Sequence[NetworkFinding]) -> escrow_pb2.CheckNetworkResponse:
    """Encode the findings about the network."""
    return escrow_pb2.CheckNetworkResponse(
        findings=[
            escrow_pb2.NetworkFinding(
                name=found.name,
                state=f"NETWORK_FINDING_STATE_{found.state}",
                says=found.says,
                todo=found.todo,
            )
            for found in value
        ]
    )


FlowRequest = (
    escrow_pb2.StopFlowRequest | escrow_pb2.ResumeFlowRequest | escrow_pb2.LimitFlowRequest
)


def flow(request: FlowRequest) -> Flow:
    """Decode the flow that a request names."""
    return Flow(escrow_pb2.Flow.Name(request.flow).removeprefix("FLOW_"))


def flow_report(value: FlowReport) -> escrow_pb2.FlowReport:
    """Encode the flows of a marketplace."""
    return escrow_pb2.FlowReport(
        flows=[
            escrow_pb2.FlowState(
                flow=f"FLOW_{state.flow}",
                is_stopped=state.is_stopped,
                daily_limit=None if state.daily_limit is None else _usdc(state.daily_limit),
                used_today=_usdc(state.used_today),
            )
            for state in value.states
        ],
        history=[
            escrow_pb2.FlowChange(
                flow=f"FLOW_{line.flow}",
                change=f"FLOW_CHANGE_KIND_{line.change}",
                all_marketplaces=line.marketplace_id is None,
                daily_limit=None if line.daily_limit is None else _usdc(line.daily_limit),
                reason=line.reason,
                by=line.by,
                at=instant_to_proto(line.at),
            )
            for line in value.history
        ],
    )


def party(value: int) -> PayeeRole:
    """Decode a party. The contract allows only the seller and the buyer."""
    return PayeeRole(escrow_pb2.PayeeRole.Name(value).removeprefix("PAYEE_ROLE_"))


def redirect(value: Redirect) -> escrow_pb2.Redirect:
    """Encode a redirection of a payout."""
    return escrow_pb2.Redirect(
        party=f"PAYEE_ROLE_{value.party}",
        address=value.address,
        proposed_by=value.proposed_by,
        expires_at=instant_to_proto(value.expires_at),
        approved_by=value.approved_by,
    )


def encode_redirect(value: Redirect) -> bytes:
    """Encode a redirection as a stored answer."""
    return redirect(value).SerializeToString(deterministic=True)


def encode_command(value: Command) -> bytes:
    """Encode a command as a stored answer."""
    return command(value).SerializeToString(deterministic=True)


def checked(value: Command | None, steps: Sequence[str]) -> escrow_pb2.CheckCommandResponse:
    """Encode the preview of a command."""
    if value is None:
        raise ValueError("no command was planned")
    return escrow_pb2.CheckCommandResponse(command=command(value), steps=steps)


def encode_wallet(value: Wallet) -> bytes:
    """Encode a wallet as a stored answer."""
    return wallet(value).SerializeToString(deterministic=True)


def _blindness(value: Blindness) -> escrow_pb2.WatcherBlindness:
    return escrow_pb2.WatcherBlindness(why=value.why, since=instant_to_proto(value.since))


def _hold(value: Hold) -> escrow_pb2.ChainHold:
    return escrow_pb2.ChainHold(
        why=value.why,
        since=instant_to_proto(value.since),
        unclaimed=[
            escrow_pb2.UnclaimedTransaction(
                hash=found.hash, source=found.source, ledger=found.ledger
            )
            for found in value.unclaimed
        ],
    )


def _payment(value: Payment, escrow: Escrow | None) -> escrow_pb2.ChainPayment:
    return escrow_pb2.ChainPayment(
        payee=f"PAYEE_ROLE_{value.payee}",
        from_address=value.from_address,
        to_address=value.to_address,
        amount=_usdc(value.minor_units),
        transaction_hash=value.transaction_hash,
        absorbed_fee=value.is_absorbed_fee,
        redirected=escrow is not None and value.to_address in payouts(escrow),
    )


def _usdc(minor_units: int) -> common_pb2.Money:
    return money_to_proto(Money(asset=USDC, minor_units=minor_units))
