"""Where a user's money may be paid: the books know our addresses, the network who can receive."""

from dataclasses import dataclass

from chassis.database import Database
from services.escrow.contracts.destinations import Flaw, Ours, flaw_of_account, flaw_of_address
from services.escrow.contracts.intents import Memo
from services.escrow.ports import Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Checks addresses outside. issuer: of the asset."""

    database: Database
    chain: Chain
    issuer: str

    async def flaw(
        self, address: str, *, payer: str, memo: Memo | None, amount: int
    ) -> tuple[Flaw | None, int | None]:
        """Return why a payer may not pay an amount to an address, and the ledger that shows it.

        payer: the address of the wallet that pays. Flaw None: the payment is allowed. Ledger None:
        the address itself has the flaw, and no ledger will change that.
        Raises: ChainUnavailable.
        """
        recipient = self.chain.recipient(address)
        async with self.database.statement() as connection:
            known = await connection.fetchrow(_OURS, {"account": recipient.account})
        ours = Ours(
            wallet=payer,
            issuer=self.issuer,
            is_wallet=known.is_wallet,
            is_platform=known.is_platform,
        )
        if (flaw := flaw_of_address(recipient, memo=memo, ours=ours)) is not None:
            return flaw, None
        view, ledger = await self.chain.recipient_view(recipient.account)
        return flaw_of_account(recipient, view, memo=memo, amount=amount), ledger


# Wallets of every marketplace count as ours.
_OURS = """
select exists (select from wallets where address = %(account)s) as is_wallet,
       exists (select from channels where address = %(account)s)
       or exists (select from platform where address = %(account)s)
       or exists (select from resolver where address = %(account)s) as is_platform
"""
