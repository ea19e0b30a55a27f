"""The steps of each command, planned when the command is accepted. Pure; amounts in minor units."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.escrow.contracts.fees import BUYER, SELLER, FeePolicy
from services.escrow.contracts.intents import Memo
from services.escrow.contracts.steps import StepName


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """A planned chain transaction. terms: JSON values; their meaning depends on the name."""

    name: StepName
    terms: Mapping[str, int | str] = field(default_factory=dict)


def plan_wallet() -> list[PlannedStep]:
    """Plan a wallet's account with a trustline, sponsored by the platform."""
    return [PlannedStep(name=StepName.CREATE_ACCOUNT)]


def plan_return() -> list[PlannedStep]:
    """Plan the account of a wallet that was merged before, at the same address."""
    return [PlannedStep(name=StepName.CREATE_ACCOUNT, terms={"is_return": 1})]


def plan_merge() -> list[PlannedStep]:
    """Plan the merge of a wallet's account; its reserves go back to the platform."""
    return [PlannedStep(name=StepName.MERGE_ACCOUNT)]


def plan_credit(*, minor_units: int) -> list[PlannedStep]:
    """Plan a payment from the platform's wallet."""
    return [PlannedStep(name=StepName.PAY, terms={"minor_units": minor_units})]


def plan_withdrawal(*, minor_units: int, address: str, memo: Memo | None) -> list[PlannedStep]:
    """Plan a payment from a user's wallet to an address outside."""
    terms: dict[str, int | str] = {"minor_units": minor_units, "address": address}
    if memo is not None:
        terms |= {"memo_type": memo.type.value, "memo": memo.value}
    return [PlannedStep(name=StepName.WITHDRAW, terms=terms)]


def plan_create() -> list[PlannedStep]:
    """Plan the deployment of the contract."""
    return [PlannedStep(name=StepName.DEPLOY)]


def plan_fund(*, minor_units: int) -> list[PlannedStep]:
    """Plan the buyer's payment into the contract."""
    return [PlannedStep(name=StepName.FUND, terms={"minor_units": minor_units})]


def plan_milestone(*, index: int) -> list[PlannedStep]:
    """Plan: the seller completes one milestone, and the buyer approves it."""
    return [
        _milestone(StepName.CHANGE_MILESTONE_STATUS, index),
        _milestone(StepName.APPROVE_MILESTONE, index),
    ]


def plan_release(*, milestones: int, amount: int, fees: FeePolicy) -> list[PlannedStep]:
    """Plan: the seller completes each milestone, the buyer approves each and releases."""
    completed = [_milestone(StepName.CHANGE_MILESTONE_STATUS, i) for i in range(milestones)]
    approved = [_milestone(StepName.APPROVE_MILESTONE, i) for i in range(milestones)]
    release = PlannedStep(name=StepName.RELEASE_FUNDS)
    return [*completed, *approved, release, *_make_good(seller=amount, buyer=0, fees=fees)]


def plan_freeze() -> list[PlannedStep]:
    """Plan the buyer's dispute, after which no key can release."""
    return [PlannedStep(name=StepName.DISPUTE)]


def plan_resolve(*, is_frozen: bool, seller: int, buyer: int, fees: FeePolicy) -> list[PlannedStep]:
    """Plan a division of the contract's money; a refund is a division with all to the buyer.

    is_frozen: the contract is disputed already. seller, buyer: shares of the order's amount.
    """
    dispute = [] if is_frozen else plan_freeze()
    terms = {
        "seller_share": seller,
        "buyer_share": buyer,
        "seller_due": fees.due_to_seller(seller),
    }
    resolve = PlannedStep(name=StepName.RESOLVE_DISPUTE, terms=terms)
    return [*dispute, resolve, *_make_good(seller=seller, buyer=buyer, fees=fees)]


def _milestone(name: StepName, index: int) -> PlannedStep:
    return PlannedStep(name=name, terms={"milestone": index})


def _make_good(*, seller: int, buyer: int, fees: FeePolicy) -> list[PlannedStep]:
    """Plan reimbursements of what the contract kept although the party is due it.

    The platform's fee is due on released money and never on refunded money. But the contract takes
    it of every payout, and does not round to cents. Source: reference §3.
    """
    if not fees.is_absorbed and not fees.platform_fee_bps:
        return []
    due = {SELLER: fees.due_to_seller(seller), BUYER: fees.due_to_buyer(buyer)}
    return [
        PlannedStep(name=StepName.MAKE_GOOD, terms={"payee": payee, "due": minor_units})
        for payee, minor_units in due.items()
        if minor_units > 0
    ]
