"""What the audit trail says of withdrawals. No I/O."""

from chassis.audit import Change
from kernel.money import to_text
from services.orders.withdrawals.domain import Withdrawal


def change(verb: str, *, before: Withdrawal | None, after: Withdrawal) -> Change:
    """Say what was done to a withdrawal, "commit". before: None where it was just created."""
    new = {"amount": to_text(after.amount), "destination": after.destination}
    return Change(
        action=f"withdrawal.{verb}",
        target_type="withdrawal",
        target_id=after.public_id,
        before=_standing(before) if before is not None else {},
        after={**({} if before is not None else new), **_standing(after)},
    )


def commit_failed(withdrawal: Withdrawal, error: str) -> Change:
    """Say that the amount of a withdrawal was not there; it is as it was before its commit."""
    return Change(
        action="withdrawal.commit_failed",
        target_type="withdrawal",
        target_id=withdrawal.public_id,
        before={"isCommitted": True},
        after={"isCommitted": False, "error": error},
    )


def _standing(withdrawal: Withdrawal) -> dict[str, object]:
    return {"status": withdrawal.state.value, "isCommitted": bool(withdrawal.committed_by)}
