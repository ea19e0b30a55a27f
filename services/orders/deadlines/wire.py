"""Encode the settings of a marketplace to Protobuf."""

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2, withdrawals_pb2

from chassis.wire import instant_to_proto
from kernel.money import USDC
from services.orders.deadlines.chosen import Marketplace
from services.orders.order.deadlines import RULES
from services.orders.order.domain import Origin
from services.orders.order.withdrawal_rules import WithdrawalRules


def encode(marketplace: Marketplace) -> bytes:
    """Encode the settings of a marketplace as the bytes of a stored answer."""
    return to_proto(marketplace).SerializeToString()


def to_proto(marketplace: Marketplace) -> orders_pb2.Marketplace:
    """Encode the settings of a marketplace."""
    rules, fees = marketplace.rules, marketplace.platform_fee_bps
    return orders_pb2.Marketplace(
        allows_manual_credit=rules.allows_manual_credit,
        platform_fee_bps=fees[Origin.MARKETPLACE],
        party_platform_fee_bps=fees[Origin.PARTY],
        deadlines=[
            orders_pb2.Deadline(
                name=rule.name,
                state=f"ORDER_STATE_{rule.state.value}",
                delivered=rule.is_delivered,
                days=rules.days[rule.setting],
                action=rule.action.value,
            )
            for rule in RULES
        ],
        warning_hours=rules.warning_hours,
        time=instant_to_proto(marketplace.time),
        clock_offset_seconds=int(rules.clock_offset.total_seconds()),
        withdrawals=_withdrawals(rules.withdrawals),
        dispute_answer_hours=rules.support_time.answer_hours,
        dispute_decision_hours=rules.support_time.decision_hours,
        payout_redirects=rules.payout_redirects.value,
    )


def _withdrawals(rules: WithdrawalRules) -> withdrawals_pb2.WithdrawalRules:
    """Encode the rules for withdrawals. The field of a rule that is off stays unset."""

    def money(amount: int | None) -> common_pb2.Money | None:
        return None if amount is None else common_pb2.Money(asset=USDC, minor_units=amount)

    return withdrawals_pb2.WithdrawalRules(
        least=money(rules.least),
        most=money(rules.most),
        most_per_day=money(rules.most_per_day),
        lists_destinations=rules.destinations is not None,
        destinations=rules.destinations or (),
        new_destination_hours=rules.new_destination_hours,
        approval_above=money(rules.approval_above),
        approval_hours=rules.approval_hours,
    )
