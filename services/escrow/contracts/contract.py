"""The contract of an order: who takes part, how it is deployed, and whether it is as meant. Pure.

A contradiction between the plan and the chain is raised, never repaired.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kernel.errors import InvalidArgument
from kernel.ids import to_public
from services.escrow.contracts.evidence import EscrowView
from services.escrow.contracts.fees import contract_fee_bps
from services.escrow.contracts.intents import DeployEscrow, Roles
from services.escrow.contracts.wording import (
    TOLD_BYTES_MAX,
    Wording,
    known,
    on_chain,
    told_bytes,
)
from services.escrow.domain import Escrow, PayeeRole


class Contradiction(Exception):
    """The chain contradicts the plan; an operator must look. The text says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """The addresses of an escrow. provider: receives the contract's own fee."""

    buyer: str
    seller: str
    platform: str
    provider: str


def salt(escrow: Escrow) -> bytes:
    """Return the 32 bytes that fix the contract's address: a second deployment is impossible."""
    return hashlib.sha256(f"escrow:{escrow.marketplace_id}:{escrow.id}".encode()).digest()


def roles(parties: Parties) -> Roles:
    """Return the roles: the buyer approves and releases, the platform resolves disputes."""
    return Roles(
        approver=parties.buyer,
        service_provider=parties.seller,
        platform=parties.platform,
        release_signer=parties.buyer,
        dispute_resolver=parties.platform,
        receiver=parties.seller,
    )


def fee_bps(escrow: Escrow) -> int:
    """Return the platform's rate in an escrow's contract: the agreed one, or a little more."""
    terms = escrow.terms
    return contract_fee_bps(amount=terms.amount, agreed_bps=terms.platform_fee_bps)


class EscrowTooLarge(InvalidArgument):
    """The deployment of the escrow would tell more than one transaction may."""


def deployment(escrow: Escrow, *, parties: Parties, factory: str) -> DeployEscrow:
    """Return the deployment of an escrow's contract."""
    return _deployment(escrow, on_chain(escrow.terms), parties=parties, factory=factory)


def deployments(escrow: Escrow, *, parties: Parties, factory: str) -> Sequence[DeployEscrow]:
    """Return the deployment of an escrow, and those that versions before may have sent."""
    return [
        _deployment(escrow, words, parties=parties, factory=factory)
        for words in known(escrow.terms)
    ]


def require_fit(intent: DeployEscrow) -> None:
    """Check that a deployment tells no more than one transaction may. Raises: EscrowTooLarge."""
    words = Wording(
        title=intent.title, description=intent.description, milestones=intent.milestones
    )
    size = told_bytes(words, reference=intent.engagement_id)
    if size > TOLD_BYTES_MAX:
        raise EscrowTooLarge(
            f"The escrow takes {size} bytes of a ledger, {TOLD_BYTES_MAX} are the most",
            fields=[("milestones", "there are too many")],
        )


def _deployment(escrow: Escrow, words: Wording, *, parties: Parties, factory: str) -> DeployEscrow:
    return DeployEscrow(
        signer=parties.platform,
        factory=factory,
        wasm_hash=escrow.wasm_hash,
        salt=salt(escrow),
        roles=roles(parties),
        amount=escrow.terms.amount,
        platform_fee_bps=fee_bps(escrow),
        title=words.title,
        description=words.description,
        engagement_id=to_public("ord", escrow.order_id),
        milestones=words.milestones,
    )


def check_deployed(view: EscrowView, *, escrow: Escrow, parties: Parties) -> None:
    """Check that a contract on chain is the one that was meant. Raises: Contradiction."""
    meant = (
        roles(parties),
        escrow.terms.amount,
        fee_bps(escrow),
        to_public("ord", escrow.order_id),
        escrow.wasm_hash,
    )
    shown = (
        view.roles,
        view.amount,
        view.platform_fee_bps,
        view.engagement_id,
        view.wasm_hash,
    )
    said = Wording(
        title=view.title,
        description=view.description,
        milestones=tuple(milestone.description for milestone in view.milestones),
    )
    # A version before this one may have sent the deployment.
    if meant != shown or said not in known(escrow.terms):
        raise Contradiction("the contract on chain is not the one that was meant")


def payees(escrow: Escrow, *, parties: Parties) -> dict[str, PayeeRole]:
    """Return the part of each address in an escrow."""
    return {
        parties.provider: PayeeRole.PROVIDER,
        parties.platform: PayeeRole.PLATFORM,
        parties.buyer: PayeeRole.BUYER,
        parties.seller: PayeeRole.SELLER,
        escrow.contract_id: PayeeRole.CONTRACT,
    }
