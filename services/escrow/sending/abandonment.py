"""Ends a command that an operator has abandoned, but only if nothing of it has landed.

Envelopes that were signed for the command can no longer land, because their number was used up, and
the chain shows that they had no effect. The order then continues as after a refusal.
"""

from chassis.database import Database
from services.escrow.contracts.contract import Contradiction
from services.escrow.contracts.evidence import EscrowView
from services.escrow.contracts.kinds import MOVING_MONEY
from services.escrow.contracts.steps import Step, StepName, StepState
from services.escrow.ports import Chain
from services.escrow.sending.decide import Decider
from services.escrow.sending.landings import Landings
from services.escrow.sending.recognise import Recogniser
from services.escrow.sending.sender import Sender
from services.escrow.sending.work import Work, present


class Abandoned(Exception):
    """The command ends without its effect. is_frozen: its contract is disputed."""

    def __init__(self, *, is_frozen: bool) -> None:
        super().__init__("abandoned")
        self.is_frozen = is_frozen


class Abandonment:
    """Checks the evidence about an abandoned command; sends nothing."""

    def __init__(
        self,
        *,
        database: Database,
        landings: Landings,
        chain: Chain,
        sender: Sender,
        recogniser: Recogniser,
        decider: Decider,
    ) -> None:
        self._database = database
        self._landings = landings
        self._chain = chain
        self._sender = sender
        self._recogniser = recogniser
        self._decider = decider

    async def check(self, work: Work, step: Step) -> bool:
        """Check that a command may be abandoned; tell whether its contract is disputed.

        Raises: Contradiction: a part of it has happened; ChainUnavailable; NotNow.
        """
        if has_paid(work):
            raise Contradiction("a step of the command has moved money: it cannot be abandoned")
        async with self._database.statement() as connection:
            await self._sender.require_no_hold(connection)
        if work.command.escrow is not None:
            return await self._check_contract(work, step)
        if step.name is StepName.CREATE_ACCOUNT:
            account = await self._chain.account(present(work.target).address)
            if account is not None and account.asset_balance is not None:
                raise Contradiction("the wallet is on chain: requeue the command")
        if step.name is StepName.MERGE_ACCOUNT:
            await self._require_account(present(work.target).address)
        return False

    async def _require_account(self, address: str) -> None:
        if await self._chain.account(address) is None:
            raise Contradiction("the wallet is merged: requeue the command")

    async def _check_contract(self, work: Work, step: Step) -> bool:
        view = await self._chain.read_escrow(work.escrow.contract_id)
        if step.name is StepName.DEPLOY:
            if view is not None:
                raise Contradiction("the contract is on chain: requeue the command")
            return False
        view = self._decider.require_recent(work, view)
        if view.released or view.resolved:
            await self._require_forgotten(work)
            return view.disputed or work.command.was_frozen
        if step.name is StepName.FUND:
            await self._require_unfunded(work, view)
        return view.disputed

    async def _require_forgotten(self, work: Work) -> None:
        """Check that a contract was paid out by a command that the books have forgotten.

        What that command decided has happened. When this command has ended, the same decision can
        be made again, and its new command claims that payout.
        """
        async with self._database.statement() as connection:
            found = await self._landings.unclaimed(connection, with_settled=True)
        contract = work.escrow.contract_id
        payouts = [one for one in found if self._chain.pays_out(one.envelope_xdr, contract)]
        is_its_own = any(
            self._recogniser.is_of(work, step, one.envelope_xdr)
            for one in payouts
            for step in work.steps
        )
        if not payouts or is_its_own:
            raise Contradiction("the contract has paid out: it cannot be abandoned")

    async def _require_unfunded(self, work: Work, view: EscrowView) -> None:
        """Check that the buyer has not paid a contract, whatever strangers have sent it."""
        escrow, parties = work.escrow, present(work.parties)
        if view.balance < escrow.terms.amount:
            return
        async with self._database.transaction() as tx:
            deployed = await self._landings.deployed_at(
                tx, marketplace_id=escrow.marketplace_id, escrow_id=escrow.id
            )
        paid = await self._chain.paid_between(
            parties.buyer, escrow.contract_id, since_ledger=deployed
        )
        if paid != 0:
            raise Contradiction("the contract holds the amount, maybe from the buyer's own wallet")


def has_paid(work: Work) -> bool:
    """Tell whether a step of a command has moved money."""
    return any(
        step.state is StepState.SUCCEEDED and step.name in MOVING_MONEY for step in work.steps
    )
