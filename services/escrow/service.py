"""Use cases of escrows: each accepts a command in one transaction; the worker carries it out.

A call answers with the command as it was when it was accepted. GetCommand returns its progress.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chassis import identity
from chassis.database import Transaction
from chassis.idempotency import Answer
from kernel.clock import Clock
from kernel.errors import InvalidArgument, NotFound
from kernel.money import CENT, USDC, Money
from services.escrow import domain
from services.escrow.commands.acceptance import Acceptance, Request
from services.escrow.commands.store import CommandStore, EscrowChange
from services.escrow.contracts import contract
from services.escrow.contracts.contract import Parties
from services.escrow.contracts.fees import FeePolicy
from services.escrow.contracts.plan import (
    PlannedStep,
    plan_create,
    plan_freeze,
    plan_fund,
    plan_milestone,
    plan_release,
    plan_resolve,
)
from services.escrow.domain import Escrow, EscrowAlreadyExists, EscrowState, Terms
from services.escrow.ports import Chain
from services.escrow.wallets.keyring import Keyring
from services.escrow.wallets.store import WalletStore

Planner = Callable[[Escrow], Sequence[PlannedStep]]


class InvalidEscrow(InvalidArgument):
    """The escrow cannot be made: both sides are one user, or the asset is not the network's."""


class MilestoneNotFound(NotFound):
    """The order has no such milestone."""

    reason = "MILESTONE_NOT_FOUND"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEscrow:
    """The escrow that a caller requests. milestones: if empty, there is one, named by the title."""

    id: uuid.UUID
    order_id: uuid.UUID
    buyer_user_id: uuid.UUID
    seller_user_id: uuid.UUID
    amount: Money
    title: str
    description: str
    milestones: tuple[str, ...]
    platform_fee_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """Which contract is deployed, and who bears the provider's fee."""

    factory: str
    wasm_hash: str
    provider_fee_address: str
    are_fees_absorbed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowService:
    """Accepts commands on escrows."""

    acceptance: Acceptance
    store: CommandStore
    wallets: WalletStore
    keyring: Keyring
    chain: Chain
    clock: Clock
    contracts: Contracts

    async def create(self, request: Request, new: NewEscrow) -> Answer:
        """Start the deployment of an order's contract; its address is in the answer.

        A failed escrow may be asked for again, on the same terms.
        Raises: WalletNotFound; EscrowAlreadyExists; InvalidEscrow; IdempotencyKeyReused.
        """
        if new.buyer_user_id == new.seller_user_id:
            raise InvalidEscrow(
                "Buyer and seller are the same user",
                fields=[("seller_user_id", "must differ from buyer_user_id")],
            )
        if new.amount.asset != USDC:
            raise InvalidEscrow(
                f"Escrows are in {USDC}", fields=[("amount.asset", f"must be {USDC}")]
            )
        platform = (await self.keyring.platform()).address
        resolver = (await self.keyring.resolver()).address
        key = await self.keyring.salt_key()

        async def work(tx: Transaction) -> Answer:
            meant = await self._meant(
                tx, request.marketplace_id, new, platform=platform, resolver=resolver, key=key
            )
            try:
                await self.store.add_escrow(tx, meant)
                escrow = meant
            except EscrowAlreadyExists:
                escrow = await self._again(tx, request, meant)
            return await self.acceptance.add(
                tx, request, planned=plan_create(), escrow=escrow, begins_here=True
            )

        return await self.acceptance.accept(request, work)

    async def fund(self, request: Request, *, order_id: uuid.UUID) -> Answer:
        """Start moving the buyer's money into the contract.

        Raises: EscrowNotFound; EscrowStillCreating; EscrowNotReady; CommandInMotion;
            IdempotencyKeyReused.
        """

        def plan(escrow: Escrow) -> Sequence[PlannedStep]:
            return plan_fund(minor_units=escrow.terms.amount)

        return await self._command(request, order_id, plan)

    async def complete_milestone(
        self, request: Request, *, order_id: uuid.UUID, index: int
    ) -> Answer:
        """Start marking a milestone on behalf of both sides.

        index: the milestone's position in the order, from 0. Raises: MilestoneNotFound; as `fund`.
        """

        def plan(escrow: Escrow) -> Sequence[PlannedStep]:
            if index >= len(escrow.terms.milestones):
                raise MilestoneNotFound("The order has no such milestone")
            return plan_milestone(index=index)

        return await self._command(request, order_id, plan)

    async def release(self, request: Request, *, order_id: uuid.UUID) -> Answer:
        """Start completing, approving and releasing. Raises: as `fund`.

        A contract can release only to the seller's wallet. If the seller is paid at another
        address, the contract's money is divided instead, with all of it for the seller.
        """

        def plan(escrow: Escrow) -> Sequence[PlannedStep]:
            terms = escrow.terms
            if escrow.seller_payout:
                return self._divide(escrow, seller=terms.amount, buyer=0)
            return plan_release(
                milestones=len(terms.milestones), amount=terms.amount, fees=self._fees(escrow)
            )

        return await self._command(request, order_id, plan)

    async def refund(self, request: Request, *, order_id: uuid.UUID) -> Answer:
        """Start refunding the whole amount to the buyer. Raises: as `fund`."""

        def plan(escrow: Escrow) -> Sequence[PlannedStep]:
            return self._divide(escrow, seller=0, buyer=escrow.terms.amount)

        return await self._command(request, order_id, plan)

    async def freeze(self, request: Request, *, order_id: uuid.UUID) -> Answer:
        """Start disputing the contract. Raises: as `fund`."""

        def plan(_escrow: Escrow) -> Sequence[PlannedStep]:
            return plan_freeze()

        return await self._command(request, order_id, plan)

    async def resolve(
        self, request: Request, *, order_id: uuid.UUID, seller: Money, buyer: Money
    ) -> Answer:
        """Start dividing the contract's money between both sides.

        Raises: SharesMismatch; as `fund`.
        """

        def plan(escrow: Escrow) -> Sequence[PlannedStep]:
            domain.check_shares(escrow, seller=seller, buyer=buyer, cent=CENT)
            return self._divide(escrow, seller=seller.minor_units, buyer=buyer.minor_units)

        return await self._command(request, order_id, plan)

    async def _command(self, request: Request, order_id: uuid.UUID, plan: Planner) -> Answer:
        async def work(tx: Transaction) -> Answer:
            before = await self.store.lock_escrow(
                tx, marketplace_id=request.marketplace_id, order_id=order_id
            )
            planned = plan(before)
            escrow = await self._begin(tx, request, before)
            return await self.acceptance.add(
                tx,
                request,
                planned=planned,
                escrow=escrow,
                was_frozen=before.state is EscrowState.DISPUTED,
                begins_here=True,
            )

        return await self.acceptance.accept(request, work)

    async def _meant(
        self,
        tx: Transaction,
        marketplace_id: uuid.UUID,
        new: NewEscrow,
        *,
        platform: str,
        resolver: str,
        key: bytes,
    ) -> Escrow:
        """Return the requested escrow, with the address that its contract will have."""
        buyer, seller = await self.wallets.wallets_of_users(
            tx, marketplace_id=marketplace_id, user_ids=[new.buyer_user_id, new.seller_user_id]
        )
        escrow = Escrow(
            id=new.id,
            marketplace_id=marketplace_id,
            order_id=new.order_id,
            contract_id="",
            wasm_hash=self.contracts.wasm_hash,
            buyer_wallet_id=buyer.id,
            seller_wallet_id=seller.id,
            terms=Terms(
                amount=new.amount.minor_units,
                title=new.title,
                description=new.description,
                milestones=new.milestones or (new.title,),
                platform_fee_bps=new.platform_fee_bps,
            ),
            resolver=resolver,
            state=EscrowState.CREATING,
            created_at=self.clock.now(),
        )
        factory = self.contracts.factory
        escrow = contract.placed(escrow, key=key, deployment=1, factory=factory)
        parties = Parties(
            buyer=buyer.address,
            seller=seller.address,
            platform=platform,
            resolver=resolver,
            provider=self.contracts.provider_fee_address,
        )
        deployment = contract.deployment(escrow, parties=parties, factory=factory)
        contract.require_fit(deployment)
        return replace(escrow, contract_id=self.chain.predict_contract_id(deployment))

    async def _again(self, tx: Transaction, request: Request, meant: Escrow) -> Escrow:
        """Retry a failed escrow on the same terms. Raises: EscrowAlreadyExists."""
        names = {"marketplace_id": meant.marketplace_id, "order_id": meant.order_id}
        known = await self.store.find_escrow(tx, **names)
        if known is None or known.id != meant.id:
            raise EscrowAlreadyExists("The order has an escrow already")
        known = await self.store.lock_escrow(tx, **names)
        # The escrow keeps its place on chain, which may differ from the first place.
        same = (known.wasm_hash, known.terms, known.buyer_wallet_id, known.seller_wallet_id)
        wanted = (meant.wasm_hash, meant.terms, meant.buyer_wallet_id, meant.seller_wallet_id)
        if known.state is not EscrowState.FAILED or same != wanted:
            raise EscrowAlreadyExists("The order has an escrow already")
        return await self._begin(tx, request, known)

    async def _begin(self, tx: Transaction, request: Request, before: Escrow) -> Escrow:
        """Record that a command on an escrow begins; return the escrow in its new state."""
        change = EscrowChange.of(
            before,
            domain.accept(before, kind=request.kind),
            at=self.clock.now(),
            correlation_id=identity.current_request_id(),
            causation_id=str(request.command_id),
        )
        await self.store.save_escrow(tx, change)
        return change.escrow

    def _divide(self, escrow: Escrow, *, seller: int, buyer: int) -> Sequence[PlannedStep]:
        return plan_resolve(
            is_frozen=escrow.state is EscrowState.DISPUTED,
            seller=seller,
            buyer=buyer,
            fees=self._fees(escrow),
        )

    def _fees(self, escrow: Escrow) -> FeePolicy:
        return FeePolicy(
            is_absorbed=self.contracts.are_fees_absorbed,
            platform_fee_bps=escrow.terms.platform_fee_bps,
        )
