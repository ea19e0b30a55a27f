"""The steps of each kind of operation. Every step can be repeated from its start.

The ids of transfers and commands are derived from the order and the operation, so a repeated step
finds its earlier transfers and commands.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence

from chassis.telemetry import logger
from kernel.clock import Clock
from kernel.errors import FailedPrecondition, NotFound
from kernel.ids import derived_id
from services.orders.operations import postings
from services.orders.operations.escrow_commands import (
    ContractFrozen,
    EscrowCommands,
    command_id,
    require_success,
)
from services.orders.operations.saga import NotYet, Run, Stuck
from services.orders.order import domain, endings
from services.orders.order.domain import Decision, Order, Party, State
from services.orders.order.use_cases import Kind
from services.orders.peers.ports import (
    Command,
    DisputesPort,
    EscrowPort,
    LedgerPort,
    Posted,
    ProviderError,
    Transfer,
)

# Escrow's error reason for a command that an operator abandoned. The operation stores it, too.
ABANDONED = "ABANDONED"
log = logger()


class Steps:
    """The steps, which call the peers through their ports."""

    def __init__(
        self, *, ledger: LedgerPort, escrow: EscrowPort, disputes: DisputesPort, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._escrow = escrow
        self._commands = EscrowCommands(escrow)
        self._disputes = disputes
        self._clock = clock

    def table(self) -> Mapping[Kind, Callable[[Run], Awaitable[None]]]:
        """Return the step of each kind of operation."""
        return {
            Kind.RESERVE: self.reserve,
            Kind.CANCEL: self.cancel,
            Kind.CREATE_ESCROW: self.create_escrow,
            Kind.FUND_ESCROW: self.fund_escrow,
            Kind.RELEASE: self.release,
            Kind.REFUND: self.refund,
            Kind.OPEN_DISPUTE: self.open_dispute,
            Kind.RESOLVE_DISPUTE: self.divide,
            Kind.PAY: self.pay,
            Kind.ACCEPT_OFFER: self.divide,
        }

    async def reserve(self, run: Run) -> None:
        """Hold the buyer's money, then save the order."""
        order = await run.order()
        await self._reserve(run, order, last=True)

    async def cancel(self, run: Run) -> None:
        """Void the hold, or leave a tombstone if it was never made; then close the order."""
        order = await run.order()
        fields = run.operation.context
        void = postings.void(order, reason=fields["reason"])
        posted = await self._post_of_buyer(run, order, void)
        if posted.is_refused:
            raise Stuck(f"the ledger refused to void the hold: {posted.reason}")
        party, at = Party(fields["by"]), self._clock.now()
        await run.advance(
            lambda o: endings.canceled(o, by=party, reason=fields["reason"], at=at),
            answers=True,
            ends=True,
        )

    async def create_escrow(self, run: Run) -> None:
        """Deploy the contract. The caller is answered when the contract's address is known."""
        await self._create(run, await run.order(), last=True)

    async def fund_escrow(self, run: Run) -> None:
        """Move the money on chain, then in the ledger, then save the order."""
        await self._fund(run, await run.order())

    async def pay(self, run: Run) -> None:
        """Reserve, create and fund, starting from the order's present state."""
        order = await run.order()
        if order.state is State.ORDER_CREATED:
            reserved = await self._reserve(run, order, last=False)
            if reserved is None:
                return
            order = reserved
        if order.state is State.FUNDS_RESERVED:
            escrow_id, at = derived_id(order.id, "escrow"), self._clock.now()
            order = await run.advance(
                lambda o: domain.escrow_creating(o, escrow_id=escrow_id, at=at)
            )
        if order.state is State.ESCROW_CREATING:
            created = await self._create(run, order, last=False)
            if created is None:
                return
            at = self._clock.now()
            order = await run.advance(lambda o: domain.escrow_funding(o, at=at))
        if order.state is not State.ESCROW_FUNDING:
            raise Stuck(f"the order is {order.state.value}; it cannot be paid")
        await self._fund(run, order)

    async def release(self, run: Run) -> None:
        """Pay the seller on chain, book the payments, and close the order."""
        order = await run.order()
        command = await self._payout(
            run, lambda i: self._escrow.release(command_id=i, order_id=order.id)
        )
        if command is None:
            return
        reason = run.operation.context.get("reason", "")
        await self._post(
            run,
            postings.payout(order, payments=command.payments, is_dispute=False, reason=reason),
        )
        paid = postings.settlement(command.payments, share=order.amount)
        at = self._clock.now()
        await run.advance(
            lambda o: endings.released(o, paid=paid, escrow_status="RELEASED", at=at),
            answers=True,
            ends=True,
        )

    async def refund(self, run: Run) -> None:
        """Pay the buyer back on chain, book the payments, and close the order."""
        order = await run.order()
        command = await self._payout(
            run, lambda i: self._escrow.refund(command_id=i, order_id=order.id)
        )
        if command is None:
            return
        reason = run.operation.context.get("reason", "")
        await self._post(
            run,
            postings.payout(order, payments=command.payments, is_dispute=False, reason=reason),
        )
        paid = postings.settlement(command.payments, share=0)
        at = self._clock.now()
        await run.advance(
            lambda o: endings.refunded(o, paid=paid, escrow_status="REFUNDED", at=at),
            answers=True,
            ends=True,
        )

    async def open_dispute(self, run: Run) -> None:
        """Open the case, answer the caller, then freeze the contract.

        The freeze may fail: resolving a contract that is not frozen freezes it first.
        """
        order = await run.order()
        if order.dispute is None:
            raise Stuck("the order has no dispute")
        rules = await run.rules()
        await run.hold()
        await self._disputes.open(
            request_id=f"op:{run.operation.id}",
            dispute_id=order.dispute.id,
            order=order,
            rules=rules,
            fields=run.operation.context,
        )
        await run.advance(lambda o: (o, ()), answers=True)
        try:
            command = await self._commands.ended(
                run, lambda i: self._escrow.freeze(command_id=i, order_id=order.id)
            )
        except ContractFrozen:
            # An abandoned refund has left the contract frozen.
            command = await self._escrow.existing(order.id)
        if command.state == "QUARANTINED":
            # It is unknown whether the contract is frozen. A decision must wait until it is known.
            require_success(command)
        if command.state != "SUCCEEDED":
            log.error("escrow.freeze_failed", order_id=str(order.id), reason=command.error_reason)
        at = self._clock.now()
        await run.advance(
            lambda o: (
                domain.escrow_known(
                    o,
                    contract_id=o.escrow.contract_id if o.escrow else "",
                    status=command.escrow_status,
                    at=at,
                ),
                (),
            ),
            ends=True,
        )

    async def divide(self, run: Run) -> None:
        """Pay out a decision or an agreement on chain, book the payments, and close the order.

        For a disputed order, the decision is first recorded in the case; the case is closed, too.
        """
        order, operation = await run.order(), run.operation
        dispute, request_id = order.dispute, f"op:{operation.id}"
        if dispute is None and operation.kind is Kind.RESOLVE_DISPUTE:
            raise Stuck("the order has no dispute")
        if dispute is not None:
            await run.hold()
            try:
                await self._disputes.decide(
                    request_id=f"{request_id}:decide",
                    dispute_id=dispute.id,
                    order=order,
                    fields=operation.context,
                )
            except (FailedPrecondition, NotFound) as refusal:
                # The case has another decision. No money moved, and this decision is never paid.
                await run.refuse(refusal)
                return
        to_seller, to_buyer = int(operation.context["release"]), int(operation.context["refund"])
        command = await self._payout(
            run,
            lambda i: self._escrow.resolve(
                command_id=i, order=order, to_seller=to_seller, to_buyer=to_buyer
            ),
        )
        if command is None:
            return
        reason = operation.context.get("reason", "")
        await self._post(
            run,
            postings.payout(
                order, payments=command.payments, is_dispute=dispute is not None, reason=reason
            ),
        )
        if dispute is not None:
            await run.hold()
            await self._disputes.complete(
                request_id=f"{request_id}:complete", dispute_id=dispute.id
            )
        paid = postings.settlement(command.payments, share=to_seller)
        decision, at = Decision(operation.context["decision"]), self._clock.now()

        def decide(order: Order) -> domain.Decided:
            if decision is Decision.SPLIT:
                return endings.split(order, paid=paid, at=at)
            if decision is Decision.FULL_RELEASE:
                return endings.released(order, paid=paid, escrow_status="RESOLVED", at=at)
            return endings.refunded(order, paid=paid, escrow_status="RESOLVED", at=at)

        await run.advance(decide, answers=True, ends=True)

    async def _reserve(self, run: Run, order: Order, *, last: bool) -> Order | None:
        """Hold the money; None: the ledger refused, and the operation has ended."""
        posted = await self._post_of_buyer(run, order, postings.hold(order))
        if posted.is_refused and posted.reason == "INSUFFICIENT_FUNDS":
            await run.refuse(postings.insufficient(order, posted))
            return None
        if posted.is_refused:
            raise Stuck(f"the ledger refused the hold: {posted.reason}")
        balance, at = posted.debited_reserved, self._clock.now()
        return await run.advance(
            lambda o: domain.reserved(o, reserved_balance=balance, at=at),
            answers=last,
            ends=last,
        )

    async def _create(self, run: Run, order: Order, *, last: bool) -> Order | None:
        """Deploy the contract; None: the chain refused, and the operation has ended."""
        command = await self._started_escrow(run, order)
        await run.advance(lambda o: (self._known(o, command, "CREATING"), ()), answers=last)
        if command.state == "RUNNING":
            command = await self._commands.wait(command)
        if command.state == "SUCCEEDED":
            return await run.advance(lambda o: (self._known(o, command, "CREATED"), ()), ends=last)
        await self._give_up(run, command)
        return None

    async def _started_escrow(self, run: Run, order: Order) -> Command:
        await run.hold()
        escrow_id = order.escrow.id if order.escrow else derived_id(order.id, "escrow")
        try:
            return await self._escrow.create(
                command_id=command_id(run.operation), escrow_id=escrow_id, order=order
            )
        except NotFound as refusal:
            if refusal.reason != "WALLET_NOT_FOUND":
                raise
            for user in (order.buyer, order.seller):
                await self._escrow.create_wallet(user=user, wait_seconds=0)
            raise NotYet from None
        except FailedPrecondition as refusal:
            if refusal.reason == "ESCROW_ALREADY_EXISTS":
                # An earlier funding failed; its contract exists and is used again.
                return await self._escrow.existing(order.id)
            raise

    async def _fund(self, run: Run, order: Order) -> None:
        command = await self._commands.ended(
            run,
            lambda i: self._escrow.fund(command_id=i, order_id=order.id),
            purpose="fund",
        )
        if command.state == "FAILED":
            await self._give_up(run, command)
            return
        require_success(command)
        await self._post(run, postings.post(order, payments=command.payments))
        at = self._clock.now()
        await run.advance(lambda o: domain.escrow_funded(o, at=at), answers=True, ends=True)

    async def _give_up(self, run: Run, command: Command) -> None:
        if command.state != "FAILED":
            require_success(command)
        reason = command.error_message or command.error_reason
        at = self._clock.now()
        await run.refuse(
            ProviderError("The chain refused the transaction", details={"reason": reason}),
            decide=lambda o: domain.escrow_failed(o, reason=reason, at=at),
        )

    def _known(self, order: Order, command: Command, status: str) -> Order:
        return domain.escrow_known(
            order, contract_id=command.contract_id, status=status, at=self._clock.now()
        )

    async def _payout(
        self, run: Run, start: Callable[[uuid.UUID], Awaitable[Command]]
    ) -> Command | None:
        """Pay out the contract; None: the payout was abandoned, and the operation has ended.

        Raises: Stuck: the command is quarantined, or failed for another reason.
        """
        try:
            command = await self._commands.ended(run, start)
        except ContractFrozen:
            why = "the contract is frozen: open a dispute, and decide it"
            await self._abandon_payout(run, status="DISPUTED", reason=why)
            return None
        if command.state == "FAILED" and command.error_reason == ABANDONED:
            why = command.error_message
            await self._abandon_payout(run, status=command.escrow_status, reason=why)
            return None
        require_success(command)
        return command

    async def _abandon_payout(self, run: Run, *, status: str, reason: str) -> None:
        """End a payout that can never land. The order returns to its state before the payout."""
        order, at = await run.order(), self._clock.now()
        if order.dispute is not None and order.state is State.DISPUTED:
            await run.hold()
            await self._disputes.withdraw(
                request_id=f"op:{run.operation.id}:withdraw",
                dispute_id=order.dispute.id,
                why=reason,
            )
        await run.refuse(
            ProviderError("The payout was abandoned", details={"reason": reason}),
            decide=lambda o: endings.payout_abandoned(o, status=status, reason=reason, at=at),
            note=ABANDONED,
        )

    async def _post_of_buyer(self, run: Run, order: Order, transfers: Sequence[Transfer]) -> Posted:
        """Post one transfer of the buyer's account; open the account if it does not exist."""
        await run.hold()
        (posted,) = await self._ledger.post(transfers)
        if posted.is_refused and posted.reason == "ACCOUNT_NOT_FOUND":
            await self._ledger.open_account(user=order.buyer, asset=order.asset)
            (posted,) = await self._ledger.post(transfers)
        return posted

    async def _post(self, run: Run, transfers: Sequence[Transfer]) -> None:
        """Post transfers that the ledger must accept. Raises: Stuck: the ledger refused one."""
        await run.hold()
        for transfer, posted in zip(transfers, await self._ledger.post(transfers), strict=True):
            if posted.is_refused:
                raise Stuck(f"the ledger refused {transfer.code} {transfer.id}: {posted.reason}")
