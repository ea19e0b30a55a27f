"""The contract of an order: its parties, its deployment, and whether it is as meant. Pure.

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
    """The chain contradicts the plan; an operator must look.

    The message names the contradiction.
    """


class PlaceTaken(Exception):
    """A contract cannot be deployed in its place: somebody else has taken the place or its factory.

    is_factory: the factory of the place makes no more contracts.
    """

    def __init__(self, message: str, *, is_factory: bool = False) -> None:
        super().__init__(message)
        self.is_factory = is_factory


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """The addresses of an escrow. provider: receives the contract's own fee.

    resolver: signs the division of a disputed contract; "" for the platform, in older contracts.
    seller_payout, buyer_payout: as in `Escrow`.
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
        """Return the address that receives the seller's money, except in a plain release."""
        return self.seller_payout or self.seller

    @property
    def buyer_paid_at(self) -> str:
        """Return the address that receives the buyer's money."""
        return self.buyer_payout or self.buyer

    @property
    def divider(self) -> str:
        """Return the address that divides a disputed contract."""
        return self.resolver or self.platform


def placed(escrow: Escrow, *, key: bytes, deployment: int, factory: str) -> Escrow:
    """Return an escrow with a place for its contract. key: a secret, so nobody can predict it.

    Anybody may deploy any contract in a place whose salt they know. So each place has a salt of its
    own, which is stored before it is used.
    """
    name = f"{escrow.marketplace_id}:{escrow.id}:{deployment}"
    made = hmac.digest(key, name.encode(), "sha256")
    return replace(escrow, salt=made, deployment=deployment, factory=factory)


def salt(escrow: Escrow) -> bytes:
    """Return the 32 bytes that fix the contract's address, so that it can be deployed only once."""
    if escrow.salt:
        return escrow.salt
    # A version before this one accepted the escrow, without a salt.
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
    """Return the deployment of an escrow, and those that earlier versions may have sent."""
    return [
        _deployment(escrow, words, parties=parties, factory=factory)
        for words in known(escrow.terms)
    ]


def require_fit(intent: DeployEscrow) -> None:
    """Check that one transaction may carry a deployment's texts. Raises: EscrowTooLarge."""
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
    """Return the addresses that are paid instead of the parties' wallets."""
    return frozenset({escrow.seller_payout, escrow.buyer_payout} - {""})


def payees(escrow: Escrow, *, parties: Parties) -> dict[str, PayeeRole]:
    """Return the role of each address in an escrow."""
    return {
        parties.provider: PayeeRole.PROVIDER,
        parties.platform: PayeeRole.PLATFORM,
        parties.buyer: PayeeRole.BUYER,
        parties.seller: PayeeRole.SELLER,
        parties.buyer_paid_at: PayeeRole.BUYER,
        parties.seller_paid_at: PayeeRole.SELLER,
        escrow.contract_id: PayeeRole.CONTRACT,
    }
