"""`correct`: propose a transfer that makes wrong books right; another operator approves it.

Nothing moves before. The evidence is a file: its SHA-256 is kept with the proposal, and the file is
yours to keep.
"""

import argparse
import hashlib
import re
import uuid
from pathlib import Path

from orchestrator.common.v1.common_pb2 import Money
from orchestrator.ledger.v1.corrections_pb2 import ProposeCorrectionRequest

from deploy.operator.marketplaces import NoSuchMarketplaceError
from deploy.operator.session import Session
from kernel.errors import InvalidArgument
from kernel.money import SCALE, UNIT, USDC

_AMOUNT = re.compile(rf"([0-9]{{1,11}})(?:\.([0-9]{{1,{SCALE}}}))?", re.ASCII)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--debit", required=True, metavar="ACCOUNT", help="which gives it")
    parser.add_argument("--credit", required=True, metavar="ACCOUNT", help="which gets it")
    parser.add_argument("--amount", required=True, metavar="12.50")
    parser.add_argument("--reason", required=True, help="why; it stands in statements")
    parser.add_argument("--evidence", type=Path, required=True, metavar="FILE")
    parser.add_argument("--settles", default="", metavar="EVENT", help="an ASIDE's event id")
    parser.add_argument("--order", default="", metavar="UUID")
    parser.add_argument("--transaction", default="", metavar="HASH")


async def run(session: Session, arguments: argparse.Namespace) -> int:
    """Propose; returns the exit code. Raises: NotFound; InvalidArgument; PermissionDenied."""
    if len(session.marketplaces) != 1:
        raise NoSuchMarketplaceError("name the one marketplace whose books are wrong")
    [marketplace] = session.marketplaces
    draft = ProposeCorrectionRequest(
        request_id=str(uuid.uuid4()),
        debit_account=arguments.debit,
        credit_account=arguments.credit,
        amount=Money(asset=USDC, minor_units=_minor_units(arguments.amount)),
        reason=arguments.reason,
        evidence_hash=_hash(arguments.evidence),
        settles=arguments.settles,
        order_id=arguments.order,
        transaction_hash=arguments.transaction,
    )
    proposal = await session.operator(marketplace).propose_correction(draft)
    print(f"{proposal.describe()}  [{marketplace.label}]")
    return 0


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
