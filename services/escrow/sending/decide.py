"""Decides what a step has to do now, from the books and from the chain's present state."""

from services.escrow import domain
from services.escrow.contracts import contract, kinds
from services.escrow.contracts.contract import Contradiction, PlaceTaken
from services.escrow.contracts.evidence import EscrowView
from services.escrow.contracts.fees import BUYER, largest_make_good, missing
from services.escrow.contracts.intents import (
    CreateWallet,
    Intent,
    MergeWallet,
    PayAsset,
    PayOut,
    SponsorTrust,
)
from services.escrow.contracts.kinds import WITHOUT_CONTRACT
from services.escrow.contracts.steps import Step, StepName
from services.escrow.domain import PayeeRole, Wallet, WalletState
from services.escrow.ports import Chain, ChainRefused, ChainUnavailable
from services.escrow.sending.places import Places
from services.escrow.sending.sender import Refused
from services.escrow.sending.work import NotNow, Work, present
from services.escrow.wallets.destinations import Destinations
from services.escrow.wallets.waking import Waking

# How long a deployment rests while the parties' wallets are not on chain yet.
WALLET_SECONDS = 1


class Decider:
    """Reads the chain; sends nothing."""

    def __init__(
        self,
        *,
        chain: Chain,
        destinations: Destinations,
        places: Places,
        waking: Waking,
    ) -> None:
        self._chain = chain
        self.places = places
        self._destinations = destinations
        self._waking = waking

    async def look(self, work: Work, step: Step, *, source: str = "") -> EscrowView | None:
        """Read the contract that a step needs, and the channel account that the step will use.

        The view that was read back after the command's last step is used again. Raises:
        ChainUnavailable; PlaceTaken.
        """
        if step.name in WITHOUT_CONTRACT:
            return None
        if work.view is not None:
            return work.view
        try:
            return await self._chain.read_escrow(work.escrow.contract_id, account=source)
        except ValueError as error:
            if step.name is not StepName.DEPLOY:
                raise
            raise PlaceTaken("the contract in its place is no escrow") from error

    async def intent(self, work: Work, step: Step, view: EscrowView | None = None) -> Intent | None:
        """Return what a step has to do now; None: the chain shows that it is done.

        view: as `look` has read it. Raises: Contradiction; PlaceTaken; ChainUnavailable.
        """
        if step.name is StepName.CREATE_ACCOUNT:
            return await self._account(work, present(work.target).address)
        if step.name is StepName.MERGE_ACCOUNT:
            return await self._merge(work, present(work.target))
        if step.name is StepName.PAY:
            await self._require_wallets(work)
            return self._payment(work, present(work.target).address, step.number("minor_units"))
        if step.name is StepName.WITHDRAW:
            return await self._withdrawal(work.payer, step)
        if step.name is StepName.MAKE_GOOD:
            return self._payment(
                work, kinds.payee(step, parties=present(work.parties)), self.missing(work, step)
            )
        return await self._contract_call(work, step, view)

    async def _account(self, work: Work, address: str) -> Intent | None:
        account = await self._chain.account(address)
        if account is None:
            return CreateWallet(account=address, sponsor=work.platform)
        if account.asset_balance is not None:
            return None
        # Somebody else has created the account. Its trustline is sponsored all the same.
        return SponsorTrust(account=address, sponsor=work.platform)

    async def _merge(self, work: Work, wallet: Wallet) -> Intent | None:
        """Return how to merge a wallet's account; None: it is gone.

        Raises: Refused: the wallet is needed again, or is not empty.
        """
        if wallet.state is not WalletState.MERGING:
            raise Refused("WALLET_WANTED", "the wallet is wanted again")
        account = await self._chain.account(wallet.address)
        if account is None:
            return None
        if account.asset_balance != 0 or account.lumens:
            # A payment arrived meanwhile, or somebody else has changed the account.
            raise Refused("WALLET_NOT_EMPTY", "the wallet holds money")
        return MergeWallet(account=wallet.address, sponsor=work.platform)

    async def _contract_call(
        self, work: Work, step: Step, view: EscrowView | None
    ) -> Intent | None:
        escrow, parties = work.escrow, present(work.parties)
        if step.name is StepName.DEPLOY:
            if view is None:
                await self._require_wallets(work)
                return self.places.deployments(work)[0]
            if not self.places.is_meant(work, view):
                raise PlaceTaken("another escrow is in its place")
            return None
        shown = self.require_recent(work, view)
        if step.name is StepName.FUND:
            # The holder of a role's key may have changed the contract since its deployment. Money
            # moves only in the contract that was meant.
            self.places.require_meant(work, shown)
        if kinds.may_be_skipped(step, view=shown, was_frozen_by_us=work.was_frozen_by_us):
            return None
        return kinds.call(step, escrow=escrow, parties=parties, view=shown)

    def require_recent(self, work: Work, view: EscrowView | None) -> EscrowView:
        """Return a view if it shows everything of ours that has landed on the contract.

        Raises: ChainUnavailable: the node lags, and an older balance would lack money that came
            since.
        """
        if view is None:
            raise ChainUnavailable("the node does not show the contract")
        if view.read_at_ledger < work.newest_ledger:
            raise ChainUnavailable("the node lags behind what has landed on the contract")
        return view

    async def _withdrawal(self, payer: str, step: Step) -> PayOut:
        """Check the destination again, because it may have changed since the request.

        Raises: Refused: the address may not be paid; ChainRefused: the address may not be paid as
            of a ledger, which may be a lagging node's; ChainUnavailable.
        """
        payout = kinds.withdrawal(step, wallet=payer)
        flaw, ledger = await self._destinations.flaw(
            payout.to_address, payer=payer, memo=payout.memo, amount=payout.amount
        )
        if flaw is not None and ledger is not None:
            raise ChainRefused(flaw.message, reason=flaw.value, at_ledger=ledger)
        if flaw is not None:
            raise Refused(flaw.value, flaw.message)
        return payout

    async def _require_wallets(self, work: Work) -> None:
        """Check that all parties can be paid.

        Raises: Refused; NotNow: a wallet is being created.
        """
        states = {(await self._waking.wake(wallet)).state for wallet in work.wallets}
        if WalletState.FAILED in states:
            raise Refused("WALLET_FAILED", "a party's wallet could not be made")
        if states - {WalletState.ACTIVE}:
            raise NotNow(
                "a party's wallet is not on chain yet",
                reason="WALLET_CREATING",
                seconds=WALLET_SECONDS,
            )

    def _payment(self, work: Work, address: str, minor_units: int) -> PayAsset:
        return PayAsset(from_address=work.platform, to_address=address, amount=minor_units)

    def missing(self, work: Work, step: Step) -> int:
        """Return what the platform has to reimburse.

        Raises: Contradiction: it is more than fees.
        """
        role = PayeeRole.BUYER if step.terms["payee"] == BUYER else PayeeRole.SELLER
        due = step.number("due")
        result = missing(due=due, paid=[domain.paid_to(work.command.payments, role)])
        most = largest_make_good(
            due=due,
            share=_share(work, step),
            amount=work.escrow.terms.amount,
            fee_bps=contract.fee_bps(work.escrow),
        )
        if result > most:
            raise Contradiction(f"{result} minor units are missing, more than fees can be")
        return result


def _share(work: Work, step: Step) -> int:
    """Return a payee's share of the order's amount; all of it if the money was not divided."""
    for planned in work.steps:
        if planned.name is StepName.RESOLVE_DISPUTE:
            return planned.number(f"{step.terms['payee']}_share")
    return work.escrow.terms.amount
