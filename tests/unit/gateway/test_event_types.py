"""The declared events: every payload of the contracts, under the type that its comment names."""

import re
from pathlib import Path

import pytest

from chassis.nats_settings import SUBJECTS
from gateway import event_types
from gateway.event_types import DECLARED

PROTOS = Path(__file__).resolve().parents[3] / "protos/orchestrator"
TOLD = re.compile(r"^// ([a-z_]+\.[a-z_]+)[^{]*?^message (\w+)", re.MULTILINE | re.DOTALL)


def test_every_payload_is_declared_with_the_type_of_its_comment() -> None:
    commented = dict(
        found
        for path in PROTOS.glob("*/v1/events.proto")
        for found in TOLD.findall(path.read_text(encoding="utf-8"))
    )

    assert {name: one.payload.name for name, one in DECLARED.items()} == commented
    assert {f"{one.family}.*" for one in DECLARED.values()} == set(SUBJECTS)


@pytest.mark.parametrize(
    ("patterns", "aggregates", "expected"),
    [
        ((), (), None),
        (("order.created",), (), ("order.created",)),
        (("order.not_yet",), (), ("order.not_yet",)),
        (("offer.*", "order.not_yet"), (), (*sorted(
            f"offer.{name}" for name in ("created", "accepted", "declined", "lapsed")
        ), "order.not_yet")),
        ((), ("Deposit", "Wallet"), ("escrow.deposit_confirmed", "wallet.created")),
        (("escrow.*",), ("Deposit",), ("escrow.deposit_confirmed",)),
        (("order.*", "order.not_yet"), ("Balance",), ()),
    ],
)  # fmt: skip
def test_filters_select_the_types_that_match_both(
    patterns: tuple[str, ...], aggregates: tuple[str, ...], expected: tuple[str, ...] | None
) -> None:
    assert event_types.names(patterns, aggregates) == expected
