"""A forecast of what the chain will pay for planned steps, for previews. Pure.

It uses the contract's arithmetic. It leaves out money beyond the order's amount, which anybody may
pay into a contract.
"""

from collections.abc import Sequence

from services.escrow.contracts.fees import (
    BUYER,
    PLATFORM,
    PROVIDER,
    SELLER,
    contract_fee_bps,
    distributions,
    missing,
    paid_out,
)
from services.escrow.contracts.plan import PlannedStep
from services.escrow.contracts.steps import StepName
from services.escrow.domain import Escrow, PayeeRole, Payment

_ROLES = {
    SELLER: PayeeRole.SELLER,
    BUYER: PayeeRole.BUYER,
    PLATFORM: PayeeRole.PLATFORM,
    PROVIDER: PayeeRole.PROVIDER,
}


def forecast(planned: Sequence[PlannedStep], *, escrow: Escrow | None) -> list[Payment]:
    """Return the payments of planned steps, in order. escrow: None for a command on a wallet."""
    payments: list[Payment] = []
    for step in planned:
        if step.name in {StepName.PAY, StepName.WITHDRAW}:
            payments.append(_payment(PayeeRole.WALLET, int(step.terms["minor_units"])))
        elif step.name is StepName.FUND:
            payments.append(_payment(PayeeRole.CONTRACT, int(step.terms["minor_units"])))
        elif step.name is StepName.MAKE_GOOD:
            role = _ROLES[str(step.terms["payee"])]
            paid = [one.minor_units for one in payments if one.payee is role]
            rest = missing(due=int(step.terms["due"]), paid=paid)
            payments.append(_payment(role, rest, is_absorbed_fee=True))
        elif step.name in {StepName.RELEASE_FUNDS, StepName.RESOLVE_DISPUTE} and escrow is not None:
            parts, rate = _parts(step, escrow)
            lines = paid_out(parts, fee_bps=rate)
            payments += [_payment(_ROLES[party], amount) for party, amount in lines]
    return [one for one in payments if one.minor_units > 0]


def _parts(step: PlannedStep, escrow: Escrow) -> tuple[dict[str, int], int]:
    """Return how a step divides the order's amount, and the platform's rate in the contract."""
    terms = escrow.terms
    rate = contract_fee_bps(amount=terms.amount, agreed_bps=terms.platform_fee_bps)
    if step.name is StepName.RELEASE_FUNDS:
        return {SELLER: terms.amount}, rate
    parts = distributions(
        balance=terms.amount,
        seller=int(step.terms["seller_share"]),
        buyer=int(step.terms["buyer_share"]),
        seller_due=int(step.terms["seller_due"]),
        fee_bps=rate,
    )
    return parts, rate


def _payment(payee: PayeeRole, amount: int, *, is_absorbed_fee: bool = False) -> Payment:
    return Payment(
        payee=payee,
        from_address="",
        to_address="",
        minor_units=amount,
        transaction_hash="",
        event_index=0,
        is_absorbed_fee=is_absorbed_fee,
    )
