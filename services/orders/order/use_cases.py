"""The use cases of an order: preconditions, decision, and the work that follows. Pure.

Each function takes the current order and returns the result of a command. operations/commands.py
saves the result in one transaction, and the saga does the work that follows. user_id: the person
who asks; None: a marketplace, which acts for both sides.
"""

import datetime as dt
import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernel.ids import derived_id
from kernel.money import fee_half_up
from services.orders.order import domain, endings, milestones, parties
from services.orders.order.domain import (
    Decided,
    Decision,
    DisputeReason,
    Fact,
    Order,
    Party,
    State,
    Trigger,
    UserName,
)
from services.orders.order.intake import NewOrder, require_parties


class Kind(enum.Enum):
    """The kind of an operation, which carries out a command."""

    RESERVE = "RESERVE"
    CREATE_ESCROW = "CREATE_ESCROW"
    FUND_ESCROW = "FUND_ESCROW"
    COMPLETE_MILESTONE = "COMPLETE_MILESTONE"
    RELEASE = "RELEASE"
    CANCEL = "CANCEL"
    REFUND = "REFUND"
    OPEN_DISPUTE = "OPEN_DISPUTE"
    RESOLVE_DISPUTE = "RESOLVE_DISPUTE"
    PAY = "PAY"
    ACCEPT_OFFER = "ACCEPT_OFFER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The operation that carries out a command. context: the input of its steps, JSON values."""

    kind: Kind
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An accepted command: the order to save, its events, and the operation that follows.

    work: None if the command is complete once the order is saved.
    """

    order: Order
    facts: tuple[Fact, ...] = ()
    work: Work | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtOnce:
    """A command that only the table of transitions decides and that leaves the order unchanged.

    One SQL statement records the command if the order is in one of `states`.
    """

    trigger: Trigger
    work: Work

    @property
    def states(self) -> list[str]:
        """Name the states in which the table allows the command."""
        return domain.allowed_states(self.trigger)

    def accept(self, order: Order) -> Accepted:
        """Accept the command. Raises: OrderInWrongState."""
        domain.require(order, self.trigger)
        return Accepted(order=order, work=self.work)


# Hold the buyer's money.
RESERVE = AtOnce(trigger=Trigger.RESERVE, work=Work(kind=Kind.RESERVE))


def create(
    new: NewOrder,
    *,
    order_id: uuid.UUID,
    marketplace_id: uuid.UUID,
    buyer: UserName,
    seller: UserName,
    asset: str,
    rate: int,
    at: dt.datetime,
) -> Decided:
    """Make an order; no money moves. rate: the platform fee in basis points.

    Raises: BuyerIsSeller.
    """
    require_parties(buyer, seller)
    return domain.created(
        Order(
            id=order_id,
            marketplace_id=marketplace_id,
            buyer=buyer,
            seller=seller,
            asset=asset,
            currency=new.currency or asset,
            amount=new.amount,
            title=new.title,
            description=new.description,
            state=State.ORDER_CREATED,
            origin=new.origin,
            created_at=at,
            updated_at=at,
            client_order_ref=new.client_order_ref,
            milestones=new.milestones,
            metadata_json=new.metadata_json,
            platform_fee_bps=rate,
            platform_fee=fee_half_up(new.amount, basis_points=rate),
            intention_id=new.intention_id,
            contract_template_id=new.contract_template_id,
            contract_id=new.contract_id,
            contract_terms_json=new.contract_terms_json,
        )
    )


def pay(order: Order, *, user_id: uuid.UUID | None) -> Accepted:
    """Reserve the money, create the escrow and fund it; steps already done are not repeated.

    Raises: NotPersonal; OrderInWrongState.
    """
    parties.require_buyer(order, user_id)
    if order.state is not State.FUNDS_RESERVED:
        domain.require(order, Trigger.RESERVE)
    return Accepted(order=order, work=Work(kind=Kind.PAY))


def create_escrow(order: Order, *, at: dt.datetime) -> Accepted:
    """Deploy the order's contract. Raises: EscrowAlreadyExists; OrderInWrongState."""
    escrow_id = derived_id(order.id, "escrow")
    return _accepted(domain.escrow_creating(order, escrow_id=escrow_id, at=at), Kind.CREATE_ESCROW)


def fund_escrow(order: Order, *, at: dt.datetime) -> Accepted:
    """Lock the money on chain. Raises: OrderInWrongState."""
    return _accepted(domain.escrow_funding(order, at=at), Kind.FUND_ESCROW)


def complete_milestone(order: Order, *, ref: str) -> Accepted:
    """Mark a part of the work on chain. Raises: MilestoneNotFound; OrderInWrongState."""
    context = {"ref": ref, "place": str(milestones.to_complete(order, ref=ref))}
    return Accepted(order=order, work=Work(kind=Kind.COMPLETE_MILESTONE, context=context))


def deliver(
    order: Order, *, user_id: uuid.UUID | None, notes: str, url: str, at: dt.datetime
) -> Accepted:
    """Record the delivery. Raises: NotBusiness; OrderInWrongState."""
    parties.require_seller(order, user_id)
    after, facts = endings.delivered(order, notes=notes, url=url, at=at)
    return Accepted(order=after, facts=facts, work=None)


def confirm(order: Order, *, user_id: uuid.UUID | None, at: dt.datetime) -> Accepted:
    """Accept the whole work, even with open milestones, and pay the seller.

    Raises: NotPersonal; OrderInWrongState.
    """
    parties.require_buyer(order, user_id)
    return release(order, by=Party.BUYER, delta_score_tenths=None, is_forced=True, at=at)


def release(
    order: Order,
    *,
    by: Party,
    delta_score_tenths: int | None,
    is_forced: bool,
    at: dt.datetime,
) -> Accepted:
    """Pay the seller. is_forced: pay even if milestones are not completed.

    Raises: OrderInWrongState; MilestonesIncomplete.
    """
    decided = endings.release_requested(order, by=by, delta_score_tenths=delta_score_tenths, at=at)
    if not is_forced:
        milestones.require_completed(order)
    return _accepted(decided, Kind.RELEASE)


def refund(order: Order, *, by: Party, reason: str, at: dt.datetime) -> Accepted:
    """Pay the buyer back. Raises: OrderInWrongState."""
    return _accepted(endings.refund_requested(order, by=by, at=at), Kind.REFUND, reason=reason)


def cancel(order: Order, *, by: Party, reason: str, user_id: uuid.UUID | None) -> Accepted:
    """Close an order that has no escrow.

    by: the party on whose behalf a marketplace acts; a person always acts as the buyer.

    Raises: NotPersonal; OrderInWrongState.
    """
    parties.require_buyer(order, user_id)
    domain.require(order, Trigger.CANCEL)
    party = by if user_id is None else Party.BUYER
    return Accepted(
        order=order,
        work=Work(kind=Kind.CANCEL, context={"by": party.value, "reason": reason}),
    )


def expire(order: Order, *, reason: str) -> Accepted:
    """Close an order that was not funded in time. Its contract, if it has one, is empty.

    Raises: OrderInWrongState.
    """
    if order.state is not State.ESCROW_CREATING:
        return cancel(order, by=Party.SYSTEM, reason=reason, user_id=None)
    context = {"by": Party.SYSTEM.value, "reason": reason}
    return Accepted(order=order, work=Work(kind=Kind.CANCEL, context=context))


def unchanged(order: Order, *, version: int) -> Order:
    """Return the order if it still has the given version. Raises: OrderInWrongState."""
    if order.version != version:
        message = "The order has changed since its deadline was looked at"
        raise domain.wrong_state(order, message, allowed=[order.state.value])
    return order


def open_dispute(
    order: Order,
    *,
    operation_id: uuid.UUID,
    user_id: uuid.UUID | None,
    by: Party,
    reason: DisputeReason,
    description: str,
    evidence: str,
    at: dt.datetime,
) -> Accepted:
    """Freeze the order until support decides. evidence: a JSON list of URLs.

    by: the party on whose behalf a marketplace acts; a person acts for their own side.

    Raises: NotParty; DisputeAlreadyOpen; OrderInWrongState.
    """
    decided = endings.disputed(
        order,
        dispute_id=derived_id(operation_id, "dispute"),
        by=parties.side_of(order, user_id) or by,
        reason=reason,
        at=at,
    )
    return _accepted(
        decided,
        Kind.OPEN_DISPUTE,
        description=description,
        evidence=evidence,
        initiated_by=str(user_id) if user_id else "",
    )


def resolve_dispute(
    order: Order,
    *,
    decision: Decision,
    release: int | None,
    refund: int | None,
    note: str,
    resolved_by: str,
    resolved_by_name: str = "",
    own_user_id: uuid.UUID | None = None,
) -> Accepted:
    """Pay out a decision and close the order. release, refund: minor units, for SPLIT only.

    own_user_id: the user account of the person of support who decides, if they have one.

    Raises: DisputeIsOwn; SplitAmountsMismatch; OrderInWrongState.
    """
    parties.require_outsider(order, own_user_id)
    to_seller, to_buyer = endings.shares(order, decision=decision, release=release, refund=refund)
    parties.require_disputed(order)
    context = {
        "decision": decision.value,
        "release": str(to_seller),
        "refund": str(to_buyer),
        "note": note,
        "resolved_by": resolved_by,
        "resolved_by_name": resolved_by_name,
    }
    return Accepted(order=order, work=Work(kind=Kind.RESOLVE_DISPUTE, context=context))


def agree(
    order: Order, *, offer_id: uuid.UUID, release: int, refund: int, by: Party, at: dt.datetime
) -> Accepted:
    """Pay out what both sides agreed on and close the order. by: who accepted the offer.

    release, refund: minor units; together they are the order's amount.

    Raises: OrderInWrongState.
    """
    return _accepted(
        endings.agreed(order, by=by, at=at),
        Kind.ACCEPT_OFFER,
        offer=str(offer_id),
        decision=Decision.SPLIT.value,
        release=str(release),
        refund=str(refund),
        reason="agreed by both sides",
        note="Agreed by both sides",
        resolved_by="agreement",
    )


def _accepted(decided: Decided, kind: Kind, **context: str) -> Accepted:
    order, facts = decided
    return Accepted(order=order, facts=facts, work=Work(kind=kind, context=context))
