"""Refusals in the words of the party API: no names of the other view, no internal states."""

import copy
from collections.abc import Mapping

from gateway.errors import has_running_operation
from kernel.errors import DomainError
from kernel.ids import from_public

IN_PROGRESS = "Another operation is in progress on this order; retry when it has finished"
# The document's own descriptions of codes whose service messages are written for marketplaces.
_MESSAGES: Mapping[str, str] = {
    "INVALID_STATE": "The order's status does not allow this",
    "COMMAND_IN_MOTION": IN_PROGRESS,
    "DECISION_ALREADY_MADE": "The dispute has been decided",
    "DISPUTE_ALREADY_OPEN": "A dispute is already open for this order",
    "USER_NOT_FOUND": "No business with the given ID",
    "ORDER_NOT_FOUND": "No order with this ID",
    "NOT_PARTY": "You are not the personal user or business on this order",
    "TOO_MANY_MESSAGES": "This dispute has as many messages as it may have",
    "OFFER_IS_OWN": "Only the other party can answer this offer",
    "NOT_BUSINESS": "Only the assigned business may do this",
    "NOT_PERSONAL": "Only the personal user may do this",
    "INSUFFICIENT_FUNDS": "Your available balance is less than the amount",
}
# Details that are useful to a person. Other details have states and ids of the other view.
_FACTS: Mapping[str, str] = {
    "available": "available",
    "requested": "requested",
    "missing": "missing",
    "deposit": "deposit",
    "currency": "currency",
    "why": "why",
    "destination": "destination",
    "rule": "rule",
    "value": "value",
    "counted": "counted",
    "usableAt": "usable_at",
    "limit": "limit",
    "window": "window",
    "retryAfter": "retry_after",
    "allow": "allow",
}


def for_parties(error: DomainError) -> DomainError:
    """Return a refusal with the message and the details that parties may see."""
    printed = copy.copy(error)
    printed.message = _MESSAGES.get(error.reason, error.message)
    printed.details = {
        name: error.details[key] for key, name in _FACTS.items() if key in error.details
    }
    if "withdrawalId" in error.details:
        # The id is in the other view's spelling.
        named = from_public("wd", str(error.details["withdrawalId"]))
        printed.details["withdrawal_id"] = str(named)
    if has_running_operation(error):
        # The status may allow the action after the operation has ended.
        printed.message = IN_PROGRESS
        printed.details["operation"] = str(error.details["operation"]).lower()
    return printed
