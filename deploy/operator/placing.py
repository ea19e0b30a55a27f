"""Whether money is where orders say: holds and locked money, beside the states of their orders."""

from collections.abc import Mapping

from deploy.operator.client import Operator
from deploy.operator.findings import Misplaced

ESCROW = "escrow:"
# In these states the buyer's money is held, and nothing of it is in a contract.
HELD = frozenset({"FUNDS_RESERVED", "ESCROW_CREATING", "ESCROW_FUNDING"})
# In these the books have it in the order's contract.
LOCKED = frozenset(
    {"ESCROW_FUNDED", "IN_PROGRESS", "RELEASE_REQUESTED", "REFUND_REQUESTED", "DISPUTED"}
)


async def misplaced(operator: Operator) -> list[Misplaced]:
    """List what is held or locked for orders that are in no state for it, with nothing in motion.

    Books and orders are read one after the other, so a doubt is looked at again: it is a finding
    only where the money is still there after the order was seen.
    """
    doubts = await _beside(operator, await _held(operator), HELD)
    doubts |= await _beside(operator, await _locked(operator), LOCKED)
    if not doubts:
        return []
    still = {**await _held(operator), **await _locked(operator)}
    return [
        Misplaced(account=account, order_id=order_id, minor_units=amount, state=doubts[key])
        for key, amount in still.items()
        if key in doubts
        for account, order_id in [key]
    ]


async def _held(operator: Operator) -> dict[tuple[str, str], int]:
    """Return what is held, by user's account and order."""
    return {(hold.account, hold.order_id): hold.minor_units for hold in await operator.open_holds()}


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
    """Return which of the amounts are for orders in no state for them, with that state."""
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
