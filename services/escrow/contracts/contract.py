"""The contract of an order: who takes part, how it is deployed, and whether it is as meant. Pure.

A contradiction between the plan and the chain is raised, never repaired.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kernel.errors import InvalidArgument
from kernel.ids import to_public
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


class PlaceTaken(Exception):
    """A contract cannot be deployed in its place: somebody else has taken it, or its factory.

    is_factory: its factory makes no more contracts.
    """

    def __init__(self, message: str, *, is_factory: bool = False) -> None:
        super().__init__(message)
        self.is_factory = is_factory


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """The addresses of an escrow. provider: receives the contract's own fee.

    resolver: signs what divides a disputed contract; "" for the platform, of contracts of before.
    seller_payout, buyer_payout: as `Escrow` has them.
    """

    buyer: str
    seller: str
    platform: str
    provider: str
    resolver: str = ""
    seller_payout: str = ""
    buyer_payout: str = ""

    @property
    def seller_paid_at(self) -> str:
        """Return the address that gets what is the seller's, except in a plain release."""
        return self.seller_payout or self.seller

    @property
    def buyer_paid_at(self) -> str:
        """Return the address that gets what is the buyer's."""
        return self.buyer_payout or self.buyer

    @property
    def divider(self) -> str:
        """Return who divides a disputed contract."""
        return self.resolver or self.platform


def placed(escrow: Escrow, *, key: bytes, deployment: int, factory: str) -> Escrow:
    """Return an escrow with a place for its contract that nobody else can compute. key: secret.

    Anybody may deploy anything in a place whose salt they know, so each place has a salt of its
    own, which is stored before it is used.
    """
    name = f"{escrow.marketplace_id}:{escrow.id}:{deployment}"
    made = hmac.digest(key, name.encode(), "sha256")
    return replace(escrow, salt=made, deployment=deployment, factory=factory)


def salt(escrow: Escrow) -> bytes:
    """Return the 32 bytes that fix the contract's address: a second deployment is impossible."""
    if escrow.salt:
        return escrow.salt
    # A version before this one has accepted it.
    return hashlib.sha256(f"escrow:{escrow.marketplace_id}:{escrow.id}".encode()).digest()


def roles(parties: Parties) -> Roles:
    """Return the roles: the buyer approves and releases, the resolver resolves disputes."""
    return Roles(
        approver=parties.buyer,
        service_provider=parties.seller,
        platform=parties.platform,
        release_signer=parties.buyer,
        dispute_resolver=parties.divider,
        receiver=parties.seller,
    )


def fee_bps(escrow: Escrow) -> int:
    """Return the platform's rate in an escrow's contract: the agreed one, or a little more."""
    terms = escrow.terms
    return contract_fee_bps(amount=terms.amount, agreed_bps=terms.platform_fee_bps)


class EscrowTooLarge(InvalidArgument):
    """The deployment of the escrow would tell more than one transaction may."""


def deployment(escrow: Escrow, *, parties: Parties, factory: str) -> DeployEscrow:
    """Return the deployment of an escrow's contract. factory: the network's first."""
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
        factory=escrow.factory or factory,
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


def payouts(escrow: Escrow) -> frozenset[str]:
    """Return the addresses that are paid in place of the parties' wallets."""
    return frozenset({escrow.seller_payout, escrow.buyer_payout} - {""})


def payees(escrow: Escrow, *, parties: Parties) -> dict[str, PayeeRole]:
    """Return the part of each address in an escrow."""
    return {
        parties.provider: PayeeRole.PROVIDER,
        parties.platform: PayeeRole.PLATFORM,
        parties.buyer: PayeeRole.BUYER,
        parties.seller: PayeeRole.SELLER,
        parties.buyer_paid_at: PayeeRole.BUYER,
        parties.seller_paid_at: PayeeRole.SELLER,
        escrow.contract_id: PayeeRole.CONTRACT,
    }
