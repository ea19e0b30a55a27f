"""Sends the transactions of the platform's own account, one after the other.

None of them moves a user's money, so they are not stored: they are sent again until the chain shows
their effect. One replica sends at a time, under the lock of its caller.
"""

import asyncio
from collections.abc import Mapping

from chassis.database import Database
from kernel.errors import Unavailable
from kernel.money import UNIT
from services.escrow.contracts.evidence import AccountView, OutcomeStatus, SubmitStatus
from services.escrow.contracts.intents import Intent
from services.escrow.measures import FEES
from services.escrow.ports import Chain, ChainUnavailable, EscrowBuilder, Signer
from services.escrow.wallets.accounts import Accounts
from services.escrow.wallets.keyring import Keyring


class PlatformNotFunded(Unavailable):
    """The platform wallet has no XLM. An operator must send some."""

    reason = "PLATFORM_NOT_FUNDED"


class PlatformSender:
    """Sends transactions of the platform's account."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        keyring: Keyring,
        chain: Chain,
        builder: EscrowBuilder,
        poll_seconds: float,
        transaction_seconds: int,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._keyring = keyring
        self._chain = chain
        self._builder = builder
        self._poll_seconds = poll_seconds
        self._transaction_seconds = transaction_seconds

    async def funded(self, platform: Signer) -> AccountView:
        """Return the platform's account; a friendbot, if there is one, funds a missing account.

        Raises: ChainUnavailable; PlatformNotFunded.
        """
        found = await self._chain.account(platform.address)
        if found is None:
            await self._chain.fund_with_friendbot(platform.address)
            found = await self._chain.account(platform.address)
        if found is None:
            raise PlatformNotFunded(f"the platform wallet {platform.address} has no account yet")
        return found

    async def until_landed(
        self, intent: Intent, signers: Mapping[str, Signer] | None = None
    ) -> None:
        """Send one transaction of the platform and wait until it has landed, or can never land.

        Raises: ChainUnavailable: it has not landed; a later check shows whether it is still needed.
        """
        platform = await self._keyring.platform()
        account = await self.funded(platform)
        ledger = await self._chain.latest_ledger()
        sequence, max_time = (
            account.sequence + 1,
            ledger.close_time + self._transaction_seconds,
        )
        unsigned = await self._builder.build(
            intent, source=platform.address, sequence=sequence, max_time=max_time
        )
        prepared = await self._chain.verify_and_sign(
            unsigned,
            intent,
            source=platform.address,
            sequence=sequence,
            max_time=max_time,
            signers={**(signers or {}), platform.address: platform},
        )
        # A node delays it while the account pays for a transaction in the network's other lane.
        is_busy = True
        while True:
            if is_busy:
                submission = await self._chain.submit(prepared.envelope_xdr)
                is_busy = submission.status is SubmitStatus.TRY_AGAIN_LATER
            outcome = await self._chain.outcome(prepared.hash)
            if outcome.status is not OutcomeStatus.NOT_FOUND:
                FEES.labels(intent.name).inc(outcome.fee / UNIT)
                async with self._database.transaction() as tx:
                    await self._accounts.platform_landed(
                        tx, sequence=sequence, ledger=outcome.ledger
                    )
            if outcome.status is OutcomeStatus.SUCCEEDED:
                return
            # If the node keeps no history, only the next look at the chain tells whether it landed.
            is_over = outcome.latest_close_time > prepared.max_time
            if outcome.status is OutcomeStatus.FAILED or is_over:
                raise ChainUnavailable(f"{intent.name} has not landed: {outcome.code}")
            await asyncio.sleep(self._poll_seconds)
