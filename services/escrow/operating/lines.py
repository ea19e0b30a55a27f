"""The audit trail's lines about operators' decisions. No I/O."""

import uuid
from collections.abc import Mapping, Sequence

from chassis.audit import Change
from kernel.money import to_text
from services.escrow.domain import PayeeRole
from services.escrow.operating.redirect_store import Redirect
from services.escrow.sending import flows
from services.escrow.sending.flows import Flow, FlowState


def about_command(
    verb: str, command_id: uuid.UUID, before: Mapping[str, object], after: Mapping[str, object]
) -> Change:
    """Return the line about a decision on a command. verb: such as "adopt"."""
    return Change(
        action=f"command.{verb}",
        target_type="command",
        target_id=str(command_id),
        before=before,
        after=after,
    )


def about_redirect(
    order_id: uuid.UUID,
    *,
    party: PayeeRole,
    before: str,
    redirect: Redirect,
    why: str,
    verb: str = "",
) -> Change:
    """Return the line about a proposed or approved redirection. before: the address until now.

    verb: what was done, if it is neither of the two.
    """
    verb = verb or ("approve_redirect" if redirect.approved_by else "propose_redirect")
    return Change(
        action=f"payout.{verb}",
        target_type="order",
        target_id=str(order_id),
        before={"party": party.value, "address": before, "proposedBy": redirect.proposed_by},
        after={"party": party.value, "address": redirect.address, "why": why},
    )


def about_flow(
    flow: Flow,
    verb: flows.Change,
    *,
    before: Sequence[FlowState],
    after: Sequence[FlowState],
    reason: str,
) -> Change:
    """Return the line about a change of a flow. before, after: the states of all flows."""
    return Change(
        action=f"flow.{verb.value.lower()}",
        target_type="flow",
        target_id=flow.value,
        before=_standing(flow, before),
        after={**_standing(flow, after), "reason": reason},
    )


def _standing(flow: Flow, states: Sequence[FlowState]) -> dict[str, object]:
    (state,) = (one for one in states if one.flow is flow)
    limit = None if state.daily_limit is None else to_text(state.daily_limit)
    return {"isStopped": state.is_stopped, "dailyLimit": limit}
