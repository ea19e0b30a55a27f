"""Escrow's concerns for an operator, without those that a correction has settled."""

from dataclasses import replace

from deploy.operator.client import Operator
from deploy.operator.findings import Concerns


async def unsettled(operator: Operator) -> Concerns:
    """Return escrow's concerns, without events that a correction has settled."""
    concerns = await operator.concerns()
    if not concerns.transfers and not concerns.changes:
        return concerns
    corrections = await operator.corrections(only_open=False)
    settled = {one.settles for one in corrections if one.state == "APPROVED"}
    return replace(
        concerns,
        transfers=[one for one in concerns.transfers if one.event_id not in settled],
        changes=[one for one in concerns.changes if one.event_id not in settled],
    )
