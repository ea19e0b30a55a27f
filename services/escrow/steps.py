"""The chain steps of each command, planned when it is accepted. Pure; amounts in minor units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from kernel.money import fee_half_up

# What the contract takes of every payout for its maker: 0.30 %, rounded down.
# Source: Trustless Work single-release contract, TRUSTLESS_WORK_FEE_BPS.
PROVIDER_FEE_BPS = 30
ALL_BPS = 10_000

SELLER = "seller"
BUYER = "buyer"


class StepName(StrEnum):
    """What a step does: a function of the contract, or an operation of the network."""

    CREATE_ACCOUNT = "create_account"
    DEPLOY = "deploy_escrow"
    FUND = "fund_escrow"
    CHANGE_MILESTONE_STATUS = "change_milestone_status"
    APPROVE_MILESTONE = "approve_milestone"
    RELEASE_FUNDS = "release_funds"
    DISPUTE = "dispute_escrow"
    RESOLVE_DISPUTE = "resolve_dispute"
    PAY = "payment"
    MAKE_GOOD = "make_good"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One chain transaction to be. terms: JSON values; what they hold depends on the name."""

    name: StepName
    terms: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeePolicy:
    """Who bears the provider's fee, and what the platform takes of a release.

    is_absorbed: the platform's wallet makes the provider's fee good.
    """

    is_absorbed: bool
    platform_fee_bps: int


def plan_wallet() -> list[PlannedStep]:
    """Plan an account with a trustline, sponsored by the platform."""
    return [PlannedStep(name=StepName.CREATE_ACCOUNT)]


def plan_credit(*, minor_units: int) -> list[PlannedStep]:
    """Plan a payment from the platform's wallet."""
    return [PlannedStep(name=StepName.PAY, terms={"minor_units": minor_units})]


def plan_create() -> list[PlannedStep]:
    """Plan the deployment of the contract."""
    return [PlannedStep(name=StepName.DEPLOY)]


def plan_fund(*, minor_units: int) -> list[PlannedStep]:
    """Plan the buyer's payment into the contract."""
    return [PlannedStep(name=StepName.FUND, terms={"minor_units": minor_units})]


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
    resolve = PlannedStep(
        name=StepName.RESOLVE_DISPUTE, terms={"seller_share": seller, "buyer_share": buyer}
    )
    return [*dispute, resolve, *_make_good(seller=seller, buyer=buyer, fees=fees)]


def distributions(*, balance: int, seller: int, buyer: int) -> dict[str, int]:
    """Divide the live balance of a contract: the contract wants all of it divided.

    Anybody can send money to a contract; what is there beyond the order's amount goes to the
    buyer, who paid. Parties who get nothing are left out.
    Raises: ValueError: there is less than the shares.
    """
    surplus = balance - seller - buyer
    if surplus < 0:
        raise ValueError(f"the contract holds {balance}, the shares are {seller} + {buyer}")
    shares = {SELLER: seller, BUYER: buyer + surplus}
    return {party: share for party, share in shares.items() if share > 0}


def largest_make_good(*, due: int, platform_fee_bps: int) -> int:
    """Return the most that fees can have taken of what is due; more would be a contradiction."""
    left = ALL_BPS - PROVIDER_FEE_BPS - platform_fee_bps
    if left <= 0:
        return due
    # due is at most the share less fees; the share is at most due / (1 - fees), rounded up.
    share = -(-due * ALL_BPS // left)
    return share - share * left // ALL_BPS


def missing(*, due: int, paid: Sequence[int]) -> int:
    """Return what is missing of what is due; 0 where enough was paid."""
    return max(0, due - sum(paid))


def _milestone(name: StepName, index: int) -> PlannedStep:
    return PlannedStep(name=name, terms={"milestone": index})


def _make_good(*, seller: int, buyer: int, fees: FeePolicy) -> list[PlannedStep]:
    """Plan payments of what the contract kept but the party is due.

    The platform's fee is due on what is released, never on what is refunded, but the contract
    takes it of every payout. Source: reference §3.
    """
    due = {SELLER: 0, BUYER: 0}
    if fees.is_absorbed:
        due[SELLER] = seller - fee_half_up(seller, basis_points=fees.platform_fee_bps)
        due[BUYER] = buyer
    elif fees.platform_fee_bps:
        due[BUYER] = buyer - buyer * PROVIDER_FEE_BPS // ALL_BPS
    return [
        PlannedStep(name=StepName.MAKE_GOOD, terms={"payee": payee, "due": minor_units})
        for payee, minor_units in due.items()
        if minor_units > 0
    ]
