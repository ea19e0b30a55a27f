"""Rows of steps and their attempts as values."""

import base64
from collections.abc import Collection
from typing import Any

from services.escrow.contracts.evidence import Prepared
from services.escrow.contracts.steps import Attempt, AttemptState, Step, StepName, StepState


def to_step(rows: Collection[Any]) -> Step:
    """Read a step from its rows: one row for each attempt, or one row without an attempt."""
    row = next(iter(rows))
    return Step(
        id=row.id,
        position=row.position,
        name=StepName(row.name),
        terms=row.terms,
        state=StepState(row.state),
        source=row.source,
        sequence=row.sequence,
        doubt=row.doubt,
        attempts=tuple(_to_attempt(each) for each in rows if each.hash is not None),
    )


def _to_attempt(row: Any) -> Attempt:
    prepared = Prepared(
        hash=row.hash,
        # The version before stored text. "": the account has signed another envelope since.
        envelope_xdr=row.envelope_xdr or base64.b64encode(row.envelope or b"").decode(),
        source=row.attempt_source,
        sequence=row.attempt_sequence,
        max_time=row.max_time,
        auth_expires_ledger=row.auth_expires_ledger,
        max_fee=row.max_fee,
        network=row.network,
        bump_hash=row.bump_hash,
    )
    return Attempt(
        number=row.number,
        prepared=prepared,
        prepared_at_ledger=row.prepared_at_ledger,
        state=AttemptState(row.attempt_state),
        ledger=row.ledger,
        code=row.code,
        is_burn=row.is_burn,
    )
