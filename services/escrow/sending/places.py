"""Where contracts are deployed: each in its stored place, or in the next if that is taken.

Anybody who learns a salt can deploy something else in its place, and anybody can make a factory
useless. Neither moves money, so neither stops an order.
"""

from collections.abc import Sequence
from dataclasses import replace

from chassis.database import Database
from chassis.telemetry import logger
from services.escrow.contracts import contract
from services.escrow.contracts.contract import Contradiction, PlaceTaken
from services.escrow.contracts.evidence import EscrowView
from services.escrow.contracts.intents import DeployEscrow
from services.escrow.ports import Chain
from services.escrow.sending.journal import Journal
from services.escrow.sending.place_store import PlaceStore
from services.escrow.sending.work import NotNow, Work, present
from services.escrow.wallets.keyring import Keyring

# An upper bound: chance alone cannot occupy this many places.
PLACES_MAX = 20
log = logger()


class Places:
    """Finds places for contracts. factories: those of the network, in their order of use."""

    def __init__(
        self,
        *,
        database: Database,
        store: PlaceStore,
        journal: Journal,
        chain: Chain,
        keyring: Keyring,
        factories: Sequence[str],
    ) -> None:
        self._database = database
        self._store = store
        self._journal = journal
        self._chain = chain
        self._keyring = keyring
        self._factories = factories

    def deployments(self, work: Work) -> Sequence[DeployEscrow]:
        """Return the deployment of a command's contract, and those that earlier versions made."""
        return contract.deployments(
            work.escrow, parties=present(work.parties), factory=self._factories[0]
        )

    def is_meant(self, work: Work, view: EscrowView) -> bool:
        """Tell whether everything that a contract stores is as meant."""
        return any(self._chain.is_deployed_as(view, each) for each in self.deployments(work))

    def require_meant(self, work: Work, view: EscrowView) -> None:
        """Check that everything that a contract stores is as meant. Raises: Contradiction."""
        if not self.is_meant(work, view):
            raise Contradiction("the contract on chain is not the one that was meant")

    async def require_free(self, work: Work) -> None:
        """Find out why a deployment is refused. Raises: PlaceTaken; ChainUnavailable."""
        factory = self.deployments(work)[0].factory
        if why := await wrong_with(self._chain, factory):
            raise PlaceTaken(why, is_factory=True)
        if await self._chain.code_of(work.escrow.contract_id) is not None:
            raise PlaceTaken("another contract is in its place")

    async def pass_over(self, work: Work, taken: PlaceTaken) -> None:
        """Give a contract the next place. Nothing of ours can land in the taken place.

        Raises: Contradiction: too many were taken; NotNow: no factory is left; LeaseLost.
        """
        escrow, factory = work.escrow, self.deployments(work)[0].factory
        if escrow.deployment >= PLACES_MAX:
            raise Contradiction(f"{PLACES_MAX} places of the contract were taken")
        if taken.is_factory:
            log.error("escrow.factory_unusable", factory=factory)
            later = self._factories[self._factories.index(factory) + 1 :]
            if not later:
                raise NotNow(str(taken), reason="FACTORY_UNUSABLE")
            factory = later[0]
        moved = contract.placed(
            escrow,
            key=await self._keyring.salt_key(),
            deployment=escrow.deployment + 1,
            factory=factory,
        )
        intent = contract.deployment(moved, parties=present(work.parties), factory=factory)
        address = self._chain.predict_contract_id(intent)
        moved = replace(moved, contract_id=address)
        async with self._database.transaction() as tx:
            await self._journal.fence(tx, work.lease)
            await self._store.move(tx, moved, known=escrow.contract_id)
        log.error("escrow.place_taken", contract=escrow.contract_id, next=address, why=str(taken))


async def wrong_with(chain: Chain, factory: str) -> str:
    """Return why a factory makes no contracts, "" if it makes some. Raises: ChainUnavailable."""
    try:
        is_used = await chain.read_escrow(factory) is not None
    except ValueError:
        is_used = True
    return "the factory holds an escrow itself" if is_used else ""
