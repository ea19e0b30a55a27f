"""Translate corrections between Protobuf and the domain."""

import uuid
from collections.abc import Sequence

from orchestrator.common.v1 import common_pb2
from orchestrator.ledger.v1 import corrections_pb2 as pb2

from chassis.wire import instant_to_proto, page_token
from kernel.ids import OrderId
from services.ledger.corrections.domain import Correction, Draft, Verdict

_VERDICTS = {pb2.VERDICT_APPROVED: Verdict.APPROVED, pb2.VERDICT_REJECTED: Verdict.REJECTED}
_VERDICT_OUT = {member: number for number, member in _VERDICTS.items()}


def draft(request: pb2.ProposeCorrectionRequest) -> Draft:
    """Decode a proposal; the contract has checked the spelling of each field."""
    return Draft(
        debit=request.debit_account,
        credit=request.credit_account,
        asset=request.amount.asset,
        amount=request.amount.minor_units,
        reason=request.reason,
        evidence_hash=request.evidence_hash,
        settles=request.settles,
        order_id=OrderId(uuid.UUID(request.order_id)) if request.order_id else None,
        transaction_hash=request.transaction_hash,
    )


def verdict(request: pb2.DecideCorrectionRequest) -> Verdict:
    """Decode a verdict; the contract requires one."""
    return _VERDICTS[request.verdict]


def correction(found: Correction) -> pb2.Correction:
    """Encode a correction."""
    kept = found.draft
    return pb2.Correction(
        id=str(found.id),
        debit_account=kept.debit,
        credit_account=kept.credit,
        amount=common_pb2.Money(asset=kept.asset, minor_units=kept.amount),
        reason=kept.reason,
        evidence_hash=kept.evidence_hash,
        settles=kept.settles,
        order_id=str(kept.order_id or ""),
        transaction_hash=kept.transaction_hash,
        proposed_by=found.proposed_by,
        proposed_at=instant_to_proto(found.proposed_at),
        expires_at=instant_to_proto(found.expires_at),
        verdict=_VERDICT_OUT[found.verdict] if found.verdict else None,
        decided_by=found.decided_by,
        decided_at=instant_to_proto(found.decided_at),
        transfer_id=str(found.transfer_id or ""),
        is_expired=found.is_expired,
    )


def correction_bytes(found: Correction) -> bytes:
    """Encode a correction as the bytes that are stored."""
    return correction(found).SerializeToString()


def corrections(found: Sequence[Correction], *, size: int) -> pb2.ListCorrectionsResponse:
    """Encode a page of corrections. found: more than `size`: there is another page."""
    page = found[:size]
    return pb2.ListCorrectionsResponse(
        corrections=[correction(one) for one in page],
        next_page_token=page_token(page[-1].number) if len(found) > size else "",
    )
