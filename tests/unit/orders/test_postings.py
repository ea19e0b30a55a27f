"""An order's money as ledger transfers, one movement at a time; no database."""

import uuid

from kernel.money import CENT
from services.orders.operations import postings
from services.orders.order import endings
from services.orders.order.domain import Party, State
from services.orders.peers.ports import Payment, Posted
from tests.unit.orders.test_domain import EIGHTY, NOW, an_order


def test_a_hold_moves_the_amount_from_the_buyer_to_the_orders_escrow_account() -> None:
    order = an_order()

    (hold,) = postings.hold(order)

    assert (hold.type, hold.code, hold.asset, hold.amount) == ("PENDING", "RESERVE", "USDC", EIGHTY)
    assert (hold.debit, hold.credit) == (f"user:{order.buyer.id}", f"escrow:{order.id}")
    assert (hold.id, hold.order_id) == (postings.hold_id(order.id), order.id)


def test_void_names_the_whole_hold_so_that_a_late_hold_is_barred() -> None:
    order = an_order()
    (hold,) = postings.hold(order)

    (void,) = postings.void(order, reason="canceled")

    assert (void.type, void.code, void.pending_id) == ("VOID", "CANCEL", hold.id)
    assert (void.debit, void.credit, void.amount) == (hold.debit, hold.credit, hold.amount)
    assert void.bars
    assert void.reason == "canceled"


def test_post_completes_the_hold_with_the_transaction_hash() -> None:
    order = an_order(State.ESCROW_FUNDING)
    payment = Payment(payee="CONTRACT", amount=EIGHTY, transaction_hash="ab" * 32)

    (post,) = postings.post(order, payments=[payment])
    (silent,) = postings.post(order, payments=[])

    assert (post.type, post.code) == ("POST", "FUND")
    assert post.pending_id == postings.hold_id(order.id)
    assert (post.transaction_hash, silent.transaction_hash) == ("ab" * 32, "")
    assert post.id == silent.id


def test_each_movement_of_an_order_has_its_own_repeatable_id() -> None:
    order = an_order()
    payment = Payment(payee="SELLER", amount=EIGHTY, transaction_hash="ab" * 32)

    def ids() -> list[uuid.UUID]:
        movements = (
            postings.hold(order),
            postings.void(order, reason=""),
            postings.post(order, payments=[]),
            postings.payout(order, payments=[payment], is_dispute=False),
        )
        return [transfer.id for movement in movements for transfer in movement]

    assert ids() == ids()
    assert len(set(ids())) == len(ids())


def test_redirected_payment_is_credited_and_withdrawn_in_one_batch() -> None:
    order = an_order()
    paid = [
        Payment(payee="SELLER", amount=60 * CENT, transaction_hash="ab", is_redirected=True),
        Payment(payee="BUYER", amount=20 * CENT, transaction_hash="ab"),
    ]

    found = postings.payout(order, payments=paid, is_dispute=False)

    seller, outside = f"user:{order.seller.id}", "external:stellar"
    assert [(one.code, one.debit, one.credit, one.amount) for one in found] == [
        ("RELEASE", f"escrow:{order.id}", seller, 60 * CENT),
        ("WITHDRAWAL", seller, outside, 60 * CENT),
        ("REFUND", f"escrow:{order.id}", f"user:{order.buyer.id}", 20 * CENT),
    ]
    assert len({one.id for one in found}) == 3
    assert found[1].transaction_hash == "ab"


def test_refusal_of_a_hold_states_available_and_requested_amounts() -> None:
    found = Posted(is_refused=True, reason="INSUFFICIENT_FUNDS", available=12 * CENT)

    refusal = postings.insufficient(an_order(), found)

    assert refusal.details == {"available": "0.12", "requested": "80.00", "currency": "USDC"}


def test_abandoned_payout_restores_the_state_before_it() -> None:
    order, _ = endings.release_requested(an_order(State.IN_PROGRESS), by=Party.BUYER, at=NOW)

    after, (fact,) = endings.payout_abandoned(order, status="FUNDED", reason="no line", at=NOW)

    assert (after.state, after.confirmed_at, after.ended_by) == (State.IN_PROGRESS, None, None)
    assert after.escrow is not None
    assert (after.escrow.status, after.escrow.last_error) == ("FUNDED", "no line")
    assert fact.event_type == "order.in_progress"
