"""Views: accounts, balances and escrows as of the newest ledger, read as entries."""

from collections.abc import Mapping, Sequence

from stellar_sdk import Asset, scval, xdr

from services.escrow.contracts.evidence import (
    AccountView,
    EscrowView,
    Lifetime,
    RecipientView,
    Sequences,
    TrustlineView,
)
from services.escrow.ports import ChainUnavailable
from services.escrow.stellar.addresses import (
    account_key,
    balance_key,
    code_key,
    escrow_key,
    holding_key,
    instance_key,
    option_key,
    trustline_key,
)
from services.escrow.stellar.contract import decode_escrow
from services.escrow.stellar.entries import Entries
from services.escrow.stellar.rpc import Rpc

# Stroops that an account reserves for each of its entries. Source: the network's base reserve.
BASE_RESERVE = 5_000_000
# An account that stores this value refuses payments without a memo. Source: SEP-29.
MEMO_REQUIRED, DEMANDED = "config.memo_required", b"1"


class Views:
    """Reads one network's entries. Every method raises ChainUnavailable."""

    def __init__(self, *, rpc: Rpc, asset: Asset, asset_contract: str) -> None:
        self._rpc = rpc
        self._asset = asset
        self._asset_contract = asset_contract

    async def account(self, address: str) -> AccountView | None:
        """Return an account, or None if it does not exist."""
        keys = [account_key(address), trustline_key(address, self._asset)]
        return self._account(address, await self._rpc.entries(keys))

    def _account(self, address: str, entries: Entries) -> AccountView | None:
        found = entries.get(account_key(address))
        line = entries.get(trustline_key(address, self._asset))
        if found is None or found.account is None:
            return None
        return AccountView(
            address=address,
            sequence=found.account.seq_num.sequence_number.int64,
            lumens=found.account.balance.int64,
            asset_balance=None if line is None else _held(line),
            read_at_ledger=entries.read_at,
            locked=_locked(found.account),
            sponsored=_sponsored(found.account),
            flags=found.account.flags.uint32,
        )

    async def recipient(self, account: str) -> tuple[RecipientView | None, int]:
        """Return the account of a recipient, None if missing, and the ledger of the answer."""
        keys = [
            account_key(account),
            trustline_key(account, self._asset),
            option_key(account, MEMO_REQUIRED),
        ]
        entries = await self._rpc.entries(keys)
        _, line, option = map(entries.get, keys)
        if entries.get(keys[0]) is None:
            return None, entries.read_at
        kept = None if option is None else option.data
        view = RecipientView(
            trustline=None if line is None else _trustline(line),
            wants_memo=kept is not None and kept.data_value.data_value == DEMANDED,
        )
        return view, entries.read_at

    async def sequences(self, addresses: Sequence[str]) -> Sequences:
        """Return the last sequence numbers that accounts have used."""
        if not addresses:
            return Sequences(used={}, read_at_ledger=0)
        keys = {address: account_key(address) for address in addresses}
        entries = await self._rpc.entries(list(keys.values()))
        found = {address: entries.get(key) for address, key in keys.items()}
        used = {
            address: entry.account.seq_num.sequence_number.int64
            for address, entry in found.items()
            if entry is not None and entry.account is not None
        }
        return Sequences(used=used, read_at_ledger=entries.read_at)

    async def lumens(self, addresses: Sequence[str]) -> Mapping[str, int]:
        """Return how many stroops of XLM accounts hold; missing accounts are left out."""
        if not addresses:
            return {}
        keys = {address: account_key(address) for address in addresses}
        entries = await self._rpc.entries(list(keys.values()))
        found = {address: entries.get(key) for address, key in keys.items()}
        return {
            address: entry.account.balance.int64
            for address, entry in found.items()
            if entry is not None and entry.account is not None
        }

    async def balances(self, addresses: Sequence[str]) -> Mapping[str, int]:
        """Return the asset balances of addresses."""
        if not addresses:
            return {}
        keys = {
            address: holding_key(address, asset=self._asset, asset_contract=self._asset_contract)
            for address in addresses
        }
        entries = await self._rpc.entries(list(keys.values()))
        found = {address: entries.get(key) for address, key in keys.items()}
        return {a: 0 if entry is None else _held(entry) for a, entry in found.items()}

    async def escrow(self, contract_id: str, *, account: str = "") -> EscrowView | None:
        """Return a contract, or None if it does not exist. Raises: ValueError: it is not an escrow.

        account: an account to read at the same ledger, "" for none.
        """
        keys = [
            instance_key(contract_id),
            escrow_key(contract_id),
            balance_key(self._asset_contract, contract_id),
        ]
        beside = [account_key(account)] if account else []
        entries = await self._rpc.entries(keys + beside)
        instance = _instance(entries.get(keys[0]))
        if instance is None:
            return None
        value = _stored(instance, entries.get(keys[1]))
        if value is None:
            return None
        held = entries.get(keys[2])
        return _view(
            contract_id,
            value,
            wasm_hash=wasm_hash_of(instance),
            balance=0 if held is None else _held(held),
            is_archived=_is_archived(entries, keys[:2]),
            read_at=entries.read_at,
            account=self._account(account, entries) if account else None,
        )

    async def lifetimes(
        self, *, escrows: Sequence[str], factories: Sequence[str], code: str
    ) -> Sequence[Lifetime]:
        """Return how long the entries of contracts live; missing entries are left out."""
        keys = [
            key
            for contract in escrows
            for key in (
                instance_key(contract),
                escrow_key(contract),
                balance_key(self._asset_contract, contract),
            )
        ]
        keys += [instance_key(factory) for factory in factories]
        keys += [code_key(code)] if code else []
        if not keys:
            return []
        entries = await self._rpc.entries(keys)
        return [
            Lifetime(key=key, ledgers_left=max(0, until - entries.read_at))
            for key, until in entries.live_until.items()
        ]

    async def platform_of(self, contract_id: str, *, since_ledger: int) -> str | None:
        """Return the platform in the roles of an escrow; None: the contract is not an escrow.

        since_ledger: a ledger in which the contract existed. Raises: ChainUnavailable: the node
        does not have that ledger yet.
        """
        keys = [instance_key(contract_id), escrow_key(contract_id)]
        entries = await self._rpc.entries(keys)
        if entries.read_at < since_ledger:
            raise ChainUnavailable("the node lags behind a ledger in which the contract was there")
        instance = _instance(entries.get(keys[0]))
        if instance is None:
            # The contract was archived since, which cannot happen to a new escrow for months.
            return None
        value = _stored(instance, entries.get(keys[1]))
        try:
            return None if value is None else decode_escrow(value).roles.platform
        except ValueError:
            return None

    async def wasm_hash(self, contract_id: str) -> str | None:
        """Return the hash of a contract's code, or None if there is no such contract."""
        key = instance_key(contract_id)
        instance = _instance((await self._rpc.entries([key])).get(key))
        return None if instance is None else wasm_hash_of(instance)


def wasm_hash_of(instance: xdr.SCContractInstance) -> str:
    """Return the hash of the code that an instance runs, "" if it runs built-in code."""
    code = instance.executable.wasm_hash
    return "" if code is None else code.hash.hex()


def _view(
    contract_id: str,
    value: xdr.SCVal,
    *,
    wasm_hash: str,
    balance: int,
    is_archived: bool,
    read_at: int,
    account: AccountView | None,
) -> EscrowView:
    stored = decode_escrow(value)
    return EscrowView(
        contract_id=contract_id,
        wasm_hash=wasm_hash,
        amount=stored.amount,
        balance=balance,
        disputed=stored.disputed,
        released=stored.released,
        resolved=stored.resolved,
        platform_fee_bps=stored.platform_fee_bps,
        roles=stored.roles,
        title=stored.title,
        description=stored.description,
        milestones=stored.milestones,
        engagement_id=stored.engagement_id,
        raw=value.to_xdr_bytes(),
        is_archived=is_archived,
        read_at_ledger=read_at,
        account=account,
    )


def _is_archived(entries: Entries, keys: Sequence[xdr.LedgerKey]) -> bool:
    """Tell whether the network has archived one of the entries."""
    names = [key.to_xdr_bytes() for key in keys]
    live = [entries.live_until[name] for name in names if name in entries.live_until]
    return min(live, default=0) < entries.read_at


def _locked(account: xdr.AccountEntry) -> int:
    """Return the stroops that an account cannot spend: its reserves, and what its offers sell.

    An account counts as two entries. Source: CAP-33, the minimum balance.
    """
    first = account.ext.v1
    selling = 0 if first is None else first.liabilities.selling.int64
    second = None if first is None else first.ext.v2
    paid_by_others = 0 if second is None else second.num_sponsored.uint32
    entries = 2 + account.num_sub_entries.uint32 + _sponsored(account) - paid_by_others
    return entries * BASE_RESERVE + selling


def _sponsored(account: xdr.AccountEntry) -> int:
    """Return how many reserves an account pays for others. Source: CAP-33, numSponsoring."""
    first = account.ext.v1
    second = None if first is None else first.ext.v2
    return 0 if second is None else second.num_sponsoring.uint32


def _held(entry: xdr.LedgerEntryData) -> int:
    """Read a balance. Raises: ChainUnavailable: the entry is not a balance."""
    if entry.trust_line is not None:
        return entry.trust_line.balance.int64
    if entry.contract_data is None:
        raise ChainUnavailable("the node shows an entry that is not a balance")
    try:
        return scval.from_int128(scval.from_struct(entry.contract_data.val)["amount"])
    except (ValueError, KeyError) as error:
        raise ChainUnavailable("the node shows a balance that cannot be read") from error


def _trustline(entry: xdr.LedgerEntryData) -> TrustlineView:
    """Read a trustline. Raises: ChainUnavailable: the entry is not a trustline."""
    line = entry.trust_line
    if line is None:
        raise ChainUnavailable("the node shows an entry that is not a trustline")
    # Room for what the account has offered to buy stays free.
    bought = 0 if line.ext.v1 is None else line.ext.v1.liabilities.buying.int64
    authorized = line.flags.uint32 & xdr.TrustLineFlags.AUTHORIZED_FLAG.value
    return TrustlineView(
        is_authorized=bool(authorized), room=line.limit.int64 - line.balance.int64 - bought
    )


def _instance(entry: xdr.LedgerEntryData | None) -> xdr.SCContractInstance | None:
    return (
        None if entry is None or entry.contract_data is None else entry.contract_data.val.instance
    )


def _stored(
    instance: xdr.SCContractInstance, entry: xdr.LedgerEntryData | None
) -> xdr.SCVal | None:
    """Return the escrow's value: a separate entry, or a part of the instance (older builds)."""
    if entry is not None and entry.contract_data is not None:
        return entry.contract_data.val
    name = scval.to_vec([scval.to_symbol("Escrow")])
    items = instance.storage.sc_map if instance.storage is not None else []
    return next((item.val for item in items if item.key == name), None)
