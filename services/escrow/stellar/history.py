"""What the ledgers keep of transactions: landed envelopes, read as evidence."""

import base64
from collections.abc import Mapping
from dataclasses import replace

from stellar_sdk import Address, StrKey, scval, xdr
from stellar_sdk.soroban_rpc import GetTransactionStatus

from services.escrow.contracts.evidence import Finding, FindingsPage
from services.escrow.contracts.intents import FundEscrow, Intent, ReleaseFunds, ResolveDispute
from services.escrow.ports import EnvelopeRefused
from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.envelope import bump_hash, hash_of, landed
from services.escrow.stellar.rpc import Rpc

PAGE_SIZE = 200
# The arguments of a funding: the wallet, the contract's value as it was read, the amount.
FUND_ARGUMENTS = 3
PAYING_OUT = frozenset({ReleaseFunds.name, ResolveDispute.name})


class History:
    """Reads landed transactions, and tells what they were for."""

    def __init__(self, *, rpc: Rpc, blueprints: Blueprints, passphrase: str) -> None:
        self._rpc = rpc
        self._passphrase = passphrase
        self._blueprints = blueprints

    async def find(self, transaction_hash: str) -> Finding | None:
        """Return a transaction by its hash, or None if the node does not find it.

        Raises: ChainUnavailable; EnvelopeRefused: it is of a kind that we never send.
        """
        answer = await self._rpc.transaction(transaction_hash)
        if answer.status is GetTransactionStatus.NOT_FOUND or not answer.envelope_xdr:
            return None
        return self._found(
            answer.envelope_xdr,
            transaction_hash=transaction_hash,
            ledger=answer.ledger or 0,
            has_succeeded=answer.status is GetTransactionStatus.SUCCESS,
        )

    async def page(self, *, start_ledger: int | None, cursor: str | None) -> FindingsPage:
        """Return transactions from a ledger on, or after a cursor; other kinds are left out.

        If the node no longer keeps start_ledger, the answer begins with the oldest ledger that it
        keeps.
        Raises: ChainUnavailable.
        """
        if start_ledger is not None:
            start_ledger = max(start_ledger, await self._rpc.oldest_ledger())
        answer = await self._rpc.transactions(
            start_ledger=start_ledger, cursor=cursor, limit=PAGE_SIZE
        )
        found = []
        for one in answer.landed:
            try:
                found.append(
                    self._found(
                        one.envelope_xdr,
                        transaction_hash=one.hash,
                        ledger=one.ledger,
                        has_succeeded=one.status == "SUCCESS",
                    )
                )
            except EnvelopeRefused:
                continue
        return FindingsPage(
            found=tuple(found),
            next_cursor=answer.cursor,
            is_last=answer.count < PAGE_SIZE,
            latest_ledger=answer.latest_ledger,
        )

    def is_of(self, envelope_xdr: str, intent: Intent) -> bool:
        """Tell whether an envelope does what an intent means, whichever account paid its fee."""
        given = landed(envelope_xdr).tx
        as_then = _as_it_was_then(_call_of(given), intent)
        if as_then is None:
            return False
        blueprint = self._blueprints.of(as_then)
        if given.memo.to_xdr_bytes() != blueprint.memo:
            return False
        meant, theirs = blueprint.operations, given.operations
        return len(meant) == len(theirs) and all(
            mine.to_xdr_bytes() == other.to_xdr_bytes()
            for mine, other in zip(meant, theirs, strict=True)
        )

    def created(self, envelope_xdr: str) -> frozenset[str]:
        """Return the accounts that an envelope creates."""
        made = [op.body.create_account_op for op in landed(envelope_xdr).tx.operations]
        keys = [op.destination.account_id.ed25519 for op in made if op is not None]
        return frozenset(StrKey.encode_ed25519_public_key(k.uint256) for k in keys if k is not None)

    def names(self, envelope_xdr: str, address: str) -> bool:
        """Tell whether the address of an account or contract appears anywhere in an envelope."""
        return _raw(address) in base64.b64decode(envelope_xdr)

    def pays_out(self, envelope_xdr: str, contract_id: str) -> bool:
        """Tell whether an envelope makes a contract pay out its money.

        Raises: EnvelopeRefused: it is of a kind that we never send.
        """
        call = _call_of(landed(envelope_xdr).tx)
        if call is None or call.function_name.sc_symbol.decode() not in PAYING_OUT:
            return False
        return Address.from_xdr_sc_address(call.contract_address).address == contract_id

    def divided(self, envelope_xdr: str) -> int:
        """Return the sum that an envelope divides among addresses; 0: it divides nothing."""
        return sum(_distributions(_call_of(landed(envelope_xdr).tx)).values())

    def _found(
        self, envelope_xdr: str, *, transaction_hash: str, ledger: int, has_succeeded: bool
    ) -> Finding:
        """Read a landed transaction.

        The books know a fee bump by the hash of the transaction inside.
        """
        transaction = landed(envelope_xdr).tx
        outer = bump_hash(envelope_xdr, passphrase=self._passphrase)
        if outer:
            transaction_hash = hash_of(transaction, passphrase=self._passphrase).hex()
        key = transaction.source_account
        raw = key.med25519.ed25519 if key.med25519 is not None else key.ed25519
        if raw is None:
            raise EnvelopeRefused("its source is not an account")
        return Finding(
            hash=transaction_hash,
            source=StrKey.encode_ed25519_public_key(raw.uint256),
            sequence=transaction.seq_num.sequence_number.int64,
            envelope_xdr=envelope_xdr,
            ledger=ledger,
            has_succeeded=has_succeeded,
            bump_hash=outer,
        )


def _raw(address: str) -> bytes:
    if address.startswith("C"):
        return StrKey.decode_contract(address)
    return StrKey.decode_ed25519_public_key(address)


def _call_of(transaction: xdr.Transaction) -> xdr.InvokeContractArgs | None:
    if len(transaction.operations) != 1:
        return None
    call = transaction.operations[0].body.invoke_host_function_op
    return None if call is None else call.host_function.invoke_contract


def _as_it_was_then(call: xdr.InvokeContractArgs | None, intent: Intent) -> Intent | None:
    """Give a funding the contract's value of when it was built; None: it is another call."""
    if not isinstance(intent, FundEscrow):
        return intent
    if call is None or len(call.args) != FUND_ARGUMENTS:
        return None
    return replace(intent, expected_escrow=call.args[1].to_xdr_bytes())


def _distributions(call: xdr.InvokeContractArgs | None) -> Mapping[str, int]:
    if (
        call is None
        or call.function_name.sc_symbol != ResolveDispute.name.encode()
        or not call.args
    ):
        return {}
    shares = call.args[-1].map
    if shares is None:
        return {}
    return {
        Address.from_xdr_sc_address(item.key.address).address: scval.from_int128(item.val)
        for item in shares.sc_map
        if item.key.address is not None
    }
