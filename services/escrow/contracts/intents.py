"""Intents: what escrow wants done on the chain, in terms of its domain. Pure values.

Amounts are stroops (10⁻⁷), addresses are Stellar's spellings (G… account, C… contract).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class MemoType(StrEnum):
    """The kinds of memos. TEXT: up to 28 bytes; ID: 64 bits, in decimal; HASH: 32 bytes, in hex."""

    TEXT = "TEXT"
    ID = "ID"
    HASH = "HASH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """The memo of a payment: names the recipient behind an address that several share."""

    type: MemoType
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Which address may do what in a contract."""

    approver: str
    service_provider: str
    platform: str
    release_signer: str
    dispute_resolver: str
    receiver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployEscrow:
    """Deploy the contract of an order.

    signer: the platform, which authorises the deployment; salt: 32 bytes that fix the contract id;
    wasm_hash: hex; milestones: their descriptions, at least one.
    """

    name: ClassVar[str] = "deploy_escrow"
    signer: str
    factory: str
    wasm_hash: str
    salt: bytes
    roles: Roles
    amount: int
    platform_fee_bps: int
    title: str
    description: str
    engagement_id: str
    milestones: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FundEscrow:
    """Move the amount from the funder's wallet into the contract.

    expected_escrow: the stored value as `EscrowView.raw` has it, passed back verbatim.
    """

    name: ClassVar[str] = "fund_escrow"
    contract_id: str
    wasm_hash: str
    funder: str
    amount: int
    expected_escrow: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeMilestoneStatus:
    """Mark a milestone's work as done. evidence: a link or a sentence, or None."""

    name: ClassVar[str] = "change_milestone_status"
    contract_id: str
    wasm_hash: str
    service_provider: str
    index: int
    status: str
    evidence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveMilestone:
    """Approve the work of one milestone."""

    name: ClassVar[str] = "approve_milestone"
    contract_id: str
    wasm_hash: str
    approver: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFunds:
    """Pay the receiver; the contract keeps the provider's and the platform's fees."""

    name: ClassVar[str] = "release_funds"
    contract_id: str
    wasm_hash: str
    release_signer: str
    receiver: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeEscrow:
    """Dispute the contract: afterwards nobody can release it."""

    name: ClassVar[str] = "dispute_escrow"
    contract_id: str
    wasm_hash: str
    signer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveDispute:
    """Pay out a frozen contract.

    distributions: address → stroops before fees; together the contract's whole balance, each a
    positive multiple of 10⁴ (older contracts overdraw by a stroop otherwise).
    """

    name: ClassVar[str] = "resolve_dispute"
    contract_id: str
    wasm_hash: str
    resolver: str
    platform: str
    distributions: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayAsset:
    """Pay the asset from a wallet of ours to an address."""

    name: ClassVar[str] = "transfer"
    from_address: str
    to_address: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PayOut:
    """Pay the asset from a user's wallet to an account outside, in one classic payment.

    to_address: G…, or M…, which names a recipient behind a G…; memo: None for none.
    """

    name: ClassVar[str] = "payment"
    from_address: str
    to_address: str
    amount: int
    memo: Memo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateWallet:
    """Create an account that holds the asset and no lumens; the sponsor pays its reserves."""

    name: ClassVar[str] = "create_wallet"
    account: str
    sponsor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateChannels:
    """Create up to 50 channel accounts, each with a starting balance in stroops of XLM."""

    name: ClassVar[str] = "create_channels"
    funder: str
    channels: tuple[str, ...]
    starting_balance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SponsorChannels:
    """Create up to 19 channel accounts without lumens; the sponsor pays their reserves."""

    name: ClassVar[str] = "sponsor_channels"
    sponsor: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpChannels:
    """Give up to 50 channel accounts lumens for further fees. amount: stroops of XLM for each."""

    name: ClassVar[str] = "top_up_channels"
    funder: str
    channels: tuple[str, ...]
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAsset:
    """Let an account of ours hold the asset; it pays its own reserve."""

    name: ClassVar[str] = "trust_asset"
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SponsorTrust:
    """Let an existing account hold the asset; the sponsor pays its reserve."""

    name: ClassVar[str] = "sponsor_trust"
    account: str
    sponsor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeWallet:
    """Remove a wallet's account from the chain; the sponsor gets its reserves back.

    The network refuses the whole transaction if the account holds the asset.
    """

    name: ClassVar[str] = "merge_wallet"
    account: str
    sponsor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UseNumber:
    """Use up an account's next sequence number, so that nothing else can land with it."""

    name: ClassVar[str] = "use_number"
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendLifetimes:
    """Pay the rent of entries, so that the network does not archive them.

    account: the account that sends it; keys: XDR of the entries' keys, in order; ledgers: how many
    ledgers from now.
    """

    name: ClassVar[str] = "extend_lifetimes"
    account: str
    keys: tuple[bytes, ...]
    ledgers: int


EscrowCall = (
    DeployEscrow
    | FundEscrow
    | ChangeMilestoneStatus
    | ApproveMilestone
    | ReleaseFunds
    | DisputeEscrow
    | ResolveDispute
)
Intent = (
    EscrowCall
    | PayAsset
    | PayOut
    | CreateWallet
    | CreateChannels
    | SponsorChannels
    | TopUpChannels
    | TrustAsset
    | SponsorTrust
    | MergeWallet
    | UseNumber
    | ExtendLifetimes
)
