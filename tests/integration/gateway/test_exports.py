"""Exports over HTTP: complete or visibly incomplete, of any length, within period and limits."""

import asyncio
import csv
import io
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2

from client import AsyncMarketplace, Marketplace, codes, errors
from gateway.limits import StreamPlaces
from kernel.errors import Unavailable
from kernel.ids import new_id

from .conftest import Services
from .messages import an_order, at, usdc

ORDERS = "/api/v1/exports/orders.csv"
# How many requests the gateway serves while a file is not read, before the file counts as stalled.
CHANCES = 20


class Pages:
    """Answers a list page by page, and counts the pages. A page: its objects, or an error."""

    def __init__(self, *pages: Sequence[orders_pb2.Order] | Unavailable) -> None:
        self._pages = pages
        self.asked = 0

    async def answer(self, request: orders_pb2.ListOrdersRequest) -> orders_pb2.ListOrdersResponse:
        number = int(request.page.page_token or "0")
        assert request.page.page_size == 100
        self.asked = max(self.asked, number + 1)
        page = self._pages[number]
        if isinstance(page, Unavailable):
            raise page
        is_last = number + 1 == len(self._pages)
        return orders_pb2.ListOrdersResponse(
            orders=page, next_page_token="" if is_last else str(number + 1)
        )


def listed(services: Services, *pages: Sequence[orders_pb2.Order] | Unavailable) -> Pages:
    found = Pages(*pages)
    services.orders.answers["ListOrders"] = found.answer
    return found


def an_order_of(moment: str, **fields: Any) -> orders_pb2.Order:
    return an_order(id=str(new_id()), created_at=at(moment), **fields)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


async def test_a_file_has_a_line_for_each_order(
    rest: httpx.AsyncClient, services: Services
) -> None:
    pages = [[an_order_of("2026-02-18T10:00:00Z", title=f"=Nr {n}")] for n in range(3)]
    listed(services, *pages)

    answer = await rest.get(ORDERS)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == 'attachment; filename="orders.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert "x-request-id" in answer.headers
    assert [row["title"] for row in read(answer.text)] == ["'=Nr 0", "'=Nr 1", "'=Nr 2"]
    assert read(answer.text)[0]["amount"] == "80.00"


async def test_an_empty_file_has_its_head(rest: httpx.AsyncClient, services: Services) -> None:
    listed(services, [])

    answer = await rest.get(ORDERS)

    assert answer.text.startswith("id,status,finalStatus,buyerId,")
    assert answer.text.count("\r\n") == 1


async def test_period_includes_its_first_instant_and_excludes_its_last(
    rest: httpx.AsyncClient, services: Services
) -> None:
    moments = [
        "2026-03-01T00:00:00Z",
        "2026-02-28T23:59:59.999Z",
        "2026-02-01T00:00:00Z",
        "2026-01-31T23:59:59.999Z",
    ]
    found = listed(
        services,
        *([an_order_of(one)] for one in moments),
        [an_order_of("2026-01-01T00:00:00Z")],
        [],
    )

    inside = await rest.get(ORDERS, params={"from": "2026-02-01", "to": "2026-03-01T00:00:00Z"})
    asked = found.asked
    zoned = await rest.get(ORDERS, params={"from": "2026-03-01T01:00:00+01:00"})

    assert [row["createdAt"] for row in read(inside.text)] == [
        "2026-02-28T23:59:59.999Z",
        "2026-02-01T00:00:00.000Z",
    ]
    # Orders older than the period are not read.
    assert asked == 5
    assert [row["createdAt"] for row in read(zoned.text)] == ["2026-03-01T00:00:00.000Z"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": ""}, "from"),
        ({"to": "2026-02-18T10:00:00"}, "to"),
        ({"to": "2026-02-18 10:00:00Z"}, "to"),
        ({"to": "0001-01-01"}, "to"),
        ({"to": "٢٠٢٦-02-18"}, "to"),
        ({"from": "2026-02-18", "to": "2026-02-18"}, "to"),
        ({"from": "2026-02-19", "to": "2026-02-18"}, "to"),
        ({"since": "2026-02-18"}, "since"),
    ],
)
async def test_invalid_period_is_refused(
    rest: httpx.AsyncClient, services: Services, query: dict[str, str], field: str
) -> None:
    listed(services, [])

    answer = await rest.get(ORDERS, params=query)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "VALIDATION_ERROR"
    assert [one["field"] for one in error["details"]["fields"]] == [field]
    assert services.orders.asked == []


async def test_a_failure_before_the_first_line_is_a_refusal(
    rest: httpx.AsyncClient, services: Services
) -> None:
    listed(services, Unavailable("away"))

    answer = await rest.get(ORDERS)

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "PROVIDER_UNAVAILABLE"


async def test_failure_in_the_middle_leaves_the_file_visibly_incomplete(
    rest: httpx.AsyncClient, services: Services
) -> None:
    listed(services, [an_order_of("2026-02-18T10:00:00Z")], Unavailable("away"), [])

    async def download() -> None:
        async with rest.stream("GET", ORDERS) as answer:
            await answer.aread()

    with pytest.raises(httpx.RemoteProtocolError):
        await download()


async def test_file_that_takes_too_long_is_visibly_incomplete(
    rest: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.serving.FILE_SECONDS", 0.1)

    async def one_page(
        request: orders_pb2.ListOrdersRequest,
    ) -> orders_pb2.ListOrdersResponse:
        if request.page.page_token:
            await asyncio.Event().wait()
        return orders_pb2.ListOrdersResponse(next_page_token="1")

    services.orders.answers["ListOrders"] = one_page

    with pytest.raises(httpx.RemoteProtocolError):
        await rest.get(ORDERS)


async def test_clients_raise_for_an_incomplete_file(
    gateway: str, demo_key: str, services: Services
) -> None:
    row = an_order_of("2026-02-18T10:00:00Z")

    def blocking() -> list[bytes]:
        with Marketplace(demo_key, base_url=gateway) as api:
            return list(api.export_orders(to="2026-03-01"))

    async def awaited() -> list[bytes]:
        async with AsyncMarketplace(demo_key, base_url=gateway) as api:
            return [part async for part in api.export_orders(from_="2026-02-01")]

    listed(services, [row], [row])
    whole = [await asyncio.to_thread(blocking), await awaited()]
    assert [len(read(b"".join(one).decode())) for one in whole] == [2, 2]

    listed(services, [row], Unavailable("away"), [])
    with pytest.raises(errors.ConnectionFailed):
        await asyncio.to_thread(blocking)
    with pytest.raises(errors.ConnectionFailed):
        await awaited()

    listed(services, Unavailable("away"))
    with pytest.raises(codes.ProviderUnavailable):
        await asyncio.to_thread(blocking)
    with pytest.raises(codes.ProviderUnavailable):
        await awaited()


async def test_file_of_a_slow_reader_is_produced_on_demand_and_complete(
    rest: httpx.AsyncClient, services: Services
) -> None:
    pages = [
        [an_order_of("2026-02-18T10:00:00Z", description="x" * 20_000) for _ in range(100)]
        for _ in range(40)
    ]
    found = listed(services, *pages)

    async with rest.stream("GET", ORDERS) as answer:
        await unread(rest, found)
        stalled = found.asked
        text = "".join([part async for part in answer.aiter_text()])
    ids = [row["id"] for row in read(text)]

    assert stalled < 20
    assert len(ids) == len(set(ids)) == 4000


async def unread(rest: httpx.AsyncClient, found: Pages) -> None:
    """Wait until no further page is asked for, although there were many chances to do so."""
    seen, chances = 0, 0
    while chances < CHANCES:
        (await rest.get("/api/v1/me")).raise_for_status()
        chances = chances + 1 if found.asked == seen else 0
        seen = found.asked


async def test_number_of_concurrent_exports_of_a_marketplace_is_limited(
    rest: httpx.AsyncClient, services: Services
) -> None:
    going_on = asyncio.Event()

    async def waiting(_: orders_pb2.ListOrdersRequest) -> orders_pb2.ListOrdersResponse:
        await going_on.wait()
        return orders_pb2.ListOrdersResponse()

    services.orders.answers["ListOrders"] = waiting
    running = [asyncio.ensure_future(rest.get(ORDERS)) for _ in range(2)]
    while len(services.orders.asked) < 2:
        (await rest.get("/api/v1/me")).raise_for_status()

    refused = await rest.get(ORDERS)
    going_on.set()
    done = await asyncio.gather(*running)
    again = await rest.get(ORDERS)

    assert refused.status_code == 429
    assert refused.json()["error"]["message"] == "Too many exports are running"
    assert [one.status_code for one in (*done, again)] == [200, 200, 200]


def test_number_of_concurrent_exports_in_total_is_limited() -> None:
    with pytest.raises(Exception, match="Too many exports are running"):
        StreamPlaces(per_account=1, in_all=0, what="exports are running").take("a")


@pytest.mark.parametrize("path", ["platform", "fees"])
async def test_fees_export_lists_earned_fees_and_platform_export_every_entry(
    rest: httpx.AsyncClient, services: Services, path: str
) -> None:
    accounts = ["fees:platform", "fees:absorbed", "manual"]
    services.ledger.answers["ListPlatformEntries"] = ledger_pb2.ListPlatformEntriesResponse(
        entries=[
            ledger_pb2.PlatformEntry(
                account=account,
                change=5_000_000,
                transfer=ledger_pb2.Transfer(
                    id=str(new_id()),
                    code=ledger_pb2.TRANSFER_CODE_PLATFORM_FEE,
                    amount=usdc(50),
                    at=at("2026-02-18T10:00:00Z"),
                ),
            )
            for account in accounts
        ]
    )

    answer = await rest.get(f"/api/v1/exports/{path}.csv")

    found = [row["account"] for row in read(answer.text)]
    assert found == (["FEES_EARNED"] if path == "fees" else ["FEES_EARNED", "FEES_BORNE", "FLOAT"])


@pytest.mark.parametrize(
    ("path", "scope", "status"),
    [
        ("orders", "read", 200),
        ("orders", "write", 403),
        ("withdrawals", "support", 403),
        ("platform", "read", 403),
        ("fees", "read", 403),
        ("fee-withdrawals", "read", 403),
        ("audit", "read", 403),
    ],
)
async def test_a_file_needs_the_scope_of_its_list(
    gateway: str, keys: Any, services: Services, path: str, scope: str, status: int
) -> None:
    listed(services, [])
    headers = {"authorization": f"Bearer {await keys.make(scope)}"}
    async with httpx.AsyncClient(base_url=gateway, headers=headers) as client:
        answer = await client.get(f"/api/v1/exports/{path}.csv")

    assert answer.status_code == status
