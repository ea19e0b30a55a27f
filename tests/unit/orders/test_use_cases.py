"""Each command: its required state and party, its decision and its work; no database."""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from kernel.money import CENT
from services.orders.order import use_cases
from services.orders.order.domain import (
    Decision,
    DisputeAlreadyOpen,
    DisputeReason,
    EscrowAlreadyExists,
    EscrowInfo,
    Order,
    OrderInWrongState,
    Origin,
    Party,
    State,
    UserName,
)
from services.orders.order.endings import SplitAmountsMismatch
from services.orders.order.intake import BuyerIsSeller, NewOrder
from services.orders.order.parties import NotBusiness, NotParty, NotPersonal
from services.orders.order.use_cases import RESERVE, Accepted, Kind

NOW = dt.datetime(2026, 2, 18, 10, tzinfo=dt.UTC)
BUYER = UserName(id=uuid.UUID(int=3), public_id="usr_buyer")
SELLER = UserName(id=uuid.UUID(int=4), public_id="usr_seller")
STRANGER = uuid.UUID(int=9)
EIGHTY = 8000 * CENT
HELD = EscrowInfo(id=uuid.UUID(int=5), contract_id="C1")


def an_order(state: State) -> Order:
    """Make an order in a state, with a contract if the state requires one."""
    has_contract = state not in {State.ORDER_CREATED, State.FUNDS_RESERVED}
    return Order(
        id=uuid.UUID(int=1),
        marketplace_id=uuid.UUID(int=2),
        buyer=BUYER,
        seller=SELLER,
        asset="USDC",
        currency="USDC",
        amount=EIGHTY,
        title="Logo design",
        description="",
        state=state,
        origin=Origin.MARKETPLACE,
        created_at=NOW,
        updated_at=NOW,
        version=1,
        escrow=HELD if has_contract else None,
    )


def a_dispute(order: Order, *, user_id: uuid.UUID | None = None) -> Accepted:
    """Open a dispute on behalf of the seller."""
    return use_cases.open_dispute(
        order,
        operation_id=uuid.UUID(int=7),
        user_id=user_id,
        by=Party.SELLER,
        reason=DisputeReason.OTHER,
        description="late",
        evidence="[]",
        at=NOW,
    )


def a_decision(
    order: Order, decision: Decision, *, release: int | None = None, refund: int | None = None
) -> Accepted:
    """Decide a dispute."""
    return use_cases.resolve_dispute(
        order,
        decision=decision,
        release=release,
        refund=refund,
        note="n",
        resolved_by="key:support",
    )


COMMANDS: dict[str, tuple[Callable[[Order], Accepted], Kind | None, dict[State, State]]] = {
    "reserve": (RESERVE.accept, Kind.RESERVE, {State.ORDER_CREATED: State.ORDER_CREATED}),
    "pay": (
        lambda order: use_cases.pay(order, user_id=None),
        Kind.PAY,
        {
            State.ORDER_CREATED: State.ORDER_CREATED,
            State.FUNDS_RESERVED: State.FUNDS_RESERVED,
        },
    ),
    "create escrow": (
        lambda order: use_cases.create_escrow(order, at=NOW),
        Kind.CREATE_ESCROW,
        {State.FUNDS_RESERVED: State.ESCROW_CREATING},
    ),
    "fund escrow": (
        lambda order: use_cases.fund_escrow(order, at=NOW),
        Kind.FUND_ESCROW,
        {State.ESCROW_CREATING: State.ESCROW_FUNDING},
    ),
    "deliver": (
        lambda order: use_cases.deliver(order, user_id=None, notes="", url="", at=NOW),
        None,
        {State.IN_PROGRESS: State.IN_PROGRESS},
    ),
    "release": (
        lambda order: use_cases.release(
            order, by=Party.BUYER, delta_score_tenths=None, is_forced=False, at=NOW
        ),
        Kind.RELEASE,
        {State.IN_PROGRESS: State.RELEASE_REQUESTED},
    ),
    "confirm": (
        lambda order: use_cases.confirm(order, user_id=None, at=NOW),
        Kind.RELEASE,
        {State.IN_PROGRESS: State.RELEASE_REQUESTED},
    ),
    "refund": (
        lambda order: use_cases.refund(order, by=Party.SELLER, reason="r", at=NOW),
        Kind.REFUND,
        {State.IN_PROGRESS: State.REFUND_REQUESTED},
    ),
    "cancel": (
        lambda order: use_cases.cancel(order, by=Party.SELLER, reason="r", user_id=None),
        Kind.CANCEL,
        {
            State.ORDER_CREATED: State.ORDER_CREATED,
            State.FUNDS_RESERVED: State.FUNDS_RESERVED,
        },
    ),
    "expire": (
        lambda order: use_cases.expire(order, reason="r"),
        Kind.CANCEL,
        {
            state: state
            for state in (State.ORDER_CREATED, State.FUNDS_RESERVED, State.ESCROW_CREATING)
        },
    ),
    "open dispute": (a_dispute, Kind.OPEN_DISPUTE, {State.IN_PROGRESS: State.DISPUTED}),
    "resolve dispute": (
        lambda order: a_decision(order, Decision.FULL_REFUND),
        Kind.RESOLVE_DISPUTE,
        {State.DISPUTED: State.DISPUTED},
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("state", State)
def test_command_is_accepted_only_in_its_states(name: str, state: State) -> None:
    command, kind, allowed = COMMANDS[name]
    order = an_order(state)
    if state not in allowed:
        with pytest.raises((OrderInWrongState, EscrowAlreadyExists, DisputeAlreadyOpen)):
            command(order)
        return

    accepted = command(order)

    assert accepted.order.state is allowed[state]
    assert (accepted.work.kind if accepted.work else None) is kind


def test_a_reservation_is_recorded_in_the_states_of_the_table() -> None:
    assert RESERVE.states == ["ORDER_CREATED"]
    order = an_order(State.ORDER_CREATED)

    accepted = RESERVE.accept(order)

    assert accepted.order is order
    assert accepted.facts == ()
    assert accepted.work == RESERVE.work


@pytest.mark.parametrize(
    ("command", "state", "refusal"),
    [
        (
            lambda o, who: use_cases.pay(o, user_id=who),
            State.ORDER_CREATED,
            NotPersonal,
        ),
        (
            lambda o, who: use_cases.confirm(o, user_id=who, at=NOW),
            State.IN_PROGRESS,
            NotPersonal,
        ),
        (
            lambda o, who: use_cases.cancel(o, by=Party.BUYER, reason="", user_id=who),
            State.ORDER_CREATED,
            NotPersonal,
        ),
        (
            lambda o, who: use_cases.deliver(o, user_id=who, notes="", url="", at=NOW),
            State.IN_PROGRESS,
            NotBusiness,
        ),
        (lambda o, who: a_dispute(o, user_id=who), State.IN_PROGRESS, NotParty),
    ],
)
def test_third_party_is_refused_every_command(
    command: Callable[[Order, uuid.UUID], Accepted], state: State, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        command(an_order(state), STRANGER)
    # The caller is checked before the order's state.
    with pytest.raises(refusal):
        command(an_order(State.CLOSED), STRANGER)


def test_person_always_cancels_as_the_buyer() -> None:
    order = an_order(State.ORDER_CREATED)

    own = use_cases.cancel(order, by=Party.SELLER, reason="r", user_id=BUYER.id)
    by_key = use_cases.cancel(order, by=Party.SELLER, reason="r", user_id=None)

    assert own.work is not None
    assert own.work.context == {"by": "BUYER", "reason": "r"}
    assert by_key.work is not None
    assert by_key.work.context == {"by": "SELLER", "reason": "r"}


@pytest.mark.parametrize(
    ("user_id", "opened_by", "initiated_by"),
    [
        (None, Party.SELLER, ""),
        (BUYER.id, Party.BUYER, str(BUYER.id)),
        (SELLER.id, Party.SELLER, str(SELLER.id)),
    ],
)
def test_dispute_is_opened_for_the_callers_side(
    user_id: uuid.UUID | None, opened_by: Party, initiated_by: str
) -> None:
    accepted = a_dispute(an_order(State.IN_PROGRESS), user_id=user_id)

    assert accepted.order.dispute is not None
    assert accepted.order.dispute.opened_by is opened_by
    assert accepted.work is not None
    assert accepted.work.context["initiated_by"] == initiated_by
    assert [fact.event_type for fact in accepted.facts] == ["order.disputed"]


def test_dispute_id_is_derived_from_its_operation() -> None:
    one, two = (a_dispute(an_order(State.IN_PROGRESS)) for _ in range(2))

    assert one.order.dispute is not None
    assert two.order.dispute is not None
    assert one.order.dispute.id == two.order.dispute.id


@pytest.mark.parametrize(
    ("decision", "amounts", "release", "refund"),
    [
        (Decision.FULL_RELEASE, {}, EIGHTY, 0),
        (Decision.FULL_REFUND, {}, 0, EIGHTY),
        (
            Decision.SPLIT,
            {"release": EIGHTY - CENT, "refund": CENT},
            EIGHTY - CENT,
            CENT,
        ),
    ],
)
def test_decision_states_the_amount_of_each_side(
    decision: Decision, amounts: dict[str, int], release: int, refund: int
) -> None:
    accepted = a_decision(an_order(State.DISPUTED), decision, **amounts)

    assert accepted.work is not None
    assert accepted.work.context == {
        "decision": decision.value,
        "release": str(release),
        "refund": str(refund),
        "note": "n",
        "resolved_by": "key:support",
        "resolved_by_name": "",
    }


def test_wrong_amounts_are_refused_before_a_wrong_state() -> None:
    with pytest.raises(SplitAmountsMismatch):
        a_decision(an_order(State.IN_PROGRESS), Decision.SPLIT, release=1, refund=1)


def a_new_order(**changes: object) -> NewOrder:
    """Ask for an order of 80.00."""
    fields: dict[str, object] = {
        "buyer": "usr_buyer",
        "seller": "usr_seller",
        "asset": "USDC",
        "amount": EIGHTY,
        "title": "Logo design",
        "description": "",
        "currency": "",
        "client_order_ref": "",
        "milestones": (),
        "metadata_json": "",
        "origin": Origin.PARTY,
        "intention_id": "",
        "contract_template_id": "",
        "contract_id": "",
        "contract_terms_json": "",
    }
    return NewOrder(**(fields | changes))  # type: ignore[arg-type] # by name


def create(new: NewOrder, *, seller: UserName = SELLER, rate: int = 1000) -> Order:
    """Create an order; returns it."""
    order, facts = use_cases.create(
        new,
        order_id=uuid.UUID(int=1),
        marketplace_id=uuid.UUID(int=2),
        buyer=BUYER,
        seller=seller,
        asset="USDC",
        rate=rate,
        at=NOW,
    )
    assert [fact.event_type for fact in facts] == ["order.created"]
    return order


def test_new_order_has_the_platform_fee_of_its_whole_amount() -> None:
    order = create(a_new_order(), rate=1000)

    assert order.state is State.ORDER_CREATED
    assert (order.platform_fee_bps, order.platform_fee) == (1000, 800 * CENT)
    assert (order.created_at, order.updated_at, order.version) == (NOW, NOW, 0)


def test_an_order_without_a_currency_has_the_asset_as_its_currency() -> None:
    assert create(a_new_order()).currency == "USDC"
    assert create(a_new_order(currency="USD")).currency == "USD"


def test_the_buyer_cannot_be_the_seller() -> None:
    with pytest.raises(BuyerIsSeller):
        create(a_new_order(), seller=replace(BUYER, public_id="usr_other"))
