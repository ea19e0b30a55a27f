"""Printed amounts match the document, to the last part of a cent."""

import pydantic
from hypothesis import given
from hypothesis import strategies as st
from orchestrator.common.v1 import common_pb2
from orchestrator.ledger.v1 import ledger_pb2

from gateway.marketplace.balances import Balance, balance
from kernel.money import LARGEST


@given(st.integers(0, LARGEST), st.integers(0, LARGEST))
def test_a_balance_is_printed_as_documented(available: int, reserved: int) -> None:
    account = ledger_pb2.Account(
        available=common_pb2.Money(asset="USDC", minor_units=available),
        reserved=common_pb2.Money(asset="USDC", minor_units=reserved),
    )

    printed = balance(account, user_id="usr_ann")

    assert pydantic.TypeAdapter(Balance).validate_python(printed)


def test_parts_of_a_cent_are_printed_and_whole_cents_have_two_decimals() -> None:
    told = [
        balance(
            ledger_pb2.Account(available=common_pb2.Money(asset="USDC", minor_units=units)),
            user_id="usr_ann",
        )["available"]
        for units in (989_009_000, 989_000_000, 9_000, 1, 0)
    ]

    assert told == ["98.9009", "98.90", "0.0009", "0.0000001", "0.00"]
