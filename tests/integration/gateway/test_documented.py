"""Requests made from the OpenAPI document: no 5xx, no undocumented status, no other shape."""

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.escrow.v1 import escrow_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2, withdrawals_pb2
from orchestrator.webhooks.v1 import webhooks_pb2

from gateway import pages

from .conftest import Keys, Services
from .messages import (
    ORDER_ID,
    USER_ID,
    a_delivery,
    a_dispute,
    a_webhook,
    an_escrow,
    an_event,
    an_order,
    at,
    usdc,
)

# The stream of events has no end to wait for.
EXCLUDED = "/api/v1/events"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,negative_data_rejection"
)
SECONDS = 240


def record(services: Services) -> None:
    """Let every RPC of the gateway answer something whole."""
    user = orders_pb2.User(
        id=str(USER_ID),
        public_id="usr_buyer123",
        external_user_id="buyer",
        type=orders_pb2.USER_TYPE_BOTH,
        created_at=at("2026-02-18T10:00:00Z"),
    )
    order = an_order("FUNDS_RESERVED", escrow=an_escrow("CREATING"))
    orders = services.orders.answers
    for method in orders_pb2.DESCRIPTOR.services_by_name["OrdersService"].methods:
        if method.output_type.name == "Order":
            orders[method.name] = order
    orders["RegisterUser"] = orders["GetUser"] = user
    orders["ListUsers"] = orders_pb2.ListUsersResponse(users=[user], next_page_token="t")
    orders["ListOrders"] = orders_pb2.ListOrdersResponse(orders=[order])
    entry = orders_pb2.TimelineEntry(at=at("2026-02-18T10:00:00Z"), kind="TRANSITION", name="x")
    for name in ("Create", "Commit", "Approve", "Cancel", "Get"):
        orders[f"{name}Withdrawal"] = _a_withdrawal()
    orders["GetPreview"] = orders_pb2.Preview(order=order)
    orders["ListWithdrawals"] = withdrawals_pb2.ListWithdrawalsResponse(
        withdrawals=[_a_withdrawal()]
    )
    orders["GetTimeline"] = orders_pb2.Timeline(entries=[entry])
    orders["GetMarketplace"] = orders["AdvanceClock"] = orders_pb2.Marketplace(
        deadlines=[
            orders_pb2.Deadline(
                name="reservation", state="ORDER_STATE_FUNDS_RESERVED", days=7, action="CANCEL"
            )
        ],
        warning_hours=24,
        time=at("2026-02-18T10:00:00Z"),
    )
    orders["CreditUser"] = orders_pb2.Credit(
        id=str(ORDER_ID),
        user=common_pb2.UserRef(id=str(USER_ID), public_id="usr_buyer123"),
        amount=usdc(500),
        reference="r",
        state="SUCCEEDED",
        created_at=at("2026-02-18T10:00:00Z"),
    )
    _record_peers(services)


def _record_peers(services: Services) -> None:
    balance = ledger_pb2.Account(available=usdc(100), reserved=usdc(0))
    services.ledger.answers["GetBalance"] = balance
    entry = ledger_pb2.Entry(
        transfer_id=str(ORDER_ID),
        code=ledger_pb2.TRANSFER_CODE_RESERVE,
        type=ledger_pb2.TRANSFER_TYPE_PENDING,
        order_id=str(ORDER_ID),
        available_change=-100_000,
        reserved_change=100_000,
        available_after=usdc(99),
        reserved_after=usdc(1),
        at=at("2026-02-18T10:00:00Z"),
    )
    services.ledger.answers["ListEntries"] = ledger_pb2.ListEntriesResponse(entries=[entry])
    services.ledger.answers["GetPlatformBalance"] = ledger_pb2.PlatformBalance(
        earned=usdc(15), available=usdc(15)
    )
    services.ledger.answers["ListPlatformEntries"] = ledger_pb2.ListPlatformEntriesResponse(
        entries=[_a_fee()]
    )
    services.escrow.answers["GetWallet"] = escrow_pb2.Wallet(
        id=str(ORDER_ID),
        address="G" + "A" * 55,
        state=escrow_pb2.WALLET_STATE_ACTIVE,
        balances=[usdc(1)],
    )
    services.escrow.answers["GetNetwork"] = escrow_pb2.Network(
        name="DEVNET", asset_code="USDC", asset_issuer="G" + "B" * 55
    )
    _record_books(services)
    _record_webhooks(services)
    dispute = a_dispute()
    for name in ("GetDispute", "AssignDispute", "AddEvidence"):
        services.disputes.answers[name] = dispute
    services.disputes.answers["AgeAnswers"] = disputes_pb2.AgeAnswersResponse()
    services.disputes.answers["ListDisputes"] = disputes_pb2.ListDisputesResponse(
        disputes=[dispute]
    )


def _record_books(services: Services) -> None:
    services.ledger.answers["GetBooks"] = ledger_pb2.Books(
        checked_at=at("2026-02-18T10:00:00Z"),
        money=[ledger_pb2.AssetBooks(asset="USDC", available=100_000, in_escrow=300_000)],
        invariants=[ledger_pb2.InvariantResult(name="I1", holds=True, details="1 asset: ok")],
    )
    account, seen = f"escrow:{ORDER_ID}", at("2026-02-18T10:00:00Z")
    differs = orders_pb2.AccountDiffers(account=account, ledger=5, chain=4, since=seen)
    services.orders.answers["GetReconciliation"] = orders_pb2.Reconciliation(
        looked_at=seen, round_finished_at=seen, differences=[differs]
    )
    change = escrow_pb2.ForeignChange(order_id=str(ORDER_ID), name="tw_dispute", found_at=seen)
    services.escrow.answers["ListConcerns"] = escrow_pb2.ListConcernsResponse(changes=[change])


def _a_fee() -> ledger_pb2.PlatformEntry:
    transfer = ledger_pb2.Transfer(
        id=str(ORDER_ID),
        code=ledger_pb2.TRANSFER_CODE_PLATFORM_FEE,
        type=ledger_pb2.TRANSFER_TYPE_SINGLE,
        order_id=str(ORDER_ID),
        amount=usdc(15),
        at=at("2026-02-18T10:00:00Z"),
    )
    return ledger_pb2.PlatformEntry(transfer=transfer, account="fees:platform", change=150_000_000)


def _a_withdrawal() -> withdrawals_pb2.Withdrawal:
    return withdrawals_pb2.Withdrawal(
        id=str(ORDER_ID),
        user=common_pb2.UserRef(id=str(USER_ID), public_id="usr_buyer123"),
        amount=usdc(5),
        destination="G" + "A" * 55,
        state=withdrawals_pb2.WITHDRAWAL_STATE_CREATED,
        created_at=at("2026-02-18T10:00:00Z"),
        created_by="key:k",
    )


def _record_webhooks(services: Services) -> None:
    webhook = a_webhook()
    for name in ("GetWebhook", "UpdateWebhook", "DeleteWebhook"):
        services.webhooks.answers[name] = webhook
    for name in ("CreateWebhook", "RotateSecret"):
        services.webhooks.answers[name] = a_webhook(secret="whsec_c2VjcmV0")
    services.webhooks.answers["ListWebhooks"] = webhooks_pb2.ListWebhooksResponse(
        webhooks=[webhook]
    )
    for name in ("TestWebhook", "ResendDelivery"):
        services.webhooks.answers[name] = a_delivery()
    services.webhooks.answers["ListDeliveries"] = webhooks_pb2.ListDeliveriesResponse(
        deliveries=[a_delivery()]
    )
    services.webhooks.answers["ListEvents"] = webhooks_pb2.ListEventsResponse(events=[an_event()])
    services.webhooks.answers["GetEvent"] = an_event()
    services.webhooks.answers["ResendDeliveries"] = webhooks_pb2.ResendDeliveriesResponse(
        webhook_id=str(ORDER_ID), count=2
    )


@pytest.mark.usefixtures("services")
async def test_the_document_is_served(bare: httpx.AsyncClient) -> None:
    document = (await bare.get("/openapi.json")).json()

    assert document["openapi"].startswith("3.1")
    assert EXCLUDED in document["paths"]


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("slash", ["", "/"], ids=["plain", "slash"])
@pytest.mark.parametrize("page", ["", "/docs", "/redoc", "/docs/party", "/redoc/party", "/console"])
async def test_every_page_answers_with_and_without_a_slash_and_credential(
    bare: httpx.AsyncClient, keys: Keys, page: str, slash: str
) -> None:
    for credential in ({}, {"x-api-key": await keys.make()}, {"authorization": "Bearer eyJ.e.e"}):
        answer = await bare.get(f"{page}{slash}", headers=credential)

        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/html")
        assert (await bare.head(f"{page}{slash}", headers=credential)).status_code == 200


@pytest.mark.usefixtures("services")
async def test_every_link_of_the_first_page_leads_somewhere(bare: httpx.AsyncClient) -> None:
    found = {path: (await bare.get(path)).status_code for path in pages.LINKS}

    assert set(found.values()) == {200}


@pytest.mark.slow
async def test_valid_requests_get_documented_answers(
    gateway: str, services: Services, keys: Keys, tmp_path: Path
) -> None:
    record(services)
    key = await keys.make(marketplace="documented")
    config = tmp_path / "schemathesis.toml"
    config.write_text("")
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={config}",
        "run",
        f"{gateway}/openapi.json",
        f"--header=Authorization: Bearer {key}",
        f"--exclude-path={EXCLUDED}",
        # It would revoke the key it calls with.
        "--exclude-method=DELETE",
        f"--checks={CHECKS}",
        # Systematic, not random: the same requests every time.
        "--phases=examples,coverage",
        "--generation-database=:memory:",
        "--no-color",
    ]

    done = await run(command, tmp_path)

    assert done.returncode == 0, done.stdout[-8000:]


async def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program while this loop goes on serving it."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode or 0, said.decode())
