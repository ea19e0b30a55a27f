"""The lines of the audit trail about commands on orders. No I/O."""

import uuid
from collections.abc import Mapping

from chassis.audit import Change
from kernel.ids import to_public
from kernel.money import to_text
from services.orders.operations.operation import Operation
from services.orders.order.domain import Order
from services.orders.order.use_cases import AtOnce, Work

# The fields of a command that its line repeats: who asked, which milestone or offer, what was
# decided. Free texts are left out.
_SAID = ("by", "ref", "offer", "decision")
_AMOUNTS = {"release": "releaseAmount", "refund": "refundAmount"}


def created(order: Order) -> Change:
    """Return the line of a new order."""
    return Change(
        action="order.create",
        target_type="order",
        target_id=order.public_id,
        after={"state": order.state.value, "amount": to_text(order.amount)},
    )


def accepted(before: Order, after: Order, work: Work | None, remarks: Mapping[str, str]) -> Change:
    """Return the line of an accepted command. work: its operation; None: a delivery."""
    kind = "DELIVER" if work is None else work.kind.value
    return Change(
        action=f"order.{kind.lower()}",
        target_type="order",
        target_id=before.public_id,
        before={"state": before.state.value},
        after={"state": after.state.value, **_said(remarks, {} if work is None else work.context)},
    )


def accepted_at_once(order_id: uuid.UUID, at_once: AtOnce, remarks: Mapping[str, str]) -> Change:
    """Return the line of an accepted command that leaves the order unchanged."""
    kind, states = at_once.work.kind.value, at_once.states
    state = {"state": states[0]} if len(states) == 1 else {}
    return Change(
        action=f"order.{kind.lower()}",
        target_type="order",
        target_id=to_public("ord", order_id),
        before=state,
        after={**state, **_said(remarks, at_once.work.context)},
    )


def failed(operation: Operation, error: str) -> Change:
    """Return the line of an operation that ended as failed after its command was accepted."""
    kind = operation.kind.value
    return Change(
        action=f"order.{kind.lower()}_failed",
        target_type="order",
        target_id=to_public("ord", operation.order_id),
        before={"operation": kind},
        after={"operation": None, "error": error},
    )


def _said(remarks: Mapping[str, str], context: Mapping[str, str]) -> dict[str, str]:
    known = {**remarks, **context}
    said = {name: known[name] for name in _SAID if known.get(name)}
    if "offer" in said:
        said["offer"] = to_public("off", uuid.UUID(said["offer"]))
    amounts = {title: known[name] for name, title in _AMOUNTS.items() if known.get(name)}
    return {**said, **{title: to_text(int(amount)) for title, amount in amounts.items()}}
