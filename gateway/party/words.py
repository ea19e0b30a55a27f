"""Refusals in the words of the party API's document: no name of the other view, no inner state."""

import copy
from collections.abc import Mapping

from gateway.errors import is_in_motion
from kernel.errors import DomainError

# The document's own description of a code, where what a service says is for marketplaces.
_MESSAGES: Mapping[str, str] = {
    "INVALID_STATE": "The order's status does not allow this",
    "COMMAND_IN_MOTION": "Something else is happening to the order; try again",
    "DECISION_ALREADY_MADE": "The dispute has been decided",
    "DISPUTE_ALREADY_OPEN": "A dispute is already open for this order",
    "USER_NOT_FOUND": "No business with the given ID",
    "ORDER_NOT_FOUND": "No order with this ID",
    "NOT_PARTY": "You are not the personal user or business on this order",
    "NOT_BUSINESS": "Only the assigned business may do this",
    "NOT_PERSONAL": "Only the personal user may do this",
    "INSUFFICIENT_FUNDS": "Your available balance is less than the order's amount",
}
IN_MOTION = "Another operation is in motion on this order; try again when it has ended"
# Facts that mean something to a person; the rest speaks of the other view's states and ids.
_FACTS: Mapping[str, str] = {
    "available": "available",
    "requested": "requested",
    "currency": "currency",
    "limit": "limit",
    "window": "window",
    "retryAfter": "retry_after",
    "allow": "allow",
}


def for_parties(error: DomainError) -> DomainError:
    """Return a refusal with its message and facts in the parties' words."""
    told = copy.copy(error)
    told.message = _MESSAGES.get(error.reason, error.message)
    told.details = {
        name: error.details[key] for key, name in _FACTS.items() if key in error.details
    }
    if is_in_motion(error):
        # The status may well allow it, in a moment.
        told.message = IN_MOTION
        told.details["operation"] = str(error.details["operation"]).lower()
    return told
