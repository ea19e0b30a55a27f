"""The chain behind `ports.Chain`: reads, verifies and signs, sends, reports evidence."""

from collections import OrderedDict
from collections.abc import Awaitable, Mapping, Sequence

from stellar_sdk import xdr
from stellar_sdk.exceptions import SdkError
from stellar_sdk.soroban_rpc import SendTransactionStatus

from chassis.telemetry import logger
from kernel.money import to_chain_text
from services.escrow.contracts.evidence import (
    AccountView,
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
    SubmitStatus,
    TransactionOutcome,
    TransfersPage,
    Unsigned,
)
from services.escrow.contracts.intents import DeployEscrow, Intent
from services.escrow.ports import (
    ChainRefused,
    ChainUnavailable,
    EnvelopeRefused,
    Signer,
    StellarOptions,
)
from services.escrow.stellar.addresses import recipient
from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.contract import as_deployed
from services.escrow.stellar.direct import DirectBuilder
from services.escrow.stellar.envelope import parse
from services.escrow.stellar.history import History
from services.escrow.stellar.http import Http, JsonAnswer
from services.escrow.stellar.outcomes import UNREADABLE, outcome_of, result_code
from services.escrow.stellar.probes import Probes
from services.escrow.stellar.rpc import Rpc
from services.escrow.stellar.signing import pay, sign
from services.escrow.stellar.transfers import Transfers
from services.escrow.stellar.verify import Verifier
from services.escrow.stellar.views import Views

KNOWN_CONTRACTS_MAX = 10_000
OK = 200
log = logger()
_ANSWERS = {
    SendTransactionStatus.PENDING: SubmitStatus.PENDING,
    SendTransactionStatus.DUPLICATE: SubmitStatus.DUPLICATE,
    SendTransactionStatus.TRY_AGAIN_LATER: SubmitStatus.TRY_AGAIN_LATER,
    SendTransactionStatus.ERROR: SubmitStatus.REFUSED,
}


class StellarChain:
    """One Stellar network with one asset and one escrow contract."""

    def __init__(
        self, *, options: StellarOptions, http: Http, rpc: Rpc, blueprints: Blueprints
    ) -> None:
        self._options = options
        self._http = http
        self._rpc = rpc
        self._blueprints = blueprints
        self._verifier = Verifier(options=options, blueprints=blueprints)
        asset_contract = blueprints.asset_contract
        self._views = Views(rpc=rpc, asset=blueprints.asset, asset_contract=asset_contract)
        self._transfers = Transfers(
            rpc=rpc,
            asset_contract=asset_contract,
            issuer=options.asset_issuer,
            asset_code=options.asset_code,
        )
        self._history = History(
            rpc=rpc, blueprints=blueprints, passphrase=options.network_passphrase
        )
        self._probes = Probes(options=options, http=http)
        self._builder = DirectBuilder(rpc=rpc, blueprints=blueprints)
        self._builds: OrderedDict[str, str] = OrderedDict()

    async def require_network(self) -> None:
        """Check that the node belongs to this network. Raises: WrongNetwork; ChainUnavailable."""
        await self._rpc.require_network()

    async def nodes(self) -> Sequence[NodeView]:
        """Ask every node about itself. A node that does not answer is listed with the reason."""
        return await self._probes.nodes()

    async def fee_of(self, intent: Intent, *, payer: AccountView) -> int:
        """Return what a transaction may cost now, in stroops of XLM. Nothing is sent."""
        unsigned = await self._builder.build(
            intent, source=payer.address, sequence=payer.sequence + 1, max_time=0
        )
        return parse(unsigned.envelope_xdr).tx.fee.uint32

    async def latest_ledger(self) -> Ledger:
        """Return the newest ledger."""
        return await self._rpc.latest_ledger()

    async def recent_ledger(self) -> Ledger:
        """Return a newest ledger that was read a moment ago."""
        return await self._rpc.recent_ledger()

    async def account(self, address: str) -> AccountView | None:
        """Return an account, or None if it does not exist."""
        return await self._views.account(address)

    def recipient(self, address: str) -> Recipient:
        """Parse the address of a recipient."""
        return recipient(address)

    async def recipient_view(self, account: str) -> tuple[RecipientView | None, int]:
        """Return the account of a recipient, None if missing, and the ledger of the answer."""
        return await self._views.recipient(account)

    async def sequences(self, addresses: Sequence[str]) -> Sequences:
        """Return the last sequence numbers that accounts have used."""
        return await self._views.sequences(addresses)

    async def lumens(self, addresses: Sequence[str]) -> Mapping[str, int]:
        """Return how many stroops of XLM accounts hold; missing accounts are left out."""
        return await self._views.lumens(addresses)

    async def asset_balances(self, addresses: Sequence[str]) -> Mapping[str, int]:
        """Return the asset balances of wallets and contracts; 0 without a trustline."""
        return await self._views.balances(addresses)

    async def read_escrow(self, contract_id: str, *, account: str = "") -> EscrowView | None:
        """Return a contract, or None if it does not exist.

        account: one to read at the same ledger.
        """
        view = await self._views.escrow(contract_id, account=account)
        if view is not None:
            self._remember(contract_id, view.wasm_hash)
            if view.is_archived:
                log.info("chain.contract_archived", contract_id=contract_id)
        return view

    async def platform_of(self, contract_id: str, *, since_ledger: int) -> str | None:
        """Return the platform in the roles of an escrow; None: the contract is not an escrow."""
        return await self._views.platform_of(contract_id, since_ledger=since_ledger)

    async def lifetimes(
        self, *, escrows: Sequence[str] = (), factories: Sequence[str] = (), code: str = ""
    ) -> Sequence[Lifetime]:
        """Return how long the entries of contracts live; missing entries are left out."""
        return await self._views.lifetimes(escrows=escrows, factories=factories, code=code)

    def predict_contract_id(self, intent: DeployEscrow) -> str:
        """Return the C… address that the deployment will have."""
        return self._blueprints.contract_id(intent)

    def is_deployed_as(self, view: EscrowView, intent: DeployEscrow) -> bool:
        """Tell whether a contract stores exactly what a deployment stores."""
        try:
            stored = as_deployed(view.raw)
        except ValueError:
            return False
        return view.wasm_hash == intent.wasm_hash and stored == self._blueprints.stored(intent)

    async def code_of(self, contract_id: str) -> str | None:
        """Return the hash of a contract's code, or None if there is no such contract."""
        return await self._views.wasm_hash(contract_id)

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
        """Compare every field of the envelope with the intent, then sign. payer: in a fee bump.

        Raises: EnvelopeRefused; ChainRefused: no such contract; ChainUnavailable; MissingSigner.
        """
        verified = self._verifier.verify(
            unsigned.envelope_xdr,
            intent,
            source=source,
            sequence=sequence,
            max_time=max_time,
            is_bumped=payer is not None,
        )
        await self._require_build(intent)
        prepared = await sign(
            verified,
            source=source,
            signers=signers,
            passphrase=self._options.network_passphrase,
        )
        if payer is None:
            return prepared
        return await pay(prepared, payer=payer, fee=verified.bumped_fee)

    async def submit(self, envelope_xdr: str) -> Submission:
        """Send stored bytes. Raises: ChainUnavailable: the outcome is unknown."""
        answer = await self._rpc.send(envelope_xdr)
        code = ""
        if answer.error_result_xdr:
            try:
                code = result_code(xdr.TransactionResult.from_xdr(answer.error_result_xdr))
            except UNREADABLE as error:
                raise ChainUnavailable("the node's refusal cannot be read") from error
        return Submission(status=_ANSWERS[answer.status], code=code)

    async def outcome(self, transaction_hash: str) -> TransactionOutcome:
        """Return what the ledgers say about a transaction."""
        answer = await self._rpc.transaction(transaction_hash)
        return outcome_of(answer, asset_contract=self._blueprints.asset_contract)

    async def find(self, transaction_hash: str) -> Finding | None:
        """Return a landed transaction by its hash, or None."""
        return await self._history.find(transaction_hash)

    async def transactions(
        self, *, start_ledger: int | None = None, cursor: str | None = None
    ) -> FindingsPage:
        """Return the transactions of all accounts from a ledger on, or after a cursor."""
        return await self._history.page(start_ledger=start_ledger, cursor=cursor)

    def is_of(self, envelope_xdr: str, intent: Intent) -> bool:
        """Tell whether an envelope does what an intent means."""
        return self._history.is_of(envelope_xdr, intent)

    def created(self, envelope_xdr: str) -> frozenset[str]:
        """Return the accounts that an envelope creates."""
        return self._history.created(envelope_xdr)

    def names(self, envelope_xdr: str, address: str) -> bool:
        """Tell whether an address appears anywhere in an envelope."""
        return self._history.names(envelope_xdr, address)

    def pays_out(self, envelope_xdr: str, contract_id: str) -> bool:
        """Tell whether an envelope makes a contract pay out its money."""
        return self._history.pays_out(envelope_xdr, contract_id)

    def divided(self, envelope_xdr: str) -> int:
        """Return the sum that an envelope divides among addresses."""
        return self._history.divided(envelope_xdr)

    async def paid_between(self, payer: str, payee: str, *, since_ledger: int) -> int | None:
        """Return what an address has paid to another since a ledger, in minor units."""
        return await self._transfers.paid_between(payer, payee, since_ledger=since_ledger)

    async def transfers_since(self, cursor: str | None, *, limit: int) -> TransfersPage:
        """Return transfers of the asset after a cursor."""
        return await self._transfers.since(cursor, limit=limit)

    async def fund_with_friendbot(self, address: str) -> bool:
        """Ask the network's friendbot for lumens; return False if the network has none."""
        url = self._options.friendbot_url
        return bool(url) and await self._ask(self._http.get(url, {"addr": address}))

    async def request_asset(self, address: str, *, amount: int) -> bool:
        """Ask a local network's faucet for the asset; return False if the network has none."""
        url, body = self._options.faucet_url, {"address": address, "amount": to_chain_text(amount)}
        return bool(url) and await self._ask(self._http.post(url, json_data=body))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _require_build(self, intent: Intent) -> None:
        """Refuse a contract whose code differs from the code that the intent was made for."""
        contract_id, meant = getattr(intent, "contract_id", ""), getattr(intent, "wasm_hash", "")
        if not contract_id:
            return
        found = self._builds.get(contract_id) or await self._views.wasm_hash(contract_id)
        if found is None:
            raise ChainRefused(f"there is no contract {contract_id}")
        self._remember(contract_id, found)
        if found != meant:
            raise EnvelopeRefused(f"{contract_id} runs other code than was meant")

    def _remember(self, contract_id: str, wasm_hash: str) -> None:
        # The escrow contract cannot replace its own code, so the hash never changes.
        self._builds[contract_id] = wasm_hash
        if len(self._builds) > KNOWN_CONTRACTS_MAX:
            self._builds.popitem(last=False)

    async def _ask(self, answering: Awaitable[JsonAnswer]) -> bool:
        try:
            answer = await answering
        except (SdkError, TimeoutError) as error:
            raise ChainUnavailable("friendbot or faucet did not answer") from error
        if answer.status_code == OK or "already" in answer.text:
            return True
        raise ChainUnavailable(f"{answer.url} answered {answer.status_code}: {answer.text[:200]}")
