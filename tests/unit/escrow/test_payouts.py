"""A withdrawal on chain: its envelope, its plan, and the payment that it must have made."""

from dataclasses import replace
from typing import Any, cast

import pytest
from stellar_sdk import IdMemo, MuxedAccount, TextMemo, TransactionEnvelope

from services.escrow.contracts import kinds
from services.escrow.contracts.contract import Contradiction
from services.escrow.contracts.intents import Memo, MemoType, PayOut
from services.escrow.contracts.plan import plan_withdrawal
from services.escrow.stellar.history import History
from tests.unit.escrow.stellar_envelopes import (
    INTENTS,
    PASSPHRASE,
    SELLER,
    address_of,
    blueprints,
    valid_envelope,
)
from tests.unit.escrow.test_fees_on_chain import step

OUTSIDE, AMOUNT, HASH = address_of("outside"), 24_000_000, "ab" * 32
MUXED = MuxedAccount(OUTSIDE, 7).account_muxed or ""
MEMOS = [
    (None, None),
    (Memo(type=MemoType.TEXT, value="account 7"), TextMemo("account 7")),
    (Memo(type=MemoType.ID, value="7"), IdMemo(7)),
]


def payout(address: str = OUTSIDE, memo: Memo | None = None) -> PayOut:
    """Return a withdrawal of the seller's."""
    return PayOut(from_address=SELLER, to_address=address, amount=AMOUNT, memo=memo)


@pytest.mark.parametrize("address", [OUTSIDE, MUXED])
@pytest.mark.parametrize(("memo", "sent"), MEMOS)
def test_envelope_pays_the_address_with_its_memo_and_nothing_else(
    address: str, memo: Memo | None, sent: Any
) -> None:
    envelope = TransactionEnvelope.from_xdr(valid_envelope(payout(address, memo)), PASSPHRASE)

    [operation] = envelope.transaction.operations
    paid = cast("Any", operation)
    assert (paid.destination.universal_account_id, paid.amount) == (address, "2.4")
    assert operation.source is not None
    assert operation.source.universal_account_id == SELLER
    assert sent is None or envelope.transaction.memo == sent


@pytest.mark.parametrize("memo", [memo for memo, _ in MEMOS])
def test_plan_keeps_what_a_withdrawal_pays(memo: Memo | None) -> None:
    [planned] = plan_withdrawal(minor_units=AMOUNT, address=MUXED, memo=memo)

    assert kinds.withdrawal(step(planned), wallet=SELLER) == payout(MUXED, memo)


def test_payment_with_another_memo_belongs_to_another_withdrawal() -> None:
    history = History(rpc=cast("Any", None), blueprints=blueprints(), passphrase=PASSPHRASE)
    memos = [memo for memo, _ in MEMOS]

    for landed in memos:
        for meant in memos:
            found = history.is_of(valid_envelope(payout(memo=landed)), payout(memo=meant))
            assert found is (landed == meant)
    assert not history.is_of(valid_envelope(payout(MUXED)), payout(OUTSIDE))
    assert not history.is_of(valid_envelope(INTENTS["transfer"]), payout())


def test_withdrawal_that_moved_other_money_contradicts_the_plan() -> None:
    meant = kinds.paid_out(payout(MUXED), account=OUTSIDE, transaction_hash=HASH)

    kinds.check_paid_out(meant, paid=[meant])
    kinds.check_paid_out(meant, paid=[replace(meant, event_index=3)])
    for paid in (
        [],
        [meant, meant],
        [replace(meant, minor_units=AMOUNT - 1)],
        [replace(meant, to_address=SELLER)],
        [replace(meant, from_address=OUTSIDE)],
    ):
        with pytest.raises(Contradiction, match="other money"):
            kinds.check_paid_out(meant, paid=paid)
