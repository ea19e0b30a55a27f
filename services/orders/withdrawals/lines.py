"""The lines of the audit trail about withdrawals. No I/O."""

from chassis.audit import Change
from kernel.money import to_text
from services.orders.withdrawals.domain import Withdrawal


def change(verb: str, *, before: Withdrawal | None, after: Withdrawal) -> Change:
    """Return the line of a change, such as "commit". before: None for a new withdrawal."""
    new = {"amount": to_text(after.amount), "destination": after.destination}
    return Change(
        action=f"withdrawal.{verb}",
        target_type="withdrawal",
        target_id=after.public_id,
        before=_standing(before) if before is not None else {},
        after={**({} if before is not None else new), **_standing(after)},
    )


def commit_failed(withdrawal: Withdrawal, error: str) -> Change:
    """Return the line of a commit that was undone because the amount was not available."""
    return Change(
        action="withdrawal.commit_failed",
        target_type="withdrawal",
        target_id=withdrawal.public_id,
        before={"isCommitted": True},
        after={"isCommitted": False, "error": error},
    )


def _standing(withdrawal: Withdrawal) -> dict[str, object]:
    return {"status": withdrawal.state.value, "isCommitted": bool(withdrawal.committed_by)}
