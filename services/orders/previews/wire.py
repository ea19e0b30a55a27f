"""Encode previews from the domain to Protobuf."""

import uuid
from collections.abc import Sequence
from typing import Any, TypeAlias

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2, withdrawals_pb2

from kernel.money import USDC
from services.orders.order.domain import UserName
from services.orders.peers.ports import BalanceChange, Payment

# The results of the commands that have a preview.
Result: TypeAlias = orders_pb2.Order | orders_pb2.Credit | withdrawals_pb2.Withdrawal


def user_name(user: common_pb2.UserRef) -> UserName:
    """Decode a user's two ids."""
    return UserName(id=uuid.UUID(user.id), public_id=user.public_id)


def change(value: BalanceChange, side: Any) -> orders_pb2.BalanceChange:
    """Encode a balance before and after. side: the user's side of the order."""
    return orders_pb2.BalanceChange(
        user=common_pb2.UserRef(id=str(value.user.id), public_id=value.user.public_id),
        side=side,
        before=_balance(value.available_before, value.reserved_before),
        after=_balance(value.available_after, value.reserved_after),
    )


def preview(
    result: Result,
    *,
    balances: Sequence[orders_pb2.BalanceChange],
    payments: Sequence[Payment],
    steps: Sequence[str],
) -> orders_pb2.Preview:
    """Encode what a command would do. The fees are the sums of the payments."""
    message = orders_pb2.Preview(
        balances=balances,
        platform_fee=_usdc(sum(one.amount for one in payments if one.payee == "PLATFORM")),
        provider_fee=_usdc(sum(one.amount for one in payments if one.payee == "PROVIDER")),
        reimbursed=_usdc(sum(one.amount for one in payments if one.is_absorbed_fee)),
        chain_steps=steps,
    )
    if isinstance(result, orders_pb2.Order):
        message.order.CopyFrom(result)
    elif isinstance(result, orders_pb2.Credit):
        message.credit.CopyFrom(result)
    else:
        message.withdrawal.CopyFrom(result)
    return message


def _balance(available: int, reserved: int) -> orders_pb2.PreviewBalance:
    return orders_pb2.PreviewBalance(available=_usdc(available), reserved=_usdc(reserved))


def _usdc(minor_units: int) -> common_pb2.Money:
    return common_pb2.Money(asset=USDC, minor_units=minor_units)
