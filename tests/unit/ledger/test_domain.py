"""The ledger's rules of transfers, one test each."""

import pytest

from services.ledger.book import (
    TOTAL_MAX,
    NewTransfer,
    Result,
    TransferCode,
    TransferStatus,
    TransferType,
)
from services.ledger.domain import SOURCES, aggregate_id, event_of
from tests.unit.ledger.asking import (
    ANN,
    BOB,
    EVE,
    WORLD,
    Ledger,
    bar,
    escrow,
    pending,
    post,
    single,
    transfer_id,
    void,
)

CREATED, EXISTS, REFUSED = TransferStatus.CREATED, TransferStatus.EXISTS, TransferStatus.REFUSED
ORDER = escrow(1)


@pytest.fixture
def ledger() -> Ledger:
    """Ann has 100, Bob nothing; Eve has no account."""
    made = Ledger()
    made.open(ANN, BOB)
    made.ask(single(0, WORLD, ANN, 100))
    made.entries.clear()
    return made


def refusal(result: Result) -> str:
    assert result.status is REFUSED
    return result.reason


def test_a_deposit_is_credited(ledger: Ledger) -> None:
    result = ledger.ask_one(single(1, WORLD, BOB, 7))

    assert result.status is CREATED
    assert result.credited is not None
    assert (result.credited.public_id, result.credited.available) == ("usr_bob", 7)
    assert result.debited is None
    assert ledger.available(BOB) == 7


def test_a_hold_moves_nothing_but_cannot_be_spent(ledger: Ledger) -> None:
    ledger.ask(pending(1, ANN, ORDER, 80))

    assert (ledger.available(ANN), ledger.reserved(ANN)) == (20, 80)
    assert ledger.available(ORDER) == 0
    assert refusal(ledger.ask_one(single(2, ANN, BOB, 21))) == "INSUFFICIENT_FUNDS"


def test_the_exact_balance_can_be_held_and_a_unit_more_cannot(ledger: Ledger) -> None:
    short = ledger.ask_one(pending(1, ANN, ORDER, 101))
    exact = ledger.ask_one(pending(2, ANN, ORDER, 100))

    assert (refusal(short), short.available, short.requested) == ("INSUFFICIENT_FUNDS", 100, 101)
    assert exact.status is CREATED


def test_a_posted_hold_moves_the_money_to_the_escrow(ledger: Ledger) -> None:
    ledger.ask(pending(1, ANN, ORDER, 80))

    result = ledger.ask_one(post(2, 1))

    assert result.status is CREATED
    assert (ledger.available(ANN), ledger.reserved(ANN), ledger.available(ORDER)) == (20, 0, 80)


def test_a_barred_hold_is_never_made(ledger: Ledger) -> None:
    barred = ledger.ask_one(bar(3, 2, ANN, escrow(1), 80))
    late = ledger.ask_one(pending(2, ANN, escrow(1), 80))
    again = ledger.ask_one(bar(3, 2, ANN, escrow(1), 80))

    assert (barred.status, again.status) == (TransferStatus.CREATED, TransferStatus.EXISTS)
    assert (late.status, late.reason) == (TransferStatus.REFUSED, "PENDING_ALREADY_VOIDED")
    assert ledger.reserved(ANN) == 0


def test_a_hold_that_was_made_is_voided_by_the_same_request(ledger: Ledger) -> None:
    ledger.ask(pending(2, ANN, escrow(1), 80))

    given_back = ledger.ask_one(bar(3, 2, ANN, escrow(1), 80))

    assert given_back.status is TransferStatus.CREATED
    assert ledger.reserved(ANN) == 0
    assert ledger.resolved == {transfer_id(2): TransferType.VOID}


@pytest.mark.parametrize(
    "meant",
    [
        bar(3, 2, BOB, escrow(1), 80),
        bar(3, 2, ANN, escrow(2), 80),
        bar(3, 2, ANN, escrow(1), 79),
    ],
)
def test_a_void_that_bars_refuses_a_different_hold(ledger: Ledger, meant: NewTransfer) -> None:
    ledger.ask(pending(2, ANN, escrow(1), 80))

    answer = ledger.ask_one(meant)

    assert (answer.status, answer.reason) == (TransferStatus.REFUSED, "TRANSFER_DIFFERS")
    assert ledger.reserved(ANN) == 80


def test_bar_is_rolled_back_with_its_refused_group(ledger: Ledger) -> None:
    ledger.ask(bar(3, 2, ANN, escrow(1), 80)._replace(linked=True), single(4, ANN, BOB, 10**9))

    assert ledger.ask_one(pending(2, ANN, escrow(1), 80)).status is TransferStatus.CREATED


def test_remainder_of_a_partly_posted_hold_is_released(ledger: Ledger) -> None:
    ledger.ask(pending(1, ANN, ORDER, 80))

    ledger.ask(post(2, 1, 50))

    assert (ledger.available(ANN), ledger.reserved(ANN), ledger.available(ORDER)) == (50, 0, 50)


def test_voided_hold_is_released_in_full(ledger: Ledger) -> None:
    ledger.ask(pending(1, ANN, ORDER, 80))

    ledger.ask(void(2, 1))

    assert (ledger.available(ANN), ledger.reserved(ANN)) == (100, 0)
    assert ledger.available(ORDER) == 0


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (post(2, 1), post(3, 1), "PENDING_ALREADY_POSTED"),
        (post(2, 1), void(3, 1), "PENDING_ALREADY_POSTED"),
        (void(2, 1), post(3, 1), "PENDING_ALREADY_VOIDED"),
        (void(2, 1), void(3, 1), "PENDING_ALREADY_VOIDED"),
    ],
)
@pytest.mark.parametrize("in_one_batch", [True, False])
def test_a_hold_ends_once(
    ledger: Ledger, first: NewTransfer, second: NewTransfer, reason: str, *, in_one_batch: bool
) -> None:
    ledger.ask(pending(1, ANN, ORDER, 80))

    if in_one_batch:
        _, result = ledger.ask(first, second)
    else:
        ledger.ask(first)
        result = ledger.ask_one(second)

    assert refusal(result) == reason


def test_a_hold_can_be_made_and_posted_in_one_batch(ledger: Ledger) -> None:
    results = ledger.ask(pending(1, ANN, ORDER, 80), post(2, 1), single(3, ORDER, BOB, 80))

    assert [result.status for result in results] == [CREATED] * 3
    assert ledger.available(BOB) == 80


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (single(1, WORLD, EVE, 5), "ACCOUNT_NOT_FOUND"),
        (single(1, EVE, ANN, 5), "ACCOUNT_NOT_FOUND"),
        (single(1, ANN, ANN, 5), "SAME_ACCOUNT"),
        (single(1, ANN, BOB, 0), "AMOUNT_MUST_BE_POSITIVE"),
        (single(1, ANN, BOB, 0)._replace(amount=None), "AMOUNT_MUST_BE_POSITIVE"),
        (single(1, ORDER, ANN, 1), "INSUFFICIENT_FUNDS"),
        (single(1, ANN, BOB, 5)._replace(asset="EURC"), "ACCOUNT_NOT_FOUND"),
        (single(1, WORLD, ANN, TOTAL_MAX), "AMOUNT_TOO_LARGE"),
        (post(1, 5), "PENDING_NOT_FOUND"),
        (void(1, 5), "PENDING_NOT_FOUND"),
        (post(1, 0), "PENDING_NOT_FOUND"),
    ],
)
def test_invalid_transfer_is_refused(ledger: Ledger, asked: NewTransfer, reason: str) -> None:
    result = ledger.ask_one(asked)

    assert refusal(result) == reason
    assert not ledger.entries
    assert asked.id not in ledger.transfers


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (post(2, 1, 81), "AMOUNT_EXCEEDS_PENDING"),
        (post(2, 1, 0), "AMOUNT_MUST_BE_POSITIVE"),
        (post(2, 1, 80)._replace(asset="EURC"), "ASSET_MISMATCH"),
    ],
)
def test_invalid_end_of_a_hold_is_refused(ledger: Ledger, asked: NewTransfer, reason: str) -> None:
    ledger.ask(pending(1, ANN, ORDER, 80))
    ledger.entries.clear()

    assert refusal(ledger.ask_one(asked)) == reason
    assert not ledger.entries


@pytest.mark.parametrize("asked", [single(1, ANN, BOB, 10), pending(1, ANN, ORDER, 10)])
def test_repeating_a_transfer_moves_money_once(ledger: Ledger, asked: NewTransfer) -> None:
    first, again = ledger.ask(asked, asked)
    later = ledger.ask_one(asked)

    assert [first.status, again.status, later.status] == [CREATED, EXISTS, EXISTS]
    assert later.debited == first.debited
    assert ledger.available(ANN) == 90


@pytest.mark.parametrize("asked", [post(2, 1), post(2, 1, 80), post(2, 1, 30), void(2, 1)])
def test_repeating_a_resolution_answers_exists(ledger: Ledger, asked: NewTransfer) -> None:
    ledger.ask(pending(1, ANN, ORDER, 80))

    results = [ledger.ask_one(asked) for _ in range(2)]

    assert [result.status for result in results] == [CREATED, EXISTS]


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": 11},
        {"credit": ORDER},
        {"debit": WORLD},
        {"asset": "EURC"},
        {"code": TransferCode.REFUND},
        {"reason": "another"},
        {"transaction_hash": "ab" * 32},
        {"order_id": None},
        {"type": pending(1, ANN, BOB, 10).type},
    ],
)
def test_an_id_with_other_fields_is_refused(ledger: Ledger, changed: dict[str, object]) -> None:
    asked = single(1, ANN, BOB, 10)
    ledger.ask(asked)

    result = ledger.ask_one(asked._replace(**changed))  # type: ignore[arg-type] # by parameter

    assert refusal(result) == "TRANSFER_DIFFERS"
    assert ledger.available(ANN) == 90


def test_a_resolution_with_another_amount_or_hold_is_refused(ledger: Ledger) -> None:
    ledger.ask(pending(1, ANN, ORDER, 40), pending(5, ANN, ORDER, 40), post(2, 1, 30))

    assert refusal(ledger.ask_one(post(2, 1))) == "TRANSFER_DIFFERS"
    assert refusal(ledger.ask_one(post(2, 5, 30))) == "TRANSFER_DIFFERS"
    assert refusal(ledger.ask_one(void(2, 1))) == "TRANSFER_DIFFERS"


def test_a_refused_id_can_be_used_again(ledger: Ledger) -> None:
    asked = single(1, BOB, ANN, 5)
    assert refusal(ledger.ask_one(asked)) == "INSUFFICIENT_FUNDS"
    ledger.ask(single(2, WORLD, BOB, 5))

    assert ledger.ask_one(asked).status is CREATED


def test_a_linked_group_with_a_refusal_changes_nothing(ledger: Ledger) -> None:
    before = (ledger.available(ANN), ledger.reserved(ANN), ledger.accounts[ANN].version)

    results = ledger.ask(
        pending(1, ANN, ORDER, 60, linked=True),
        post(2, 1, linked=True),
        single(3, ORDER, BOB, 61, linked=True),
        single(4, WORLD, BOB, 1),
        single(5, WORLD, BOB, 2),
    )

    reasons = [result.reason for result in results]
    left_out = "LINKED_TRANSFER_REFUSED"
    assert [left_out, left_out, "INSUFFICIENT_FUNDS", left_out, ""] == reasons
    assert before == (ledger.available(ANN), ledger.reserved(ANN), ledger.accounts[ANN].version)
    assert ledger.available(BOB) == 2
    assert [int(key) - 1000 for key in ledger.transfers if int(key) > 1000] == [5]
    assert not ledger.resolved
    assert ORDER not in ledger.accounts


def test_a_linked_group_without_a_refusal_is_made(ledger: Ledger) -> None:
    results = ledger.ask(
        pending(1, ANN, ORDER, 60, linked=True),
        post(2, 1, linked=True),
        single(3, ORDER, BOB, 60),
    )

    assert [result.status for result in results] == [CREATED] * 3
    assert ledger.available(BOB) == 60


def test_repeating_a_linked_group_answers_exists(ledger: Ledger) -> None:
    group = [pending(1, ANN, ORDER, 60, linked=True), post(2, 1)]
    ledger.ask(*group)

    assert [result.status for result in ledger.ask(*group)] == [EXISTS, EXISTS]


def test_a_transfer_made_before_its_refused_group_still_exists(ledger: Ledger) -> None:
    kept = single(1, ANN, BOB, 10)
    ledger.ask(kept)

    first, second = ledger.ask(kept._replace(linked=True), single(2, ANN, BOB, 1000))

    assert (first.status, second.reason) == (EXISTS, "INSUFFICIENT_FUNDS")


def events(ledger: Ledger) -> list[tuple[str, dict[str, object]]]:
    return [event_of(entry) for entry in ledger.entries if entry.public_id]


def test_every_entry_of_a_user_has_its_event(ledger: Ledger) -> None:
    unit = 10_000_000
    ledger.ask(single(9, WORLD, ANN, 100 * unit))
    ledger.entries.clear()
    ledger.ask(
        pending(1, ANN, ORDER, 80 * unit)._replace(order_id=None),
        post(2, 1, 50 * unit)._replace(order_id=None),
        single(3, ORDER, BOB, 50 * unit)._replace(order_id=None, transaction_hash="ab" * 32),
        pending(4, ANN, ORDER, 5 * unit)._replace(order_id=None),
        void(5, 4)._replace(order_id=None, reason="buyer asked"),
        single(6, BOB, "fees:platform", unit)._replace(order_id=None),
    )

    ann, bob = {"userId": "usr_ann"}, {"userId": "usr_bob"}
    assert events(ledger) == [
        ("balance.reserved", ann | {"amount": "80.00", "reservedBalance": "80.00"}),
        (
            "balance.debited",
            ann | {"amount": "50.00", "destination": "escrow", "newBalance": "20.00001"},
        ),
        ("balance.released", ann | {"amount": "30.00", "reason": "fund"}),
        (
            "balance.credited",
            bob
            | {
                "amount": "50.00",
                "source": "escrow_release",
                "newBalance": "50.00",
                "transactionHash": "ab" * 32,
            },
        ),
        ("balance.reserved", ann | {"amount": "5.00", "reservedBalance": "5.00"}),
        ("balance.released", ann | {"amount": "5.00", "reason": "buyer asked"}),
        (
            "balance.debited",
            bob | {"amount": "1.00", "destination": "fees:platform", "newBalance": "49.00"},
        ),
    ]


def test_an_event_names_the_order_by_its_public_id(ledger: Ledger) -> None:
    ledger.ask(pending(1, ANN, ORDER, 80))

    [(_, payload)] = events(ledger)

    assert payload["orderId"] == "ord_000000000000000000001F"


def test_every_code_has_a_documented_source() -> None:
    documented = {
        "stellar_deposit",
        "escrow_release",
        "escrow_refund",
        "dispute_resolution",
        "manual_credit",
    }

    assert set(TransferCode) == set(SOURCES)
    assert documented == set(SOURCES.values())


def test_a_balance_in_another_asset_is_another_aggregate() -> None:
    assert aggregate_id(public_id="usr_ann", asset="USDC") == "usr_ann"
    assert aggregate_id(public_id="usr_ann", asset="EURC") == "usr_ann:EURC"


def test_a_hold_can_still_end_after_its_post_was_rolled_back(ledger: Ledger) -> None:
    ledger.ask(pending(1, ANN, ORDER, 80))

    results = ledger.ask(post(2, 1, linked=True), single(3, BOB, ANN, 1000), void(4, 1))

    assert results[2].status is CREATED
    assert (ledger.available(ANN), ledger.reserved(ANN)) == (100, 0)
