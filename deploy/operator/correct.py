"""`correct`: propose a transfer that corrects the books.

Another operator must approve it. No money moves before the approval. The evidence is a file: its
SHA-256 is stored with the proposal. Keep the file yourself.
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
@click.option("--debit", required=True, metavar="ACCOUNT", help="The account to debit.")
@click.option("--credit", required=True, metavar="ACCOUNT", help="The account to credit.")
@click.option("--amount", required=True, metavar="12.50")
@click.option("--reason", required=True, help="The reason; shown in statements.")
@click.option("--evidence", type=click.Path(path_type=Path), required=True, metavar="FILE")
@click.option("--settles", default="", metavar="EVENT", help="The event id of an ASIDE finding.")
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
    """Propose the correction. Raises: NotFound; InvalidArgument; PermissionDenied."""
    if len(session.marketplaces) != 1:
        raise NoSuchMarketplaceError("a correction is for one marketplace; name it")
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
    """Parse an amount into minor units. Fractions of a cent are allowed, as on chain."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise InvalidArgument(
            f"{text!r} is not an amount such as 12.50, with at most {SCALE} decimals"
        )
    return int(match[1]) * UNIT + int((match[2] or "").ljust(SCALE, "0"))


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InvalidArgument(f"cannot read the evidence: {error.strerror}") from None
