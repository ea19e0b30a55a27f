"""Compares held and locked money with the states of its orders and withdrawals."""

from collections.abc import Mapping

from deploy.operator.client import Operator
from deploy.operator.findings import Misplaced

ESCROW = "escrow:"
# In these states, the ledger holds the buyer's money, and no money is in a contract.
HELD = frozenset({"FUNDS_RESERVED", "ESCROW_CREATING", "ESCROW_FUNDING"})
# In these states, the buyer's money is in the order's contract.
LOCKED = frozenset(
    {"ESCROW_FUNDED", "IN_PROGRESS", "RELEASE_REQUESTED", "REFUND_REQUESTED", "DISPUTED"}
)


async def misplaced(operator: Operator) -> list[Misplaced]:
    """List money that is held or locked for orders and withdrawals whose state does not allow it.

    Only orders and withdrawals without an operation in progress count. Books and orders are not
    read at the same moment, so the books are read again: only money that is still there is a
    finding.
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
    """Return the amounts held for orders, by user's account and order."""
    holds = await operator.open_holds()
    return {
        (hold.debit_account, hold.order_id): hold.amount.minor_units
        for hold in holds
        if hold.order_id
    }


async def _withheld(operator: Operator) -> dict[tuple[str, str], int]:
    """Return the amounts held for withdrawals, by user's account and withdrawal."""
    holds = await operator.open_holds()
    return {
        (hold.debit_account, hold.reason): hold.amount.minor_units
        for hold in holds
        if not hold.order_id
    }


async def _locked(operator: Operator) -> dict[tuple[str, str], int]:
    """Return the amounts locked in escrow accounts, by escrow account and order."""
    house = await operator.house_accounts()
    return {
        (name, name.removeprefix(ESCROW)): balance
        for name, balance in house.items()
        if name.startswith(ESCROW)
    }


async def _beside(
    operator: Operator, amounts: Mapping[tuple[str, str], int], states: frozenset[str]
) -> dict[tuple[str, str], str]:
    """Return the keys of amounts that their order's state does not allow, with that state."""
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
    """Return the keys of amounts whose withdrawal is not in progress, with its state."""
    found = {}
    for key in amounts:
        now = await operator.withdrawal(key[1])
        if not now.in_progress:
            found[key] = now.state
    return found
