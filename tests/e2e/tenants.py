"""Create marketplaces for single tests on a running stack, with keys from the key store."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import psycopg
from stellar_sdk import Keypair

from chassis.database import Database
from deploy.local import credentials, identities
from deploy.operator.client import Operator
from gateway.keys import SCOPES, KeyStore
from kernel.ids import from_public
from kernel.money import CENT
from tests.e2e.routes import OUTSIDE
from tests.running_stack import RunningStack
from tests.shop import WAIT_SECONDS, Shop, data_of, until

_REQUIRE_APPROVAL = """
insert into orders.marketplaces (id, approval_above) values (%(id)s, %(above)s)
on conflict (id) do update set approval_above = %(above)s
"""
_LET_REDIRECT = """
insert into orders.marketplaces (id, payout_redirects) values (%s, 'MARKETPLACE')
on conflict (id) do update set payout_redirects = 'MARKETPLACE'
"""
# As if operators had redirected it before: the seller's wallet is another order's, too.
_BLOCK_SELLER = "update escrow.escrows set seller_payout = %s where order_id = %s"
# A platform fee that came from outside: every sum of the books stays zero.
_EARN = """
with account as (
    insert into ledger.accounts (marketplace_id, asset, name, opened_at)
    values (%(id)s, 'USDC', 'external:stellar', now()), (%(id)s, 'USDC', 'fees:platform', now())
    on conflict do nothing
)
insert into ledger.transfers (marketplace_id, id, type, code, asset, debit_account,
    credit_account, amount, transaction_hash, reason, at)
values (%(id)s, %(transfer)s, 1, 10, 'USDC', 'external:stellar', 'fees:platform', %(amount)s, '',
    'A fee for a test', now())
"""
_EARNED = """
insert into ledger.entries (marketplace_id, asset, account, transfer_id, available_change,
    reserved_change)
values (%(id)s, 'USDC', 'external:stellar', %(transfer)s, -%(amount)s, 0),
    (%(id)s, 'USDC', 'fees:platform', %(transfer)s, %(amount)s, 0)
"""
_ALLOW_CREDITS = """
insert into orders.marketplaces (id, allows_manual_credit) values (%s, true)
on conflict (id) do update set allows_manual_credit = true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A marketplace on a stack. environment: live or test, which are two marketplaces."""

    stack: RunningStack
    store: KeyStore
    id: uuid.UUID
    name: str
    environment: str

    async def key(self, *scopes: str) -> str:
        """Create a key; by default with every scope."""
        made = await self.store.create(
            marketplace_id=self.id, environment=self.environment, scopes=scopes or SCOPES
        )
        return made.text

    @asynccontextmanager
    async def shop(self, *scopes: str, url: str | None = None) -> AsyncIterator[Shop]:
        """Open a client with a new key for the block. url: of another gateway."""
        key = await self.key(*scopes)
        async with client_of(self.stack, key, url=url) as client:
            yield Shop(client, self.stack)

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[Operator]:
        """Open the operator's view of this marketplace for the block."""
        async with Operator.of(
            services=self.stack.document["services"],
            papers=identities.operator_papers(self.stack.run_dir),
            marketplace_id=self.id,
        ) as opened:
            yield opened

    def allow_credits(self) -> None:
        """Allow manual credits in this marketplace."""
        with psycopg.connect(str(self.stack.document["databaseUrl"])) as connection:
            connection.execute(_ALLOW_CREDITS, (self.id,))


@asynccontextmanager
async def key_store(stack: RunningStack) -> AsyncIterator[KeyStore]:
    """Open the gateway's key store for the block."""
    parts = httpx.URL(str(stack.document["databaseUrl"]))
    url = str(parts.copy_with(username="gateway"))
    pepper = credentials.load(stack.run_dir).api_key_pepper
    database = Database.open(url=url, schema="gateway", pool_size=2)
    try:
        yield KeyStore(database, pepper=pepper)
    finally:
        await database.close()


async def tenant(
    stack: RunningStack, store: KeyStore, *, name: str = "", environment: str = "live"
) -> Tenant:
    """Create a marketplace; without a name, with a new one."""
    name = name or f"shop-{uuid.uuid4().hex[:12]}"
    marketplace_id = await store.marketplace(name, environment=environment)
    return Tenant(stack=stack, store=store, id=marketplace_id, name=name, environment=environment)


def client_of(stack: RunningStack, key: str | None, *, url: str | None = None) -> httpx.AsyncClient:
    """Create an API client with or without a key. url: of another gateway."""
    headers: Collection[tuple[str, str]] = (
        [("Authorization", f"Bearer {key}")] if key is not None else []
    )
    return httpx.AsyncClient(
        base_url=f"{url or stack.url}/api/v1",
        headers=list(headers),
        timeout=WAIT_SECONDS,
        limits=httpx.Limits(max_connections=None),
    )


def user_spellings(shop: Shop, name: str) -> tuple[str, str]:
    """Return a user's public id, and the UUID that this API never shows."""
    with psycopg.connect(str(shop.stack.document["databaseUrl"])) as connection:
        statement = "select id from orders.users where public_id = %s"
        row = connection.execute(statement, (name,)).fetchone()
    assert row is not None
    return name, str(row[0])


async def a_webhook(shop: Shop, **changes: object) -> str:
    """Register a webhook that no event is sent to by itself; returns its id."""
    body = {"url": "https://shop.example.com/hooks", "eventTypes": ["webhook.disabled"], **changes}
    return str(data_of(await shop.post("/webhooks", body), status=201)["id"])


async def webhooks_to_act_on(shop: Shop) -> dict[str, str]:
    """Return a webhook for each path that changes one, and a delivery where the path names it."""
    webhook = await a_webhook(shop)
    found = {f"/webhooks/{{id}}/{name}": webhook for name in ("rotate-secret", "test", "resend")}
    sent = data_of(await shop.post(f"/webhooks/{webhook}/test"))
    return {**found, "/webhooks/{id}/deliveries/{deliveryId}/resend": f"{webhook} {sent['id']}"}


async def an_event(shop: Shop) -> str:
    """Wait until the marketplace's list of events has one; returns its id."""
    found: list[str] = []

    async def is_listed() -> bool:
        listed = await shop.client.get("/events?limit=1", headers={"Accept": "application/json"})
        found.extend(one["eventId"] for one in listed.json()["data"])
        return bool(found)

    await until(is_listed, what="no event was listed")
    return found[0]


async def a_logged_request(shop: Shop) -> str:
    """Wait until the marketplace's log has a request; returns its id."""
    found: list[str] = []

    async def is_listed() -> bool:
        listed = await shop.client.get("/requests?limit=1")
        found.extend(one["id"] for one in listed.json()["data"])
        return bool(found)

    await until(is_listed, what="no request was logged")
    return found[0]


async def block_seller(shop: Shop, order_id: str) -> None:
    """Let an order's seller be paid where there is no account, and the marketplace change that."""
    marketplace = (await shop.get("/marketplace"))["id"]
    with psycopg.connect(str(shop.stack.document["databaseUrl"])) as connection:
        connection.execute(_LET_REDIRECT, (marketplace,))
        nowhere = Keypair.random().public_key
        connection.execute(_BLOCK_SELLER, (nowhere, from_public("ord", order_id)))


async def prepare(shop: Shop, path: str, name: str) -> None:
    """Bring about what a path needs besides the state of its order or dispute."""
    if path.endswith("/redirect-payout"):
        await block_seller(shop, name)
    if path.endswith("/unassign"):
        data_of(await shop.post(f"/disputes/{name}/assign", {"agentId": "agent-7"}))


async def a_withdrawal(shop: Shop, user: str) -> str:
    """Create a withdrawal; returns its id."""
    body = {"userId": user, "amount": "1.00", "destination": OUTSIDE}
    return str(data_of(await shop.post("/withdrawals", body), status=201)["id"])


async def earn(shop: Shop, *, minor_units: int) -> None:
    """Let a marketplace earn a platform fee."""
    fee = {
        "id": (await shop.get("/marketplace"))["id"],
        "transfer": uuid.uuid4(),
        "amount": minor_units,
    }
    with psycopg.connect(str(shop.stack.document["databaseUrl"])) as connection:
        connection.execute(_EARN, fee)
        connection.execute(_EARNED, fee)


async def a_fee_withdrawal(shop: Shop) -> str:
    """Create a withdrawal of fees; returns its id."""
    body = {"amount": "1.00", "destination": OUTSIDE}
    return str(data_of(await shop.post("/platform/withdrawals", body), status=201)["id"])


async def a_fee_withdrawal_to_approve(shop: Shop) -> str:
    """Let another key make a withdrawal of fees that a second one must approve."""
    return await _to_approve(shop, "/platform/withdrawals")


def makers_of(shop: Shop, user: str) -> Mapping[str, Callable[[], Awaitable[str]]]:
    """Return what makes an object of each kind that needs nothing but a user; it returns the id."""
    return {
        "withdrawals": lambda: a_withdrawal(shop, user),
        "platform": lambda: a_fee_withdrawal(shop),
        "webhooks": lambda: a_webhook(shop, enabled=False),
        "events": lambda: an_event(shop),
        "requests": lambda: a_logged_request(shop),
    }


async def fee_withdrawals(shop: Shop) -> dict[str, str]:
    """Create withdrawals of fees that each path with an id can act on; returns the ids by path."""
    await earn(shop, minor_units=500 * CENT)
    path = "/platform/withdrawals/{id}"
    found = {f"{path}/{act}": await a_fee_withdrawal(shop) for act in ("commit", "cancel")}
    return {**found, f"{path}/approve": await a_fee_withdrawal_to_approve(shop)}


async def a_withdrawal_to_approve(shop: Shop, user: str) -> str:
    """Let another key make a withdrawal that a second one must approve; returns its id."""
    return await _to_approve(shop, "/withdrawals", userId=user)


async def _to_approve(shop: Shop, path: str, **fields: str) -> str:
    key = await shop.post("/auth/api-keys", {"scopes": ["read", "write", "admin"]})
    marketplace = (await shop.get("/marketplace"))["id"]
    body = {"amount": "1.00", "destination": OUTSIDE, "commit": True, **fields}
    require_approval(shop, marketplace, above=0)
    async with client_of(shop.stack, data_of(key, status=201)["key"]) as client:
        made = data_of(await client.post(path, json=body), status=201)
    require_approval(shop, marketplace, above=None)
    assert made["status"] == "AWAITING_APPROVAL"
    return str(made["id"])


def require_approval(shop: Shop, marketplace: str, *, above: int | None) -> None:
    """Let a second key approve withdrawals of more than an amount; None: of none."""
    with psycopg.connect(str(shop.stack.document["databaseUrl"])) as connection:
        connection.execute(_REQUIRE_APPROVAL, {"id": marketplace, "above": above})
