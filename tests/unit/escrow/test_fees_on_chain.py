"""The platform fee: agreed rate, the contract's rate, and the distributions of a dispute."""

import datetime as dt
import uuid
from dataclasses import replace
from typing import Any, cast

import pytest

from chassis.leases import Lease
from kernel.money import CENT
from services.escrow.contracts import contract, kinds
from services.escrow.contracts.contract import Contradiction, Parties
from services.escrow.contracts.evidence import EscrowView, MilestoneView
from services.escrow.contracts.fees import GRAIN, FeePolicy
from services.escrow.contracts.intents import ResolveDispute
from services.escrow.contracts.plan import PlannedStep, plan_release, plan_resolve
from services.escrow.contracts.steps import Step, StepName, StepState
from services.escrow.domain import (
    Command,
    CommandKind,
    CommandState,
    Escrow,
    EscrowState,
    PayeeRole,
    Payment,
    Terms,
)
from services.escrow.sending.decide import Decider
from services.escrow.sending.work import Work
from tests.unit.escrow.test_domain import escrow as an_escrow

PARTIES = Parties(buyer="GBUYER", seller="GSELLER", platform="GPLATFORM", provider="GPROVIDER")
FEES = FeePolicy(is_absorbed=False, platform_fee_bps=1000)
# 10 % of 1.65 is 0.165, rounded 0.17: 10.31 % of it, as basis points are.
AMOUNT, AGREED, NEEDED = 165 * CENT, 1000, 1031
AT = dt.datetime(2026, 2, 18, 10, tzinfo=dt.UTC)


def escrow(*, amount: int = AMOUNT) -> Escrow:
    terms = Terms(
        amount=amount,
        title="Logo design",
        description="",
        milestones=("Logo design",),
        platform_fee_bps=AGREED,
    )
    return an_escrow(EscrowState.FUNDED, terms=terms)


def view(of: Escrow, **changed: object) -> EscrowView:
    meant = contract.deployment(of, parties=PARTIES, factory="CFACTORY")
    shown = EscrowView(
        contract_id=of.contract_id,
        wasm_hash=of.wasm_hash,
        amount=meant.amount,
        balance=meant.amount,
        disputed=True,
        released=False,
        resolved=False,
        platform_fee_bps=meant.platform_fee_bps,
        roles=meant.roles,
        title=meant.title,
        description=meant.description,
        milestones=tuple(
            MilestoneView(description=text, status="", approved=False) for text in meant.milestones
        ),
        engagement_id=meant.engagement_id,
        raw=b"",
        is_archived=True,
        read_at_ledger=0,
    )
    return replace(shown, **changed)  # type: ignore[arg-type] # a test names fields


def step(planned: PlannedStep) -> Step:
    return Step(
        id=uuid.UUID(int=9),
        position=0,
        name=planned.name,
        terms=planned.terms,
        state=StepState.PLANNED,
    )


def distributed(planned: PlannedStep, *, of: Escrow, **changed: object) -> dict[str, int]:
    intent = kinds.call(step(planned), escrow=of, parties=PARTIES, view=view(of, **changed))
    assert isinstance(intent, ResolveDispute)
    return dict(intent.distributions)


def test_dispute_resolver_role_is_the_resolver_or_else_the_platform() -> None:
    assert contract.roles(PARTIES).dispute_resolver == PARTIES.platform
    named = replace(PARTIES, resolver="GRESOLVER")
    assert contract.roles(named).dispute_resolver == "GRESOLVER"
    assert contract.roles(named).platform == PARTIES.platform


def test_contract_is_deployed_with_the_rate_of_the_rounded_fee() -> None:
    meant = contract.deployment(escrow(), parties=PARTIES, factory="CFACTORY")
    exact = contract.deployment(escrow(amount=8000 * CENT), parties=PARTIES, factory="CFACTORY")

    assert meant.platform_fee_bps == NEEDED
    assert exact.platform_fee_bps == AGREED


def test_fee_that_the_contract_does_not_take_is_distributed_to_the_platform() -> None:
    planned = plan_resolve(is_frozen=True, seller=5 * CENT, buyer=195 * CENT, fees=FEES)

    found = distributed(planned[0], of=escrow(amount=200 * CENT))

    # 0.01 of 0.05 is due to the platform; of 0.045 the contract pays the seller 0.0403.
    assert found == {
        PARTIES.seller: 44 * GRAIN,
        PARTIES.platform: 6 * GRAIN,
        PARTIES.buyer: 195 * CENT,
    }


def test_distribution_uses_the_rate_stored_in_the_contract() -> None:
    planned = plan_resolve(is_frozen=True, seller=AMOUNT, buyer=0, fees=FEES)

    assert distributed(planned[0], of=escrow()) == {PARTIES.seller: AMOUNT}
    older = distributed(planned[0], of=escrow(), platform_fee_bps=AGREED)
    assert older[PARTIES.seller] < AMOUNT
    assert sum(older.values()) == AMOUNT


def test_distribution_planned_without_a_due_amount_gives_whole_shares() -> None:
    terms = {"seller_share": 5 * CENT, "buyer_share": 160 * CENT}
    planned = PlannedStep(name=StepName.RESOLVE_DISPUTE, terms=terms)

    expected = {PARTIES.seller: 5 * CENT, PARTIES.buyer: 160 * CENT}
    assert distributed(planned, of=escrow()) == expected


@pytest.mark.parametrize(
    ("planned", "payee", "kept"),
    [
        # Of a release and of a refund of 80.00: 8.00 and 0.24.
        (plan_release(milestones=1, amount=8000 * CENT, fees=FEES), PayeeRole.SELLER, 824),
        (
            plan_resolve(is_frozen=True, seller=0, buyer=8000 * CENT, fees=FEES),
            PayeeRole.BUYER,
            824,
        ),
        # Of 30.00 that come back of 80.00: 3.00 and 0.09.
        (
            plan_resolve(is_frozen=True, seller=5000 * CENT, buyer=3000 * CENT, fees=FEES),
            PayeeRole.BUYER,
            309,
        ),
    ],
)
def test_reimbursement_covers_the_fees_and_a_larger_gap_is_a_contradiction(
    planned: list[PlannedStep], payee: PayeeRole, kept: int
) -> None:
    steps = [step(one) for one in planned]
    last = next(s for s in steps if s.terms.get("payee") == payee.value.lower())
    share = next(
        (s.number(f"{payee.value.lower()}_share") for s in steps if "seller_due" in s.terms),
        8000 * CENT,
    )
    paid = share - kept * CENT
    decider = Decider(chain=_NONE, destinations=_NONE, places=_NONE, waking=_NONE)

    assert decider.missing(work(steps, paid, payee), last) == last.number("due") - paid
    with pytest.raises(Contradiction, match="more than fees"):
        decider.missing(work(steps, paid - GRAIN - 1, payee), last)


# These tests use neither the chain nor the other ports.
_NONE = cast("Any", None)


def work(steps: list[Step], paid: int, payee: PayeeRole) -> Work:
    """Return a command of an order of 80.00 whose contract has paid somebody."""
    payment = Payment(
        payee=payee,
        from_address="C",
        to_address="G",
        minor_units=paid,
        transaction_hash="h",
        event_index=0,
    )
    command = Command(
        id=uuid.UUID(int=8),
        marketplace_id=uuid.UUID(int=2),
        kind=CommandKind.RESOLVE,
        state=CommandState.RUNNING,
        created_at=AT,
        escrow=escrow(amount=8000 * CENT),
        payments=(payment,),
    )
    return Work(
        lease=Lease(marketplace_id=command.marketplace_id, id=command.id, epoch=1),
        command=command,
        steps=steps,
        platform=PARTIES.platform,
        signers={},
        wallets=[],
        parties=PARTIES,
        target=None,
    )
