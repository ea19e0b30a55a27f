"""Every movement of docs/money.md is carried out, and the ledger has the rows of its table.

The tests use the shared stack with absorbed provider fees, and one with PROVIDER_FEES=net.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence

import psycopg
import pytest

from deploy.local.devnet import network_info
from kernel.money import UNIT
from tests.books import assert_sound
from tests.e2e import transfers
from tests.e2e.money_document import Row, movements
from tests.e2e.routes import OUTSIDE
from tests.e2e.tenants import Tenant, key_store, tenant
from tests.integration.escrow.strangers import Stranger
from tests.running_stack import RunningStack
from tests.shop import Pair, Shop, data_of

ABSORBED = "Release, provider fee absorbed (`PROVIDER_FEES=absorbed`, the default)"
DOCUMENTED = {
    "Deposit",
    "Reserve",
    "Cancel",
    "Fund",
    ABSORBED,
    "Release with a platform fee",
    "Refund",
    "Split",
    # In test_redirect.py.
    "Payout at another address",
    "Surplus",
    "Manual credit",
    "Withdrawal",
}
# What leads from a new order to a contract that holds its money.
FUNDED = ("reserve", "escrow", "fund")
_TAKE_FEE = """
insert into orders.marketplaces (id, platform_fee_bps_marketplace) values (%s, %s)
on conflict (id) do update set platform_fee_bps_marketplace = excluded.platform_fee_bps_marketplace
"""


@contextlib.asynccontextmanager
async def market(stack: RunningStack, *, fee_bps: int = 0) -> AsyncIterator[tuple[Tenant, Shop]]:
    """Open a marketplace with a platform fee; check its books at the end."""
    async with key_store(stack) as store:
        own = await tenant(stack, store)
        with psycopg.connect(str(stack.document["databaseUrl"])) as connection:
            connection.execute(_TAKE_FEE, (own.id, fee_bps))
        async with own.shop() as shop:
            yield own, shop
        async with own.operator() as operator:
            await assert_sound(operator)


async def funded(shop: Shop, pair: Pair, *, amount: str = "80.00") -> str:
    """Create an order and fund its contract; returns its id."""
    order_id = await shop.order(pair, amount=amount)
    for command in FUNDED:
        data_of(await shop.act(order_id, command))
    return order_id


async def resolved(shop: Shop, order_id: str, decision: str, **amounts: str) -> None:
    """Open a dispute and resolve it."""
    dispute = data_of(await shop.act(order_id, "dispute"))["dispute"]
    data_of(await shop.resolve(dispute["id"], decision, **amounts))


def after_funding(shop: Shop, order_id: str) -> list[Row]:
    """Read an order's transfers after its funding."""
    rows = transfers.of_order(shop.stack, order_id)
    assert [row["code"] for row in rows[:2]] == ["RESERVE", "FUND"]
    return rows[2:]


def assert_printed(heading: str, made: Sequence[Row], *, rows: slice = slice(None)) -> None:
    """Compare transfers with a movement's table, in the columns that it has.

    The order is ignored: the contract pays a split in the order of the recipients' addresses.
    """
    printed = movements()[heading][rows]
    seen = [{name: row[name] for name in printed[0]} for row in made]
    assert sorted(seen, key=str) == sorted(printed, key=str)


def test_every_documented_movement_is_tested() -> None:
    assert set(movements()) == DOCUMENTED


async def test_deposit_reserve_cancel_and_fund_are_booked_as_documented(
    stack: RunningStack,
) -> None:
    async with market(stack) as (_, shop):
        pair = await shop.pair(amount="100.00")
        assert_printed("Deposit", transfers.of_user(stack, pair.buyer))

        canceled = await shop.order(pair)
        data_of(await shop.act(canceled, "reserve"))
        assert_printed("Reserve", transfers.of_order(stack, canceled))
        assert await shop.balance(pair.buyer) == ("20.00", "80.00")
        data_of(await shop.act(canceled, "cancel"))
        assert_printed("Cancel", transfers.of_order(stack, canceled)[1:])
        assert await shop.balance(pair.buyer) == ("100.00", "0.00")

        order_id = await funded(shop, pair)
        assert_printed("Fund", transfers.of_order(stack, order_id)[1:])
        assert await shop.balance(pair.buyer) == ("20.00", "0.00")


async def test_release_refund_and_split_are_booked_as_documented(stack: RunningStack) -> None:
    async with market(stack) as (_, shop):
        pairs = await asyncio.gather(*(shop.pair(amount="100.00") for _ in range(3)))
        released, refunded, divided = await asyncio.gather(*(funded(shop, p) for p in pairs))

        data_of(await shop.act(released, "release"))
        data_of(await shop.act(refunded, "refund"))
        await resolved(shop, divided, "SPLIT", releaseAmount="50.00", refundAmount="30.00")

        assert_printed(ABSORBED, after_funding(shop, released))
        assert_printed("Refund", after_funding(shop, refunded))
        assert_printed("Split", after_funding(shop, divided))
        assert [await shop.balance(pair.seller) for pair in pairs] == [
            ("80.00", "0.00"),
            ("0.00", "0.00"),
            ("50.00", "0.00"),
        ]
        assert [await shop.balance(pair.buyer) for pair in pairs] == [
            ("20.00", "0.00"),
            ("100.00", "0.00"),
            ("50.00", "0.00"),
        ]


async def test_platform_fee_is_booked_as_documented_and_not_charged_on_refunds(
    stack: RunningStack,
) -> None:
    async with market(stack, fee_bps=1000) as (_, shop):
        pair = await shop.pair(amount="300.00")
        released = await funded(shop, pair, amount="150.00")
        refunded = await funded(shop, pair, amount="150.00")

        data_of(await shop.act(released, "release"))
        data_of(await shop.act(refunded, "refund"))

        assert_printed("Release with a platform fee", after_funding(shop, released))
        assert await shop.balance(pair.seller) == ("135.00", "0.00")
        assert await shop.balance(pair.buyer) == ("150.00", "0.00")


async def test_manual_credit_is_booked_as_documented(stack: RunningStack) -> None:
    async with market(stack) as (own, shop):
        own.allow_credits()
        user = await shop.user()
        body = {"amount": "5.00", "reference": str(uuid.uuid4())}
        data_of(await shop.post(f"/users/{user}/balance/credit", body), status=201)

        made = [{**row, "credit": "user:…"} for row in transfers.of_user(stack, user)]

        assert_printed("Manual credit", made)


async def test_withdrawal_is_booked_as_documented(stack: RunningStack) -> None:
    async with market(stack) as (_, shop):
        user = await shop.user()
        await shop.give(user, "80.00")
        body = {"userId": user, "amount": "30.00", "destination": OUTSIDE, "commit": True}
        data_of(await shop.post("/withdrawals", body), status=201)

        # The first one is the deposit. The table names the user as the seller.
        made = [
            {**row, "debit": row["debit"].replace("buyer", "seller")}
            for row in transfers.of_user(stack, user)[1:]
        ]

        assert_printed("Withdrawal", made)
        assert await shop.balance(user) == ("50.00", "0.00")


@pytest.mark.parametrize(
    ("decision", "amounts", "seller", "buyer"),
    [
        ("FULL_RELEASE", {}, "80.00", "20.997"),
        ("FULL_REFUND", {}, "0.00", "100.757"),
        ("SPLIT", {"releaseAmount": "50.00", "refundAmount": "30.00"}, "50.00", "50.907"),
    ],
)
async def test_surplus_in_the_contract_does_not_break_a_resolution(
    stack: RunningStack, decision: str, amounts: dict[str, str], seller: str, buyer: str
) -> None:
    stranger = Stranger(network_info(stack.document["devnetUrl"]))
    await stranger.come(amount="10.0000000")
    async with market(stack) as (_, shop):
        pair = await shop.pair(amount="100.00")
        order_id = await funded(shop, pair)
        contract = (await shop.get(f"/orders/{order_id}"))["escrow"]["trustlessContractId"]
        await stranger.give_contract(contract, minor_units=UNIT)

        await resolved(shop, order_id, decision, **amounts)

        assert_printed("Surplus", after_funding(shop, order_id)[:1])
        assert (await shop.balance(pair.seller))[0] == seller
        # What was too much is the buyer's, and of it the contract keeps its fees first.
        assert (await shop.balance(pair.buyer))[0] == buyer


async def test_unabsorbed_provider_fee_is_booked_as_documented(net_stack: RunningStack) -> None:
    async with market(net_stack) as (_, shop):
        pair = await shop.pair(amount="100.00")
        order_id = await funded(shop, pair)

        data_of(await shop.act(order_id, "release"))

        assert_printed(ABSORBED, after_funding(shop, order_id), rows=slice(2))
        assert await shop.balance(pair.seller) == ("79.76", "0.00")


@pytest.mark.parametrize("fee_bps", [0, 1000])
async def test_unabsorbed_provider_fee_is_borne_by_each_recipient(
    net_stack: RunningStack, fee_bps: int
) -> None:
    async with market(net_stack, fee_bps=fee_bps) as (_, shop):
        pair = await shop.pair(amount="200.00")
        divided, refunded = await asyncio.gather(funded(shop, pair), funded(shop, pair))

        data_of(await shop.act(refunded, "refund"))
        await resolved(shop, divided, "SPLIT", releaseAmount="50.00", refundAmount="30.00")

        seller = {0: "49.85", 1000: "44.85"}[fee_bps]
        assert await shop.balance(pair.seller) == (seller, "0.00")
        # 120.00 of 200.00 came back, less 0.30 %; the platform takes nothing of it.
        assert await shop.balance(pair.buyer) == ("149.67", "0.00")
