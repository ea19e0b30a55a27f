"""Which requests ask for a preview, and what a preview looks like."""

from typing import Any

import orjson
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2, withdrawals_pb2
from pydantic import TypeAdapter

from gateway.errors import REASONS
from gateway.marketplace import previews as marketplace_previews
from gateway.marketplace import view as marketplace
from gateway.marketplace.shapes import Success
from gateway.party import previews as party_previews
from gateway.party import view as party
from gateway.previews import PreviewNotSupported, preview_of, wanted
from kernel.errors import InvalidArgument

ID = "11223344-5566-7788-99aa-bbccddeeff00"
MONEY = common_pb2.Money(asset="USDC", minor_units=800_000_000)
BALANCE = orders_pb2.PreviewBalance(available=MONEY, reserved=MONEY)
CHANGE = orders_pb2.BalanceChange(
    user=common_pb2.UserRef(id=ID, public_id="usr_ann"),
    side=common_pb2.PARTY_BUYER,
    before=BALANCE,
    after=BALANCE,
)
ORDER = orders_pb2.Preview(
    order=orders_pb2.Order(
        id=ID,
        state=orders_pb2.ORDER_STATE_CLOSED,
        final_status=orders_pb2.FINAL_STATUS_RELEASED,
        escrow={"id": ID, "status": "RESOLVED"},
        dispute={
            "id": ID,
            "status": "RESOLVED",
            "decision": orders_pb2.DISPUTE_DECISION_SPLIT,
            "opened_at": Timestamp(seconds=1),
        },
        released_amount=MONEY,
        refunded_amount=MONEY,
    ),
    balances=[CHANGE, CHANGE],
    platform_fee=MONEY,
    provider_fee=MONEY,
    reimbursed=MONEY,
    chain_steps=["release_funds"],
)
WITHDRAWAL = orders_pb2.Preview(
    withdrawal=withdrawals_pb2.Withdrawal(
        state=withdrawals_pb2.WITHDRAWAL_STATE_COMPLETED, amount=MONEY, destination="G"
    ),
    balances=[orders_pb2.BalanceChange(user=CHANGE.user, before=BALANCE, after=BALANCE)],
)


@pytest.mark.parametrize(
    ("prefer", "query", "found"),
    [
        ("", b"", (False, b"")),
        ("wait=5", b"", (False, b"")),
        ("dry-run", b"", (True, b"")),
        ("wait=5, Dry-Run", b"", (True, b"")),
        ("", b"dryRun=true", (True, b"")),
        ("", b"dryRun=false", (False, b"")),
        ("dry-run", b"dryRun=true", (True, b"")),
        ("", b"a=b&dryRun=true&c=d", (True, b"a=b&c=d")),
        ("", b"%64ryRun=true", (True, b"")),
        ("hydrate-run", b"dryrun=true", (False, b"dryrun=true")),
    ],
)
def test_request_for_a_preview_is_recognised(
    prefer: str, query: bytes, found: tuple[bool, bytes]
) -> None:
    assert wanted({"prefer": prefer} if prefer else {}, query) == found


@pytest.mark.parametrize(
    ("prefer", "query", "field"),
    [
        ("dry-run=true", b"", "Prefer"),
        ("dry-run;a=b", b"", "Prefer"),
        ("dryrun", b"", "Prefer"),
        ("dry_run", b"", "Prefer"),
        ("wait=5, dry run", b"", "Prefer"),
        ("", b"dryRun", "dryRun"),
        ("", b"dryRun=1", "dryRun"),
        ("", b"dryRun=TRUE", "dryRun"),
        ("", b"dryRun=true&dryRun=true", "dryRun"),
        ("dry-run", b"dryRun=false", "dryRun"),
    ],
)
def test_ambiguous_request_for_a_preview_is_refused(prefer: str, query: bytes, field: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        wanted({"prefer": prefer} if prefer else {}, query)

    assert [name for name, _ in refusal.value.fields] == [field]


def test_preview_request_contains_the_commands_request() -> None:
    request = orders_pb2.ReleaseFundsRequest(order_id=ID, force=True)

    assert preview_of(request) == orders_pb2.GetPreviewRequest(release_funds=request)
    with pytest.raises(PreviewNotSupported):
        preview_of(orders_pb2.CreateOrderRequest())
    assert REASONS[PreviewNotSupported.reason].status == 400


@pytest.mark.parametrize(
    ("shape", "printed"),
    [
        (Success[marketplace_previews.Preview], marketplace_previews.preview(ORDER)),
        (Success[marketplace_previews.Preview], marketplace_previews.preview(WITHDRAWAL)),
        (party_previews.Preview, party_previews.preview(ORDER)),
        (party_previews.Preview, party_previews.preview(WITHDRAWAL)),
    ],
)
def test_printed_preview_matches_its_documented_shape(shape: Any, printed: Any) -> None:
    document = orjson.loads(orjson.dumps(printed))

    assert TypeAdapter(shape).validate_python(document) == document


@pytest.mark.parametrize("view", [marketplace, party])
def test_previews_are_documented_on_exactly_their_routes(view: Any) -> None:
    document = view.document()
    for operation in view.OPERATIONS:
        described = document["paths"][f"/api/v1{operation.path}"][operation.method.lower()]
        names = {one["name"] for one in described.get("parameters", ())}
        refused = described["responses"].get("400", described["responses"].get("422", {}))
        is_refused = "dry_run_not_supported" in refused.get("description", "").lower()
        applied = described["responses"].get("200", {}).get("headers", {})
        assert ("Preference-Applied" in applied) is operation.previews
        assert ("dryRun" in names) is (operation.previews and view is marketplace)
        assert is_refused is (operation.changes and not operation.previews)
        assert not operation.previews or "Prefer" in names
