"""What previews say of the chain's payments is what the contract's arithmetic pays."""

from hypothesis import given
from hypothesis import strategies as st

from devnet.soroban import payouts
from kernel.money import CENT
from services.escrow.contracts.fees import FeePolicy, contract_fee_bps, distributions, paid_out
from services.escrow.contracts.forecast import forecast
from services.escrow.contracts.plan import (
    plan_freeze,
    plan_fund,
    plan_release,
    plan_resolve,
    plan_withdrawal,
)
from services.escrow.domain import Escrow, EscrowState, PayeeRole, Terms
from tests.unit.escrow.test_domain import escrow as an_escrow

amounts = (st.integers(1, 200) | st.integers(1, 10**8)).map(lambda n: n * CENT)
rates = st.integers(0, 9900) | st.integers(0, 1500)


def escrow(amount: int, rate: int) -> Escrow:
    terms = Terms(
        amount=amount, title="Logo", description="", milestones=("Logo",), platform_fee_bps=rate
    )
    return an_escrow(EscrowState.FUNDED, terms=terms)


@given(amount=amounts, rate=rates)
def test_forecast_of_a_release_has_the_payouts_and_the_reimbursement(
    amount: int, rate: int
) -> None:
    fees = FeePolicy(is_absorbed=True, platform_fee_bps=rate)
    planned = plan_release(milestones=1, amount=amount, fees=fees)
    contract, rest = payouts.released(
        amount, platform_bps=contract_fee_bps(amount=amount, agreed_bps=rate)
    )

    paid = forecast(planned, escrow=escrow(amount, rate))

    assert sum(p.minor_units for p in paid if p.payee is PayeeRole.PROVIDER) == contract.provider
    assert sum(p.minor_units for p in paid if p.payee is PayeeRole.PLATFORM) == contract.platform
    to_seller = sum(p.minor_units for p in paid if p.payee is PayeeRole.SELLER)
    assert to_seller == max(rest, fees.due_to_seller(amount))


@given(amount=amounts, rate=rates, share=st.integers(0, 10**6))
def test_forecast_of_a_division_has_the_contracts_payouts(
    amount: int, rate: int, share: int
) -> None:
    seller = amount * share // 10**6 // CENT * CENT
    fees = FeePolicy(is_absorbed=False, platform_fee_bps=rate)
    planned = plan_resolve(is_frozen=False, seller=seller, buyer=amount - seller, fees=fees)
    rate_in_contract = contract_fee_bps(amount=amount, agreed_bps=rate)
    parts = distributions(
        balance=amount,
        seller=seller,
        buyer=amount - seller,
        seller_due=fees.due_to_seller(seller),
        fee_bps=rate_in_contract,
    )
    contract, paid = payouts.distributed(parts, platform_bps=rate_in_contract)

    lines = paid_out(parts, fee_bps=rate_in_contract)
    found = forecast(planned, escrow=escrow(amount, rate))

    assert lines == [
        ("provider", contract.provider),
        ("platform", contract.platform),
        *paid.items(),
    ]
    from_contract = [one for one in found if not one.is_absorbed_fee]
    assert sum(one.minor_units for one in from_contract) == amount


def test_forecast_of_other_commands_pays_the_contract_the_address_or_nothing() -> None:
    fund = forecast(plan_fund(minor_units=7), escrow=escrow(7 * CENT, 0))
    withdraw = forecast(plan_withdrawal(minor_units=5, address="G", memo=None), escrow=None)

    assert [(one.payee, one.minor_units) for one in fund] == [(PayeeRole.CONTRACT, 7)]
    assert [(one.payee, one.minor_units) for one in withdraw] == [(PayeeRole.WALLET, 5)]
    assert forecast(plan_freeze(), escrow=escrow(7 * CENT, 0)) == []
