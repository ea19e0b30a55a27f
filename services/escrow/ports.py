"""The interface to the chain: intents in, evidence out. Pure: no network, no XDR."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kernel.errors import FailedPrecondition, Unavailable
from services.escrow.contracts.evidence import (
    AccountView,
    ContractError,
    EscrowView,
    Finding,
    FindingsPage,
    Ledger,
    Lifetime,
    NodeView,
    Prepared,
    Recipient,
    RecipientView,
    Sequences,
    Submission,
    TransactionOutcome,
    TransfersPage,
    Unsigned,
)
from services.escrow.contracts.intents import DeployEscrow, Intent


class ChainUnavailable(Unavailable):
    """The chain, or the provider, gave no answer. What was sent may still land."""

    reason = "PROVIDER_UNAVAILABLE"


class ChainThrottled(ChainUnavailable):
    """The node or the provider limits the rate of our requests."""

    reason = "PROVIDER_RATE_LIMITED"


class ProviderRefused(ChainUnavailable):
    """The provider refuses to build a transaction that the chain accepts. Nothing was sent."""

    reason = "PROVIDER_REFUSED"


class HistoryUnavailable(Unavailable):
    """The node no longer keeps the ledgers after the cursor. An operator must act."""

    reason = "CHAIN_HISTORY_UNAVAILABLE"


class ChainBehind(ChainUnavailable):
    """The node is behind: its newest ledger is older than one that was already read.

    The node lags, belongs to another network, or the network was reset. details: cursor_ledger,
    latest_ledger.
    """

    reason = "CHAIN_BEHIND"


class WrongNetwork(Unavailable):
    """The node belongs to another network."""

    reason = "CHAIN_WRONG_NETWORK"


class ChainRefused(FailedPrecondition):
    """The simulation shows that the chain would refuse this call. Nothing was sent.

    contract_error: the contract that refused and its error number, if one did. at_ledger: the
    ledger of the simulation; 0: unknown, then the refusal proves nothing. reason: replaces the
    class's.
    """

    reason = "CHAIN_REFUSED"

    def __init__(
        self,
        message: str,
        *,
        contract_error: ContractError | None = None,
        at_ledger: int = 0,
        reason: str | None = None,
    ) -> None:
        details: dict[str, object] = {}
        if contract_error is not None:
            details = {"contract": contract_error.contract_id, "code": contract_error.code}
        super().__init__(message, reason=reason, details=details)
        self.contract_error = contract_error
        self.at_ledger = at_ledger


class FeesTooHigh(Unavailable):
    """The network's fee is above the limit at the moment. Nothing was signed."""

    reason = "CHAIN_FEES_TOO_HIGH"


class ContractArchived(Unavailable):
    """The contract is archived and must be restored; this node does not restore it."""

    reason = "CONTRACT_ARCHIVED"


class EnvelopeRefused(FailedPrecondition):
    """The transaction to be signed differs from its intent. A security event, never retried."""

    reason = "ENVELOPE_REFUSED"


class Signer(Protocol):
    """Signs for one address without giving away its key."""

    @property
    def address(self) -> str:
        """The G… address that the signatures are for."""
        ...

    async def sign(self, *, payload: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of a 32-byte hash."""
        ...


class EscrowBuilder(Protocol):
    """Makes envelopes. It is not trusted: `Chain.verify_and_sign` checks every field."""

    async def build(
        self, intent: Intent, *, source: str, sequence: int, max_time: int, tries: int = 0
    ) -> Unsigned:
        """Make the envelope of an intent.

        source: the account that pays the fee; sequence: one above the last number that it used;
        tries: how many earlier envelopes no ledger took; each doubles the bid, up to its limit.
        Raises: ChainUnavailable; ChainRefused; EnvelopeRefused: a provider built something else.
        """
        ...

    async def announce(self, *, transaction_hash: str) -> None:
        """Tell the provider, if there is one, that a transaction has landed; never raises."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class Chain(Protocol):
    """The network: reads it, signs verified envelopes, sends them, and reports evidence."""

    async def require_network(self) -> None:
        """Check that the node belongs to this network. Raises: WrongNetwork; ChainUnavailable."""
        ...

    async def nodes(self) -> Sequence[NodeView]:
        """Ask every node about itself. A node that does not answer is listed with the reason."""
        ...

    async def fee_of(self, intent: Intent, *, payer: AccountView) -> int:
        """Return what a transaction may cost, in stroops. Raises: as `EscrowBuilder.build`."""
        ...

    async def latest_ledger(self) -> Ledger:
        """Return the newest ledger. Raises: ChainUnavailable."""
        ...

    async def recent_ledger(self) -> Ledger:
        """Return a newest ledger that was read a moment ago. Raises: ChainUnavailable."""
        ...

    async def account(self, address: str) -> AccountView | None:
        """Return an account, or None if it does not exist. Raises: ChainUnavailable."""
        ...

    def recipient(self, address: str) -> Recipient:
        """Parse the address of a recipient. The network is not asked."""
        ...

    async def recipient_view(self, account: str) -> tuple[RecipientView | None, int]:
        """Return the account (G…) of a recipient, None if missing, and the ledger of the answer.

        Raises: ChainUnavailable.
        """
        ...

    async def sequences(self, addresses: Sequence[str]) -> Sequences:
        """Return the last sequence numbers that accounts have used.

        Raises: ChainUnavailable.
        """
        ...

    async def lumens(self, addresses: Sequence[str]) -> Mapping[str, int]:
        """Return the stroops of XLM of accounts, in one read per 200, without missing accounts.

        Raises: ChainUnavailable.
        """
        ...

    async def asset_balances(self, addresses: Sequence[str]) -> Mapping[str, int]:
        """Return asset balances of wallets and contracts, 0 without a trustline; one read per 200.

        Raises: ChainUnavailable.
        """
        ...

    async def read_escrow(self, contract_id: str, *, account: str = "") -> EscrowView | None:
        """Return a contract, or None if it does not exist. Raises: ChainUnavailable.

        account: an account to read at the same ledger, "" for none.
        """
        ...

    async def platform_of(self, contract_id: str, *, since_ledger: int) -> str | None:
        """Return the platform in the roles of an escrow; None: the contract is not an escrow.

        since_ledger: a ledger in which the contract existed. Raises: ChainUnavailable: the node
        does not have that ledger yet.
        """
        ...

    async def lifetimes(
        self, *, escrows: Sequence[str] = (), factories: Sequence[str] = (), code: str = ""
    ) -> Sequence[Lifetime]:
        """Return how long the entries of contracts live; missing entries are left out.

        escrows: with what they store and hold; factories: only the instances; code: the hash of one
        build, "" for none. Raises: ChainUnavailable.
        """
        ...

    def predict_contract_id(self, intent: DeployEscrow) -> str:
        """Return the C… address that the deployment will have."""
        ...

    def is_deployed_as(self, view: EscrowView, intent: DeployEscrow) -> bool:
        """Tell whether a contract stores exactly what a deployment stores.

        Flags and marks of milestones are not compared, because later steps of ours change them.
        """
        ...

    async def code_of(self, contract_id: str) -> str | None:
        """Return the hash of a contract's code, "" if built into the network, None if missing.

        Raises: ChainUnavailable.
        """
        ...

    async def verify_and_sign(
        self,
        unsigned: Unsigned,
        intent: Intent,
        *,
        source: str,
        sequence: int,
        max_time: int,
        signers: Mapping[str, Signer],
        payer: Signer | None = None,
    ) -> Prepared:
        """Compare every field of the envelope with the intent, then sign.

        signers: by address, for the source and each wallet that the intent acts for. payer: who
        pays the fee with a fee bump; None: the source.
        Raises: EnvelopeRefused: any difference; FeesTooHigh; ChainUnavailable.
        """
        ...

    async def submit(self, envelope_xdr: str) -> Submission:
        """Send stored bytes; sending the same bytes again is always safe.

        Raises: ChainUnavailable: the outcome is unknown; ask by hash.
        """
        ...

    async def outcome(self, transaction_hash: str) -> TransactionOutcome:
        """Return what the ledgers say about a transaction. Raises: ChainUnavailable."""
        ...

    async def find(self, transaction_hash: str) -> Finding | None:
        """Return a landed transaction by its hash, or None if it is not found.

        Raises: ChainUnavailable; EnvelopeRefused: it is of a kind that we never send.
        """
        ...

    async def transactions(
        self, *, start_ledger: int | None = None, cursor: str | None = None
    ) -> FindingsPage:
        """Return the transactions of all accounts from a ledger on, or after a cursor.

        If the node no longer keeps start_ledger, begin with the oldest ledger that it keeps.
        Raises: ChainUnavailable.
        """
        ...

    def is_of(self, envelope_xdr: str, intent: Intent) -> bool:
        """Tell whether an envelope does what an intent means, whichever account paid its fee.

        Raises: EnvelopeRefused: it is of a kind that we never send.
        """
        ...

    def created(self, envelope_xdr: str) -> frozenset[str]:
        """Return the accounts that an envelope creates."""
        ...

    def names(self, envelope_xdr: str, address: str) -> bool:
        """Tell whether the address of an account or contract appears anywhere in an envelope."""
        ...

    def pays_out(self, envelope_xdr: str, contract_id: str) -> bool:
        """Tell whether an envelope makes a contract pay out its money.

        Raises: EnvelopeRefused: it is of a kind that we never send.
        """
        ...

    def divided(self, envelope_xdr: str) -> int:
        """Return the sum that an envelope divides among addresses; 0: it divides nothing."""
        ...

    async def paid_between(self, payer: str, payee: str, *, since_ledger: int) -> int | None:
        """Return what an address has paid to another since a ledger, in minor units.

        None: the node does not keep all ledgers since then. Raises: ChainUnavailable.
        """
        ...

    async def transfers_since(self, cursor: str | None, *, limit: int) -> TransfersPage:
        """Return transfers of the asset after a cursor (None: from the oldest ledger kept).

        Raises: ChainUnavailable; WrongNetwork; ChainRefused; ChainBehind: the cursor is newer than
            the newest ledger; HistoryUnavailable: it is older than the oldest ledger kept.
        """
        ...

    async def fund_with_friendbot(self, address: str) -> bool:
        """Ask the network's friendbot for lumens; return False if the network has none.

        Raises: ChainUnavailable.
        """
        ...

    async def request_asset(self, address: str, *, amount: int) -> bool:
        """Ask a local network's faucet for the asset; return False if the network has none.

        Raises: ChainUnavailable.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StellarOptions:
    """Which network, asset and contracts are used, and what may be spent.

    Fees are in stroops of XLM: max_fee limits a whole transaction, inclusion_fee_max the bid of a
    contract call for inclusion, classic_fee_max the bid per operation of a classic transaction.
    spare_rpc_urls: nodes that are asked, in order, while the nodes before them fail; rpc_headers:
    the HTTP headers that a node requires, by URL.
    """

    rpc_url: str
    network_passphrase: str
    asset_issuer: str
    factory: str
    wasm_hash: str
    provider_fee_address: str
    spare_factories: tuple[str, ...] = ()
    spare_rpc_urls: tuple[str, ...] = ()
    rpc_headers: Callable[[], Mapping[str, Mapping[str, str]]] = field(default=dict, repr=False)
    asset_code: str = "USDC"
    friendbot_url: str = ""
    faucet_url: str = ""
    max_fee: int = 100_000_000
    inclusion_fee_max: int = 1_000_000
    classic_fee_max: int = 1_000_000
    read_attempts: int = 3
    timeout_seconds: int = 10
    profiles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustlessWorkOptions:
    """The provider's REST API. requests_per_minute: below its limit of 50 per client.

    quota_wait_seconds: how long a build may wait for its turn.
    """

    url: str
    api_key: str = field(repr=False)
    requests_per_minute: int = 45
    quota_wait_seconds: int = 10
    timeout_seconds: int = 20
