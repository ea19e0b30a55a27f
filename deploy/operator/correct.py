"""`correct`: propose a transfer that makes wrong books right; another operator approves it.

Nothing moves before. The evidence is a file: its SHA-256 is kept with the proposal, and the file is
yours to keep.
"""

import hashlib
import re
import uuid
from pathlib import Path

import click
from orchestrator.common.v1.common_pb2 import Money
from orchestrator.ledger.v1.corrections_pb2 import ProposeCorrectionRequest

from deploy.operator import proposals
from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.marketplaces import NoSuchMarketplaceError
from deploy.operator.session import Session
from kernel.errors import InvalidArgument
from kernel.money import SCALE, UNIT, USDC

_AMOUNT = re.compile(rf"([0-9]{{1,11}})(?:\.([0-9]{{1,{SCALE}}}))?", re.ASCII)


@asking("correct", about=__doc__)
@click.option("--debit", required=True, metavar="ACCOUNT", help="Which gives it.")
@click.option("--credit", required=True, metavar="ACCOUNT", help="Which gets it.")
@click.option("--amount", required=True, metavar="12.50")
@click.option("--reason", required=True, help="Why; it stands in statements.")
@click.option("--evidence", type=click.Path(path_type=Path), required=True, metavar="FILE")
@click.option("--settles", default="", metavar="EVENT", help="An ASIDE's event id.")
@click.option("--order", default="", metavar="UUID")
@click.option("--transaction", default="", metavar="HASH")
async def command(
    session: Session,
    *,
    debit: str,
    credit: str,
    amount: str,
    reason: str,
    evidence: Path,
    settles: str,
    order: str,
    transaction: str,
) -> Answer:
    """Propose. Raises: NotFound; InvalidArgument; PermissionDenied."""
    if len(session.marketplaces) != 1:
        raise NoSuchMarketplaceError("name the one marketplace whose books are wrong")
    [marketplace] = session.marketplaces
    draft = ProposeCorrectionRequest(
        request_id=str(uuid.uuid4()),
        debit_account=debit,
        credit_account=credit,
        amount=Money(asset=USDC, minor_units=_minor_units(amount)),
        reason=reason,
        evidence_hash=_hash(evidence),
        settles=settles,
        order_id=order,
        transaction_hash=transaction,
    )
    found = await session.operator(marketplace).propose_correction(draft)
    return proposals.answer(marketplace, found)


def _minor_units(text: str) -> int:
    """Read an amount; parts of a cent too, for the chain moves them."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise InvalidArgument(f"{text!r} is no amount: 12.50, at most {SCALE} decimals")
    return int(match[1]) * UNIT + int((match[2] or "").ljust(SCALE, "0"))


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InvalidArgument(f"the evidence cannot be read: {error.strerror}") from None
