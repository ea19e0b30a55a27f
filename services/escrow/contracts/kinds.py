"""What each kind of step calls on the chain, and what must hold before and after it. Pure.

A contradiction between the plan and the chain is raised, never repaired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.escrow.contracts.contract import Contradiction, Parties
from services.escrow.contracts.evidence import EscrowView, TransactionOutcome
from services.escrow.contracts.fees import BUYER, PLATFORM, SELLER, distributions
from services.escrow.contracts.intents import (
    ApproveMilestone,
    ChangeMilestoneStatus,
    DisputeEscrow,
    FundEscrow,
    Intent,
    Memo,
    MemoType,
    PayOut,
    ReleaseFunds,
    ResolveDispute,
)
from services.escrow.contracts.steps import Step, StepName
from services.escrow.domain import Escrow, PayeeRole, Payment

# What the seller's wallet writes into a milestone when the work is accepted.
COMPLETED = "completed"
# Steps that move money irreversibly: after one of them the command can only go forward.
MOVING_MONEY = frozenset(
    {
        StepName.FUND,
        StepName.RELEASE_FUNDS,
        StepName.RESOLVE_DISPUTE,
        StepName.PAY,
        StepName.MAKE_GOOD,
        StepName.WITHDRAW,
    }
)
# Steps that the chain may refuse finally: none of the order's money is in the contract, and their
# command can be begun again. All other steps only go forward: they wait, and are built anew from
# what the chain then shows. Otherwise strangers could make such a step fail as often as they like.
MAY_BE_REFUSED = frozenset(
    {
        StepName.DEPLOY,
        StepName.FUND,
        StepName.PAY,
        StepName.WITHDRAW,
        StepName.MERGE_ACCOUNT,
    }
)
# Steps that count towards an operator's daily limit, once for each order. A reimbursement belongs
# to its payout and is at most the payout's fees, so it does not count.
COUNTED = frozenset(
    {
        StepName.FUND,
        StepName.RELEASE_FUNDS,
        StepName.RESOLVE_DISPUTE,
        StepName.PAY,
        StepName.WITHDRAW,
    }
)
# Payments that the chain would make as often as asked: no contract refuses a second one. Before one
# is signed for the first time, all channel accounts are compared with the books.
UNGUARDED = frozenset({StepName.PAY, StepName.MAKE_GOOD, StepName.WITHDRAW})
# Payments that no contract's state explains: two of them may look the same.
PAYMENTS = frozenset({StepName.PAY, StepName.WITHDRAW})
# Steps that lack money only if the platform's own wallet lacks it.
PLATFORM_PAYS = frozenset({StepName.CREATE_ACCOUNT, StepName.MAKE_GOOD})
# Steps that are proven by their effect together with their used sequence number: they move no
# money, so there is no path of money to prove.
SHOWN_BY_EFFECT = frozenset(
    {
        StepName.CREATE_ACCOUNT,
        StepName.MERGE_ACCOUNT,
        StepName.DEPLOY,
        StepName.CHANGE_MILESTONE_STATUS,
        StepName.APPROVE_MILESTONE,
        StepName.DISPUTE,
    }
)
# Steps of one command that may be in flight at the same time: neither needs the other's effect.
# Source: the contract approves a milestone whatever its status is, as long as it has one.
SIDE_BY_SIDE = frozenset({StepName.CHANGE_MILESTONE_STATUS, StepName.APPROVE_MILESTONE})
# Steps after which no contract has to be read.
WITHOUT_CONTRACT = frozenset(
    {
        StepName.CREATE_ACCOUNT,
        StepName.PAY,
        StepName.MAKE_GOOD,
        StepName.WITHDRAW,
        StepName.MERGE_ACCOUNT,
    }
)


def call(step: Step, *, escrow: Escrow, parties: Parties, view: EscrowView) -> Intent:
    """Return what a step calls on a contract in the state of the view. Raises: Contradiction."""
    if view.released or view.resolved:
        raise Contradiction("the contract has paid out, and no step of ours did it")
    if view.disputed and step.name not in {StepName.DISPUTE, StepName.RESOLVE_DISPUTE}:
        raise Contradiction("the contract is disputed, and no step of ours did it")
    # A funding pays the whole amount at once. A smaller balance came from strangers and is ignored.
    if step.name is StepName.FUND and view.balance >= escrow.terms.amount:
        raise Contradiction("the contract holds the amount, and no known step of ours paid it")
    return meant(
        step,
        escrow=escrow,
        parties=parties,
        wasm_hash=view.wasm_hash,
        balance=view.balance,
        fee_bps=view.platform_fee_bps,
        stored=view.raw,
    )


def meant(
    step: Step,
    *,
    escrow: Escrow,
    parties: Parties,
    wasm_hash: str,
    balance: int,
    fee_bps: int,
    stored: bytes = b"",
) -> Intent:
    """Return what a step calls on a contract.

    balance: what the contract holds; fee_bps: the platform's rate in the contract; stored: its
    stored value, which a funding passes back verbatim. Raises: Contradiction: the contract holds
    too little.
    """
    contract = escrow.contract_id
    if step.name is StepName.FUND:
        return FundEscrow(
            contract_id=contract,
            wasm_hash=wasm_hash,
            funder=parties.buyer,
            amount=escrow.terms.amount,
            expected_escrow=stored,
        )
    if step.name is StepName.CHANGE_MILESTONE_STATUS:
        return ChangeMilestoneStatus(
            contract_id=contract,
            wasm_hash=wasm_hash,
            service_provider=parties.seller,
            index=step.number("milestone"),
            status=COMPLETED,
        )
    if step.name is StepName.APPROVE_MILESTONE:
        index = step.number("milestone")
        return ApproveMilestone(
            contract_id=contract, wasm_hash=wasm_hash, approver=parties.buyer, index=index
        )
    if step.name is StepName.RELEASE_FUNDS:
        return ReleaseFunds(
            contract_id=contract,
            wasm_hash=wasm_hash,
            release_signer=parties.buyer,
            receiver=parties.seller,
            platform=parties.platform,
        )
    if step.name is StepName.DISPUTE:
        return DisputeEscrow(contract_id=contract, wasm_hash=wasm_hash, signer=parties.buyer)
    return ResolveDispute(
        contract_id=contract,
        wasm_hash=wasm_hash,
        resolver=parties.divider,
        platform=parties.platform,
        distributions=parts(step, parties=parties, balance=balance, fee_bps=fee_bps),
    )


def payee(step: Step, *, parties: Parties) -> str:
    """Return the address that a reimbursement pays."""
    return parties.buyer_paid_at if step.terms["payee"] == BUYER else parties.seller_paid_at


def withdrawal(step: Step, *, wallet: str) -> PayOut:
    """Return the payment of a withdrawal. wallet: the address that pays."""
    memo = None
    if "memo" in step.terms:
        memo = Memo(type=MemoType(str(step.terms["memo_type"])), value=str(step.terms["memo"]))
    return PayOut(
        from_address=wallet,
        to_address=str(step.terms["address"]),
        amount=step.number("minor_units"),
        memo=memo,
    )


def is_done(step: Step, *, view: EscrowView) -> bool:
    """Tell whether a contract shows the effect of a step.

    If the step moves money, this does not prove that the step did it: see `may_be_skipped`.
    """
    if step.name is StepName.CHANGE_MILESTONE_STATUS:
        return view.milestones[step.number("milestone")].status == COMPLETED
    if step.name is StepName.APPROVE_MILESTONE:
        return view.milestones[step.number("milestone")].approved
    shows = {
        StepName.DEPLOY: True,
        # Strangers may pay a contract too, so less than the amount is no funding. A contract that
        # has paid out was funded: a restored database may reach the funding only after the payout.
        StepName.FUND: view.balance >= view.amount or view.released or view.resolved,
        StepName.RELEASE_FUNDS: view.released,
        StepName.DISPUTE: view.disputed or view.resolved,
        StepName.RESOLVE_DISPUTE: view.resolved,
    }
    return shows[step.name]


def may_be_skipped(step: Step, *, view: EscrowView, was_frozen_by_us: bool) -> bool:
    """Tell whether a step is done although no transaction of ours did it.

    Marks on a milestone count as done. Money that moved without us is not decided here.
    Raises: Contradiction: somebody else froze the contract.
    """
    if step.name in {StepName.CHANGE_MILESTONE_STATUS, StepName.APPROVE_MILESTONE}:
        return is_done(step, view=view)
    if step.name is StepName.DISPUTE and view.disputed:
        if not was_frozen_by_us:
            raise Contradiction("the contract is disputed, and no step of ours did it")
        return True
    return False


def observed(
    step: Step, *, outcome: TransactionOutcome, named: Mapping[str, PayeeRole]
) -> list[Payment]:
    """Return the payments of a landed transaction, with the payees' roles in the order.

    named: address → role; any other address is a WALLET.
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
    known |= {parties.buyer_paid_at, parties.seller_paid_at}
    if any(p.to_address not in known for p in paid):
        raise Contradiction("the contract paid an address that has no part in the order")


def paid_out(payout: PayOut, *, account: str, transaction_hash: str) -> Payment:
    """Return the payment of a withdrawal. account: the account that its address names."""
    return Payment(
        payee=PayeeRole.WALLET,
        from_address=payout.from_address,
        to_address=account,
        minor_units=payout.amount,
        transaction_hash=transaction_hash,
        event_index=0,
    )


def check_paid_out(meant: Payment, *, paid: Sequence[Payment]) -> None:
    """Check that a withdrawal paid what was meant. Raises: Contradiction."""
    if [replace(one, event_index=0) for one in paid] != [meant]:
        raise Contradiction("the withdrawal moved other money than was meant")


def parts(step: Step, *, parties: Parties, balance: int, fee_bps: int) -> dict[str, int]:
    """Return each address's part of what a contract holds.

    A step that was planned before `seller_due` existed does not limit the seller's part. fee_bps:
    the platform's rate in the contract. Raises: Contradiction: the contract holds too little.
    """
    addresses = {
        SELLER: parties.seller_paid_at,
        BUYER: parties.buyer_paid_at,
        PLATFORM: parties.platform,
    }
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
