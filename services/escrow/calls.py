"""From a step and what the chain shows to what is to be called, and what must then be true. Pure.

A contradiction between what was meant and what the chain shows is raised, never repaired.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernel.ids import to_public
from services.escrow.domain import Escrow, PayeeRole, Payment
from services.escrow.evidence import EscrowView, TransactionOutcome
from services.escrow.intents import (
    ApproveMilestone,
    ChangeMilestoneStatus,
    DeployEscrow,
    DisputeEscrow,
    FundEscrow,
    Intent,
    ReleaseFunds,
    ResolveDispute,
    Roles,
)
from services.escrow.steps import (
    BUYER,
    PLATFORM,
    SELLER,
    StepName,
    contract_fee_bps,
    distributions,
)
from services.escrow.store.records import Step
from services.escrow.wording import Wording, as_given, on_chain

# What the seller's wallet writes into a milestone when the work is accepted.
COMPLETED = "completed"


class Contradiction(Exception):
    """The chain shows what nobody meant; an operator must look. The text says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """The addresses that take part in an escrow. provider: who gets the contract's own fee."""

    buyer: str
    seller: str
    platform: str
    provider: str


def salt(escrow: Escrow) -> bytes:
    """Return the 32 bytes that fix the contract's address: a second deployment is impossible."""
    return hashlib.sha256(f"escrow:{escrow.marketplace_id}:{escrow.id}".encode()).digest()


def roles(parties: Parties) -> Roles:
    """Return who may do what: the buyer approves and releases, the platform settles."""
    return Roles(
        approver=parties.buyer,
        service_provider=parties.seller,
        platform=parties.platform,
        release_signer=parties.buyer,
        dispute_resolver=parties.platform,
        receiver=parties.seller,
    )


def fee_bps(escrow: Escrow) -> int:
    """Return the platform's rate in an escrow's contract: the agreed one, or a little more."""
    terms = escrow.terms
    return contract_fee_bps(amount=terms.amount, agreed_bps=terms.platform_fee_bps)


def deployment(escrow: Escrow, *, parties: Parties, factory: str) -> DeployEscrow:
    """Return the deployment of an escrow's contract."""
    words = on_chain(escrow.terms)
    return DeployEscrow(
        signer=parties.platform,
        factory=factory,
        wasm_hash=escrow.wasm_hash,
        salt=salt(escrow),
        roles=roles(parties),
        amount=escrow.terms.amount,
        platform_fee_bps=fee_bps(escrow),
        title=words.title,
        description=words.description,
        engagement_id=to_public("ord", escrow.order_id),
        milestones=words.milestones,
    )


def call(step: Step, *, escrow: Escrow, parties: Parties, view: EscrowView) -> Intent:
    """Return the call on a contract that a step is. Raises: Contradiction."""
    if view.released or view.resolved:
        raise Contradiction("the contract has paid out, and no step of ours did it")
    if view.disputed and step.name not in {StepName.DISPUTE, StepName.RESOLVE_DISPUTE}:
        raise Contradiction("the contract is disputed, and no step of ours did it")
    contract, wasm = escrow.contract_id, view.wasm_hash
    if step.name is StepName.FUND:
        # All of the amount comes at once. What is less came from strangers, and is in nobody's way.
        if view.balance >= escrow.terms.amount:
            raise Contradiction("the contract holds the amount, and no known step of ours paid it")
        return FundEscrow(
            contract_id=contract,
            wasm_hash=wasm,
            funder=parties.buyer,
            amount=escrow.terms.amount,
            expected_escrow=view.raw,
        )
    if step.name is StepName.CHANGE_MILESTONE_STATUS:
        return ChangeMilestoneStatus(
            contract_id=contract,
            wasm_hash=wasm,
            service_provider=parties.seller,
            index=step.number("milestone"),
            status=COMPLETED,
        )
    return _payout_call(step, escrow=escrow, parties=parties, view=view)


def _payout_call(step: Step, *, escrow: Escrow, parties: Parties, view: EscrowView) -> Intent:
    contract, wasm = escrow.contract_id, view.wasm_hash
    if step.name is StepName.APPROVE_MILESTONE:
        return ApproveMilestone(
            contract_id=contract,
            wasm_hash=wasm,
            approver=parties.buyer,
            index=step.number("milestone"),
        )
    if step.name is StepName.RELEASE_FUNDS:
        return ReleaseFunds(
            contract_id=contract,
            wasm_hash=wasm,
            release_signer=parties.buyer,
            receiver=parties.seller,
            platform=parties.platform,
        )
    if step.name is StepName.DISPUTE:
        return DisputeEscrow(contract_id=contract, wasm_hash=wasm, signer=parties.buyer)
    return ResolveDispute(
        contract_id=contract,
        wasm_hash=wasm,
        resolver=parties.platform,
        platform=parties.platform,
        distributions=parts(
            step, parties=parties, balance=view.balance, fee_bps=view.platform_fee_bps
        ),
    )


def is_done(step: Step, *, view: EscrowView) -> bool:
    """Tell whether a contract shows what a step is for.

    Of money moved this is no proof that the step did it: see `may_be_skipped`.
    """
    if step.name is StepName.CHANGE_MILESTONE_STATUS:
        return view.milestones[step.number("milestone")].status == COMPLETED
    if step.name is StepName.APPROVE_MILESTONE:
        return view.milestones[step.number("milestone")].approved
    shows = {
        StepName.DEPLOY: True,
        # Strangers may pay a contract too: less than the amount is no funding. One that has paid
        # out was funded: the books of a restored database come to the funding only then.
        StepName.FUND: view.balance >= view.amount or view.released or view.resolved,
        StepName.RELEASE_FUNDS: view.released,
        StepName.DISPUTE: view.disputed or view.resolved,
        StepName.RESOLVE_DISPUTE: view.resolved,
    }
    return shows[step.name]


def may_be_skipped(step: Step, *, view: EscrowView, was_frozen_by_us: bool) -> bool:
    """Tell whether a step that no transaction of ours did is nevertheless done.

    Marks on a milestone are; money that moved without us is not for this to say.
    Raises: Contradiction: somebody else froze the contract.
    """
    if step.name in {StepName.CHANGE_MILESTONE_STATUS, StepName.APPROVE_MILESTONE}:
        return is_done(step, view=view)
    if step.name is StepName.DISPUTE and view.disputed:
        if not was_frozen_by_us:
            raise Contradiction("the contract is disputed, and no step of ours did it")
        return True
    return False


def check_deployed(view: EscrowView, *, escrow: Escrow, parties: Parties) -> None:
    """Check that a contract on chain is the one that was meant. Raises: Contradiction."""
    meant = (
        roles(parties),
        escrow.terms.amount,
        fee_bps(escrow),
        to_public("ord", escrow.order_id),
        escrow.wasm_hash,
    )
    shown = (
        view.roles,
        view.amount,
        view.platform_fee_bps,
        view.engagement_id,
        view.wasm_hash,
    )
    said = Wording(
        title=view.title,
        description=view.description,
        milestones=tuple(milestone.description for milestone in view.milestones),
    )
    # A version before this one may have sent the deployment.
    words = (on_chain(escrow.terms), as_given(escrow.terms))
    if meant != shown or said not in words:
        raise Contradiction("the contract on chain is not the one that was meant")


def observed(
    step: Step, *, outcome: TransactionOutcome, named: Mapping[str, PayeeRole]
) -> list[Payment]:
    """Return what a landed transaction paid, with the payees' parts in the order.

    named: address → part; any other address is a WALLET.
    """
    return [
        Payment(
            payee=named.get(transfer.to_address, PayeeRole.WALLET),
            from_address=transfer.from_address,
            to_address=transfer.to_address,
            minor_units=transfer.amount,
            transaction_hash=outcome.hash,
            event_index=transfer.event_index,
            is_absorbed_fee=step.name is StepName.MAKE_GOOD,
        )
        for transfer in outcome.payments
        if transfer.amount > 0
    ]


def payees(escrow: Escrow, *, parties: Parties) -> dict[str, PayeeRole]:
    """Return the part of each address in an escrow."""
    return {
        parties.provider: PayeeRole.PROVIDER,
        parties.platform: PayeeRole.PLATFORM,
        parties.buyer: PayeeRole.BUYER,
        parties.seller: PayeeRole.SELLER,
        escrow.contract_id: PayeeRole.CONTRACT,
    }


def check_paid(step: Step, *, paid: Sequence[Payment], escrow: Escrow, parties: Parties) -> None:
    """Check that a step which moves money moved it as meant. Raises: Contradiction."""
    if step.name is StepName.FUND:
        meant = [(parties.buyer, escrow.contract_id, escrow.terms.amount)]
        if [(p.from_address, p.to_address, p.minor_units) for p in paid] != meant:
            raise Contradiction("funding moved other money than was meant")
    if step.name not in {StepName.RELEASE_FUNDS, StepName.RESOLVE_DISPUTE}:
        return
    total = sum(p.minor_units for p in paid if p.from_address == escrow.contract_id)
    if total < escrow.terms.amount or any(p.from_address != escrow.contract_id for p in paid):
        raise Contradiction("the contract paid other money than was meant")
    known = {parties.buyer, parties.seller, parties.platform, parties.provider}
    if any(p.to_address not in known for p in paid):
        raise Contradiction("the contract paid an address that has no part in the order")


def parts(step: Step, *, parties: Parties, balance: int, fee_bps: int) -> dict[str, int]:
    """Divide what a contract holds. Steps of before `seller_due` was planned limit nothing.

    fee_bps: the platform's rate in the contract. Raises: Contradiction: it holds too little.
    """
    addresses = {SELLER: parties.seller, BUYER: parties.buyer, PLATFORM: parties.platform}
    due = "seller_due" if "seller_due" in step.terms else "seller_share"
    try:
        divided = distributions(
            balance=balance,
            seller=step.number("seller_share"),
            buyer=step.number("buyer_share"),
            seller_due=step.number(due),
            fee_bps=fee_bps,
        )
    except ValueError as error:
        raise Contradiction(str(error)) from error
    return {addresses[party]: part for party, part in divided.items()}
