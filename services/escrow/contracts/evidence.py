"""Evidence: what the chain said, as pure values: envelopes, outcomes, views, transfers.

Amounts are stroops (10⁻⁷), addresses are Stellar's spellings (G… account, C… contract), times are
whole seconds since 1970 as ledgers record them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from services.escrow.contracts.intents import Roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """An envelope as a builder made it: nobody has looked at it yet, nobody may sign it."""

    envelope_xdr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A signed envelope, to be stored before its first byte is sent.

    hash: hex, the name of the transaction; bump_hash: of the fee bump around it, by which another
    account pays for it, "" where its source pays; max_time: no ledger closed later can include it;
    auth_expires_ledger: the last ledger that accepts signatures which are valid outside of this
    envelope too; 0: there are none, for all that is signed is the envelope; max_fee: stroops of
    XLM.
    """

    hash: str
    envelope_xdr: str
    source: str
    sequence: int
    max_time: int
    max_fee: int
    network: str
    auth_expires_ledger: int = 0
    bump_hash: str = ""


class SubmitStatus(StrEnum):
    """The node's answer to an envelope. Only REFUSED may be an end; see `Submission`."""

    PENDING = "PENDING"
    DUPLICATE = "DUPLICATE"
    TRY_AGAIN_LATER = "TRY_AGAIN_LATER"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What the node said. A REFUSED envelope may have landed earlier: ask by hash first.

    code: the transaction result of a refusal, such as "txBAD_SEQ".
    """

    status: SubmitStatus
    code: str = ""


class OutcomeStatus(StrEnum):
    """What the ledgers say about a hash. NOT_FOUND is not a failure."""

    NOT_FOUND = "NOT_FOUND"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractError:
    """A contract's refusal: never a number alone, for contracts number different facts alike.

    contract_id: the contract of the innermost diagnostic event, "" where the node gave none.
    """

    contract_id: str
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTransfer:
    """A movement of our asset between two addresses. event_index: place in its transaction."""

    from_address: str
    to_address: str
    amount: int
    event_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The newest ledger of the node."""

    sequence: int
    close_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """A node of the network, as it answers.

    name: its place in the list, and its host; why: it did not answer, "" if it did; oldest, latest:
    the ledgers that it has; kept: how many it keeps; closed_at: when the latest one closed;
    tells_payments: whether it shows events of classic payments, None: there was no transaction.
    """

    name: str
    why: str = ""
    passphrase: str = ""
    protocol: int = 0
    oldest: int = 0
    latest: int = 0
    kept: int = 0
    closed_at: int = 0
    tells_payments: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionOutcome:
    """The evidence about one hash, and how far the node that gave it sees.

    code: "txSUCCESS", or of a failure the innermost, such as "INVOKE_HOST_FUNCTION_TRAPPED"; fee:
    what the network took for it, in stroops of XLM;
    contract_error: of a failure, which contract refused; payments: of a success, in order.
    """

    hash: str
    status: OutcomeStatus
    latest_ledger: int
    latest_close_time: int
    oldest_ledger: int
    ledger: int = 0
    close_time: int = 0
    code: str = ""
    fee: int = 0
    contract_error: ContractError | None = None
    payments: tuple[AssetTransfer, ...] = ()

    def is_after(self, prepared: Prepared) -> bool:
        """Tell whether the node has a ledger in which an envelope could no longer land.

        One that is not found there is dead if its number is unused there too: a node may deny what
        it has, or may have forgotten it.
        """
        # All that is signed today is the envelope, so that its last moment decides. A signature of
        # its own inside an envelope could be used until its own last ledger: then that acts here.
        return (
            self.latest_close_time > prepared.max_time
            and self.latest_ledger > prepared.auth_expires_ledger
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account as the newest ledger has it.

    sequence: the last one used; lumens: stroops of XLM; asset_balance: None without a trustline;
    locked: stroops that it must keep; flags: what an issuer may do with its asset;
    sponsored: reserves that it pays for others; read_at_ledger: the ledger that has it so.
    """

    address: str
    sequence: int
    lumens: int
    asset_balance: int | None
    read_at_ledger: int
    locked: int = 0
    sponsored: int = 0
    flags: int = 0


class AddressKind(StrEnum):
    """What an address names. MUXED: somebody behind an account; UNKNOWN: it cannot be read."""

    ACCOUNT = "ACCOUNT"
    MUXED = "MUXED"
    CONTRACT = "CONTRACT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """An address as it is spelled, and the account (G…) that it names, "" for none."""

    kind: AddressKind
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustlineView:
    """A trustline. is_authorized: the issuer lets it receive; room: what fits in it, in stroops."""

    is_authorized: bool
    room: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientView:
    """An account that is to be paid. wants_memo: it refuses payments without one (SEP-29).

    trustline: None where it does not trust the asset.
    """

    trustline: TrustlineView | None
    wants_memo: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneView:
    """A milestone as stored."""

    description: str
    status: str
    approved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowView:
    """A contract as the newest ledger has it. balance: what it really holds, in stroops.

    raw: XDR of the stored value, to be given to `FundEscrow`; is_archived: it is as it was when the
    network archived it, and the next call restores it; account: one that was read with it.
    """

    contract_id: str
    wasm_hash: str
    amount: int
    balance: int
    disputed: bool
    released: bool
    resolved: bool
    platform_fee_bps: int
    roles: Roles
    title: str
    description: str
    milestones: tuple[MilestoneView, ...]
    engagement_id: str
    raw: bytes
    is_archived: bool
    read_at_ledger: int
    account: AccountView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """The last numbers that accounts have used; absent accounts are left out.

    read_at_ledger: the ledger that has them so.
    """

    used: Mapping[str, int]
    read_at_ledger: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """How long an entry lives. key: XDR; ledgers_left: 0 of one that the network has archived."""

    key: bytes
    ledgers_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedTransfer:
    """A transfer of our asset as the event stream has it.

    event_id: unique and the same on every node; to_address: a muxed address is split into its
    account and its id; memo: that id, else the transaction's memo (as hex where it is not printable
    text), else "".
    """

    event_id: str
    transaction_hash: str
    ledger: int
    closed_at: int
    from_address: str
    to_address: str
    memo: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableTransfer:
    """A transfer event that no transfer could be read from, or kept of.

    to_address: "" where it could not be read; event: what is known of it, as JSON in ASCII; why:
    the error.
    """

    event_id: str
    transaction_hash: str
    ledger: int
    to_address: str
    event: str
    why: str


def unrecorded(transfer: ReceivedTransfer, *, why: str) -> UnreadableTransfer:
    """Return a transfer that was read, as one that is put aside for an operator."""
    return UnreadableTransfer(
        event_id=transfer.event_id,
        transaction_hash=transfer.transaction_hash,
        ledger=transfer.ledger,
        to_address=transfer.to_address,
        event=json.dumps(asdict(transfer)),
        why=why,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractChange:
    """An event by which an escrow contract, anybody's, tells that it has changed. name: its own."""

    event_id: str
    contract_id: str
    name: str
    transaction_hash: str
    ledger: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransfersPage:
    """Transfers after a cursor, oldest first. next_cursor: to be stored with their effects.

    unreadable: events among them that could not be read, and must not hold the others up; changes:
    of escrow contracts, in the same ledgers; has_more: there is more to read at once.
    """

    transfers: tuple[ReceivedTransfer, ...]
    next_cursor: str
    latest_ledger: int
    oldest_ledger: int
    unreadable: tuple[UnreadableTransfer, ...] = ()
    changes: tuple[ContractChange, ...] = ()
    has_more: bool = False

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing came."""
        return not (self.transfers or self.unreadable or self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A transaction as it landed. source, sequence: the account whose number it used.

    bump_hash: as of `Prepared`.
    """

    hash: str
    source: str
    sequence: int
    envelope_xdr: str
    ledger: int
    has_succeeded: bool
    bump_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsPage:
    """Transactions of anybody, oldest first.

    is_last: there were no more when it was read; latest_ledger: the node's newest at that moment.
    """

    found: tuple[Finding, ...]
    next_cursor: str
    is_last: bool
    latest_ledger: int
