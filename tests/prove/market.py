"""The marketplaces of a run: each with a key, users with money on chain, and one with people."""

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import httpx
import psycopg

from deploy.local import token
from tests.e2e.tenants import Tenant, client_of, key_store, tenant
from tests.prove.asking import Asker, History
from tests.running_stack import RunningStack

MARKETS = ("demo", "shop-a", "shop-b")
# Only the stack's own marketplace has an issuer of tokens.
WITH_PEOPLE = "demo"
FEES = {"demo": 0, "shop-a": 250, "shop-b": 0}
_CHOOSE = """
insert into orders.marketplaces (id, allows_manual_credit, platform_fee_bps_marketplace)
values (%(id)s, true, %(fee)s)
on conflict (id) do update
set allows_manual_credit = true, platform_fee_bps_marketplace = %(fee)s
"""
USERS, PEOPLE = 6, 4
DEPOSIT, MORE = "2000.00", "25.00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A marketplace. users: public ids; people: those with a token, by their UUID."""

    tenant: Tenant
    backend: Asker
    faucet: "Faucet"
    users: Sequence[str]
    people: Sequence[Asker] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Faucet:
    """Sends USDC on chain, from outside."""

    client: httpx.AsyncClient
    url: str

    async def pay(self, address: str, amount: str) -> None:
        """Pay at least once; a lost answer leads to another payment."""
        while True:
            with contextlib.suppress(httpx.HTTPError):
                body = {"address": address, "amount": amount}
                if (await self.client.post(self.url, json=body)).is_success:
                    return
            await asyncio.sleep(0.5)


@contextlib.asynccontextmanager
async def markets(
    stack: RunningStack, history: History, *, rnd: random.Random
) -> AsyncIterator[list[Market]]:
    """Make the marketplaces and their users, with money, for the block."""
    document = stack.document
    async with contextlib.AsyncExitStack() as opened:
        client = await opened.enter_async_context(httpx.AsyncClient(timeout=60))
        faucet = Faucet(client=client, url=document["faucetUrl"])
        made = []
        for name in MARKETS:
            async with key_store(stack) as store:
                found = await tenant(stack, store, name=name)
                key = await found.key()
            with psycopg.connect(document["databaseUrl"]) as connection:
                connection.execute(_CHOOSE, {"id": found.id, "fee": FEES[name]})
            api = await opened.enter_async_context(client_of(stack, key))
            backend = Asker(name=name, client=api, history=history)
            made.append(Market(tenant=found, backend=backend, faucet=faucet, users=()))
        yield await asyncio.gather(
            *(_with_users(market, stack, opened, random.Random(rnd.random())) for market in made)
        )


async def _with_users(
    market: Market, stack: RunningStack, opened: contextlib.AsyncExitStack, rnd: random.Random
) -> Market:
    people = []
    if market.tenant.name == WITH_PEOPLE:
        people = [await _person(market, stack, opened) for _ in range(PEOPLE)]
    names = [f"user_{number}" for number in range(USERS)]
    users = [*names, *(person.name for person in people)]
    await asyncio.gather(
        *(_user(market, name, name in names, random.Random(rnd.random())) for name in users)
    )
    return replace(market, users=names, people=people)


async def _person(market: Market, stack: RunningStack, opened: contextlib.AsyncExitStack) -> Asker:
    subject = uuid.uuid4()
    client = httpx.AsyncClient(
        base_url=f"{stack.url}/api/v1",
        headers={"Authorization": f"Bearer {token.mint(stack.document, subject=subject)}"},
        limits=httpx.Limits(max_connections=None),
    )
    await opened.enter_async_context(client)
    person = Asker(name=str(subject), client=client, history=market.backend.history)
    await person.look("/me")
    return person


async def _user(market: Market, name: str, is_new: bool, rnd: random.Random) -> None:  # noqa: FBT001
    if is_new:
        body = {"externalUserId": name, "id": name, "type": "BOTH"}
        await market.backend.change("user", "/users", body, rnd=rnd, may_wait=False)
    await pay(market, name, DEPOSIT)


async def pay(market: Market, user: str, amount: str) -> None:
    """Send a user money on chain, once the user's wallet exists."""
    while True:
        wallet = await market.backend.look(f"/users/{user}/wallet/deposit")
        if wallet is not None:
            break
        await asyncio.sleep(0.5)
    await market.faucet.pay(wallet["address"], amount)
