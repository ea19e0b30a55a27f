"""Converts escrow's list of concerns, which need an operator's attention."""

from orchestrator.escrow.v1.escrow_pb2 import CommandKind, CommandState, ListConcernsResponse

from deploy.operator.findings import (
    Blindness,
    ChainHold,
    Concerns,
    ForeignChange,
    StuckCommand,
    TransferAside,
)


def concerns_in(answer: ListConcernsResponse) -> Concerns:
    """Convert an answer of escrow."""
    commands = [
        StuckCommand(
            id=found.id,
            kind=CommandKind.Name(found.kind).removeprefix("COMMAND_KIND_"),
            state=CommandState.Name(found.state).removeprefix("COMMAND_STATE_"),
            step=found.step,
            account=found.account,
            why=f"{found.reason} {found.message}".strip(),
            since=found.since.ToJsonString(),
        )
        for found in answer.commands
    ]
    transfers = [
        TransferAside(
            event_id=found.event_id,
            transaction_hash=found.transaction_hash,
            to_address=found.to_address,
            why=found.why,
        )
        for found in answer.transfers
    ]
    changes = [
        ForeignChange(
            event_id=found.event_id,
            order_id=found.order_id,
            contract_id=found.contract_id,
            name=found.name,
            transaction_hash=found.transaction_hash,
            since=found.found_at.ToJsonString(),
        )
        for found in answer.changes
    ]
    hold = None
    if answer.HasField("hold"):
        hold = ChainHold(
            why=answer.hold.why,
            since=answer.hold.since.ToJsonString(),
            unclaimed=[found.hash for found in answer.hold.unclaimed],
        )
    blindness = None
    if answer.HasField("blindness"):
        found = answer.blindness
        blindness = Blindness(why=found.why, since=found.since.ToJsonString())
    return Concerns(
        commands=commands,
        transfers=transfers,
        changes=changes,
        hold=hold,
        blindness=blindness,
    )
