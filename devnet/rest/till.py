"""The network's own payments: operations of friendbot and distributor, sent as transactions.

Every payment uses the sequence number of a separate till account, so one ledger can include as many
payments as there are tills.
"""

import asyncio
from collections.abc import Sequence

from stellar_sdk import (
    Account,
    InvokeHostFunction,
    Keypair,
    Memo,
    Operation,
    TransactionBuilder,
    TransactionEnvelope,
)

from devnet.chain.addresses import present
from devnet.chain.entries import read_account
from devnet.chain.envelope import Envelope, parse
from devnet.network import genesis
from devnet.network.identity import Identity
from devnet.network.ledger import Ledger
from devnet.network.records import TransactionRecord
from devnet.network.simulate import simulate

VALID_SECONDS = 60


class PaymentDroppedError(Exception):
    """No ledger took the payment; nothing was paid."""


class Tills:
    """The pool of till accounts."""

    def __init__(self, *, ledger: Ledger, identity: Identity) -> None:
        self._ledger = ledger
        self._passphrase = identity.passphrase
        self._free: asyncio.Queue[Keypair] = asyncio.Queue()
        for number in range(genesis.TILL_COUNT):
            self._free.put_nowait(identity.keypair(genesis.till(number)))

    async def send(
        self, operations: Sequence[Operation], *, payer: Keypair, memo: Memo | None = None
    ) -> TransactionRecord:
        """Send one transaction of `payer`'s operations and wait until a ledger includes it.

        Raises: PaymentDroppedError.
        """
        till = await self._free.get()
        try:
            envelope = self._build(operations, till, payer, memo)
            submission = self._ledger.submit(envelope)
            if submission.status != "PENDING":
                raise PaymentDroppedError(submission.status)
            record = await present(submission.queued).included
        finally:
            self._free.put_nowait(till)
        if record is None:
            raise PaymentDroppedError(envelope.hash.hex())
        return record

    def _build(
        self, operations: Sequence[Operation], till: Keypair, payer: Keypair, memo: Memo | None
    ) -> Envelope:
        account = present(read_account(self._ledger.entries, till.public_key))
        builder = TransactionBuilder(
            Account(till.public_key, account.sequence), self._passphrase, base_fee=100
        )
        for operation in operations:
            builder.append_operation(operation)
        if memo is not None:
            builder.add_memo(memo)
        envelope = builder.set_timeout(VALID_SECONDS).build()
        if any(isinstance(operation, InvokeHostFunction) for operation in operations):
            self._prepare(envelope)
        envelope.sign(till)
        envelope.sign(payer)
        return parse(envelope.to_xdr(), network_id=self._ledger.environment.network_id)

    def _prepare(self, envelope: TransactionEnvelope) -> None:
        """Put the result of a simulation into a contract call. Raises: PaymentDroppedError."""
        ledger, network_id = self._ledger, self._ledger.environment.network_id
        done = simulate(
            parse(envelope.to_xdr(), network_id=network_id),
            ledger=ledger.entries,
            sequence=ledger.newest.sequence + 1,
            environment=ledger.environment,
            auth_mode=None,
        )
        if done.error is not None:
            raise PaymentDroppedError(str(done.failure))
        call = envelope.transaction.operations[0]
        assert isinstance(call, InvokeHostFunction)
        call.auth = list(done.auth)
        envelope.transaction.soroban_data = present(done.data)
        envelope.transaction.fee += done.resource_fee
