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
    """An envelope as a builder made it. It is not verified yet and must not be signed."""

    envelope_xdr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A signed envelope, to be stored before its first byte is sent.

    hash: hex, identifies the transaction; bump_hash: that of the fee bump around it, "" if the
    source pays the fee itself; max_time: no ledger closed later can include it;
    auth_expires_ledger: the last ledger that accepts signatures which are valid outside this
    envelope too, 0 if only the envelope is signed; max_fee: stroops of XLM.
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
    """The node's answer to an envelope. Only REFUSED may be final; see `Submission`."""

    PENDING = "PENDING"
    DUPLICATE = "DUPLICATE"
    TRY_AGAIN_LATER = "TRY_AGAIN_LATER"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The node's answer. A REFUSED envelope may have landed earlier: ask by hash first.

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
    """A refusal by a contract. Contracts use the same number for different facts.

    contract_id: the contract of the innermost diagnostic event, "" if the node reported none.
    """

    contract_id: str
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTransfer:
    """A movement of our asset between two addresses. event_index: position in its transaction."""

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

    name: its position in the list, and its host; why: why it did not answer, "" if it did; oldest,
    latest: the ledgers that it has; kept: how many it keeps; closed_at: when the latest one closed;
    tells_payments: whether it reports events of classic payments, None if no transaction showed it.
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
    """The evidence about one hash, and the range of ledgers of the node that gave it.

    code: "txSUCCESS", or a failure's innermost code, such as "INVOKE_HOST_FUNCTION_TRAPPED"; fee:
    what the network charged, in stroops of XLM; contract_error: the contract that refused, in a
    failure; payments: in order, in a success.
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

        If the node does not find the envelope there, the envelope is dead only if its number is
        unused there too: a node may deny a transaction that it has, or may have forgotten it.
        """
        # Only whole envelopes are signed today, so max_time decides. A signature of its own inside
        # an envelope would be usable until its own last ledger, and auth_expires_ledger would
        # decide too.
        return (
            self.latest_close_time > prepared.max_time
            and self.latest_ledger > prepared.auth_expires_ledger
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account as of the newest ledger.

    sequence: the last number used; lumens: stroops of XLM; asset_balance: None without a trustline;
    locked: stroops that the account must keep; flags: what an issuer may do with its asset;
    sponsored: reserves that it pays for others; read_at_ledger: the ledger of this state.
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
    """What an address names. MUXED: a recipient behind an account; UNKNOWN: unreadable."""

    ACCOUNT = "ACCOUNT"
    MUXED = "MUXED"
    CONTRACT = "CONTRACT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """The kind of an address, and the account (G…) that it names, "" for none."""

    kind: AddressKind
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustlineView:
    """A trustline.

    is_authorized: the issuer lets it receive; room: stroops it can still receive.
    """

    is_authorized: bool
    room: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientView:
    """An account that is to be paid. wants_memo: it refuses payments without a memo (SEP-29).

    trustline: None if the account does not trust the asset.
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
    """A contract as of the newest ledger. balance: what it really holds, in stroops.

    raw: XDR of the stored value, for `FundEscrow`; is_archived: the network has archived the
    contract in this state, and the next call restores it; account: an account that was read at the
    same ledger.
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
    """The last sequence numbers that accounts have used; missing accounts are left out.

    read_at_ledger: the ledger of these numbers.
    """

    used: Mapping[str, int]
    read_at_ledger: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """How long an entry lives. key: XDR; ledgers_left: 0 if the network has archived the entry."""

    key: bytes
    ledgers_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedTransfer:
    """A transfer of our asset, as read from the event stream.

    event_id: unique and the same on every node; to_address: of a muxed address, its account; memo:
    the id in a muxed address, else the transaction's memo (hex if it is not printable text), else
    "".
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
    """A transfer event that could not be read or could not be recorded.

    to_address: "" if it could not be read; event: what is known of the event, as JSON in ASCII;
    why: the error.
    """

    event_id: str
    transaction_hash: str
    ledger: int
    to_address: str
    event: str
    why: str


def unrecorded(transfer: ReceivedTransfer, *, why: str) -> UnreadableTransfer:
    """Return a transfer that was read as one that is set aside for an operator."""
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
    """An event that reports a change of an escrow contract, also of others. name: the event's."""

    event_id: str
    contract_id: str
    name: str
    transaction_hash: str
    ledger: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransfersPage:
    """Transfers after a cursor, oldest first. next_cursor: to be stored with their effects.

    unreadable: events that could not be read, which must not delay the others; changes: of escrow
    contracts in the same ledgers; has_more: more can be read at once.
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
        """Tell whether the page holds nothing."""
        return not (self.transfers or self.unreadable or self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A landed transaction. source, sequence: the account and the number that it used.

    bump_hash: as in `Prepared`.
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
    """Transactions of all accounts, oldest first.

    is_last: there were no more when the page was read; latest_ledger: the node's newest at that
    moment.
    """

    found: tuple[Finding, ...]
    next_cursor: str
    is_last: bool
    latest_ledger: int
