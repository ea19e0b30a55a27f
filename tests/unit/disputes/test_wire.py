"""Cases on the wire: every value, in both directions."""

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from services.disputes import wire
from services.disputes.domain import DisputeReason, DisputeStatus, Side
from services.disputes.rulings import DisputeDecision


@pytest.mark.parametrize(
    ("table", "ours", "theirs"),
    [
        (wire.STATUSES, DisputeStatus, disputes_pb2.DisputeStatus),
        (wire.REASONS, DisputeReason, orders_pb2.DisputeReason),
        (wire.DECISIONS, DisputeDecision, orders_pb2.DisputeDecision),
    ],
)
def test_every_enum_member_has_its_number_on_the_wire(
    table: dict[str, int], ours: type, theirs: EnumTypeWrapper
) -> None:
    assert set(table) == set(ours)  # type: ignore[call-overload] # an enum is iterable
    assert set(table.values()) == set(theirs.values()) - {0}
    for member, number in table.items():
        assert theirs.Name(number).endswith(f"_{member}")


def test_a_case_is_opened_for_buyer_or_seller_only() -> None:
    assert wire.SIDES == {Side.BUYER: 1, Side.SELLER: 2}
