"""What the audit trail says of operators' decisions. No I/O."""

import uuid
from collections.abc import Mapping

from chassis.audit import Change
from services.escrow.sending import flows


def about_command(
    verb: str, command_id: uuid.UUID, before: Mapping[str, object], after: Mapping[str, object]
) -> Change:
    """Say what was decided about a command: "adopt"."""
    return Change(
        action=f"command.{verb}",
        target_type="command",
        target_id=str(command_id),
        before=before,
        after=after,
    )


def about_flow(
    flow: flows.Flow, verb: flows.Change, *, daily_limit: int | None, reason: str
) -> Change:
    """Say that a flow was stopped, resumed or limited."""
    limit = {"dailyLimit": daily_limit} if verb is flows.Change.LIMIT else {}
    return Change(
        action=f"flow.{verb.value.lower()}",
        target_type="flow",
        target_id=flow.value,
        after={**limit, "reason": reason},
    )
