"""Compares held and locked money with the states of the orders and withdrawals it belongs to."""

from collections.abc import Mapping

from deploy.operator.client import Operator
from deploy.operator.findings import Misplaced

ESCROW = "escrow:"
# In these states the buyer's money is held, and nothing of it is in a contract.
HELD = frozenset({"FUNDS_RESERVED", "ESCROW_CREATING", "ESCROW_FUNDING"})
# In these the buyer's money is in the order's contract.
LOCKED = frozenset(
    {"ESCROW_FUNDED", "IN_PROGRESS", "RELEASE_REQUESTED", "REFUND_REQUESTED", "DISPUTED"}
)


async def misplaced(operator: Operator) -> list[Misplaced]:
    """List what is held or locked for orders and withdrawals at rest that do not allow it.

    Books and orders are read one after the other, so each suspect is read again: it is a finding
    only if the money is still there after the order was read.
    """
    suspects = await _beside(operator, await _held(operator), HELD)
    suspects |= await _beside(operator, await _locked(operator), LOCKED)
    suspects |= await _beside_withdrawals(operator, await _withheld(operator))
    if not suspects:
        return []
    withheld = await _withheld(operator)
    still = {**await _held(operator), **await _locked(operator), **withheld}
    return [
        Misplaced(account=account, order_id=order_id, minor_units=amount, state=suspects[key])
        for key, amount in still.items()
        if key in suspects
        for account, order_id in [key]
    ]


async def _held(operator: Operator) -> dict[tuple[str, str], int]:
    """Return what is held, by user's account and order."""
    holds = await operator.open_holds()
    return {
        (hold.debit_account, hold.order_id): hold.amount.minor_units
        for hold in holds
        if hold.order_id
    }


async def _withheld(operator: Operator) -> dict[tuple[str, str], int]:
    """Return what is held for withdrawals, by user's account and withdrawal."""
    holds = await operator.open_holds()
    return {
        (hold.debit_account, hold.reason): hold.amount.minor_units
        for hold in holds
        if not hold.order_id
    }


async def _locked(operator: Operator) -> dict[tuple[str, str], int]:
    """Return what is locked, by escrow account and order."""
    house = await operator.house_accounts()
    return {
        (name, name.removeprefix(ESCROW)): balance
        for name, balance in house.items()
        if name.startswith(ESCROW)
    }


async def _beside(
    operator: Operator, amounts: Mapping[tuple[str, str], int], states: frozenset[str]
) -> dict[tuple[str, str], str]:
    """Return the amounts whose order's state does not allow them, with that state."""
    if not amounts:
        return {}
    right: set[str] = set()
    for state in sorted(states):
        right |= {order.id for order in await operator.orders_in(state)}
    found = {}
    for key in amounts:
        if key[1] in right:
            continue
        now = await operator.order(key[1])
        if now.state not in states and not now.in_motion:
            found[key] = now.state
    return found


async def _beside_withdrawals(
    operator: Operator, amounts: Mapping[tuple[str, str], int]
) -> dict[tuple[str, str], str]:
    """Return the amounts whose withdrawal is not in progress, with its state."""
    found = {}
    for key in amounts:
        now = await operator.withdrawal(key[1])
        if not now.in_progress:
            found[key] = now.state
    return found
