"""API keys on a running stack: creation, listing, revocation and rate limits."""

import asyncio
import subprocess
from collections.abc import AsyncIterator

import httpx
import psycopg
import pytest

from deploy.local.process import python_module
from deploy.local.settings import ROOT, child_environment
from gateway.keys import SCOPES, KeyStore, id_of
from tests.e2e.tenants import Tenant, client_of, key_store, tenant
from tests.replica import another_gateway, gateway_environment
from tests.running_stack import RunningStack
from tests.shop import WAIT_SECONDS, Shop, data_of, error_of, until

KEYS = "/auth/api-keys"


@pytest.fixture(scope="module")
async def store(stack: RunningStack) -> AsyncIterator[KeyStore]:
    async with key_store(stack) as opened:
        yield opened


@pytest.fixture
async def own(stack: RunningStack, store: KeyStore) -> Tenant:
    """A marketplace of one test alone."""
    return await tenant(stack, store)


@pytest.fixture
async def shop(own: Tenant) -> AsyncIterator[Shop]:
    async with own.shop() as opened:
        yield opened


async def test_key_is_shown_once_and_not_stored(shop: Shop) -> None:
    made = data_of(await shop.post(KEYS, {"scopes": ["read"], "name": "reports"}), status=201)
    key = made.pop("key")

    async with client_of(shop.stack, key) as client:
        me = data_of(await client.get("/me"), status=200)
    listed = await shop.client.get(KEYS)

    assert key.startswith("ohk_live_")
    assert (me["keyId"], me["name"], me["scopes"]) == (made["id"], "reports", ["read"])
    assert listed.json()["data"][0] == made
    assert secret_of(key) not in listed.text
    assert secret_of(key) not in dump(shop.stack)
    assert secret_of(key) not in logs(shop.stack)


def secret_of(key: str) -> str:
    """Return the secret part of a key."""
    return key.rpartition("_")[2]


def dump(stack: RunningStack) -> str:
    """Read the gateway's tables, every row as text."""
    url = str(stack.document["databaseUrl"])
    with psycopg.connect(url) as connection:
        rows = connection.execute("select k::text from gateway.api_keys k").fetchall()
    return "\n".join(row[0] for row in rows)


def logs(stack: RunningStack) -> str:
    """Read the logs of every part."""
    folder = stack.run_dir / "logs"
    return "\n".join(path.read_text(errors="replace") for path in folder.glob("*.log"))


async def test_revoked_key_is_refused_at_once_and_revoking_again_changes_nothing(
    shop: Shop,
) -> None:
    made = data_of(await shop.post(KEYS, {"scopes": ["read"]}), status=201)
    async with client_of(shop.stack, made["key"]) as client:
        assert (await client.get("/orders")).status_code == 200
        revoked = await shop.client.delete(f"{KEYS}/{made['id']}")
        refused = await client.get("/orders")
    again = await shop.client.delete(f"{KEYS}/{made['id']}")

    assert error_of(refused, status=401)["code"] == "INVALID_API_KEY"
    assert data_of(revoked, status=200)["revokedAt"] is not None
    assert again.json() == revoked.json()


async def test_revoking_a_key_ends_its_streams_on_every_gateway(shop: Shop) -> None:
    made = data_of(await shop.post(KEYS, {"scopes": ["read"]}), status=201)
    with another_gateway(shop.stack) as url:
        async with (
            client_of(shop.stack, made["key"]) as here,
            client_of(shop.stack, made["key"], url=url) as there,
            here.stream("GET", "/events") as one,
            there.stream("GET", "/events") as other,
        ):
            assert (one.status_code, other.status_code) == (200, 200)
            data_of(await shop.client.delete(f"{KEYS}/{made['id']}"), status=200)

            async with asyncio.timeout(WAIT_SECONDS):
                await asyncio.gather(one.aread(), other.aread())
            refused = await there.get("/events")

    assert error_of(refused, status=401)["code"] == "INVALID_API_KEY"


async def test_key_can_revoke_itself(own: Tenant) -> None:
    async with own.shop() as shop:
        me = await shop.get("/me")

        data_of(await shop.client.delete(f"{KEYS}/{me['keyId']}"), status=200)

        assert error_of(await shop.client.get("/me"), status=401)["code"] == "INVALID_API_KEY"


async def test_live_and_test_marketplaces_of_one_name_share_no_data(
    stack: RunningStack, store: KeyStore, own: Tenant
) -> None:
    other = await tenant(stack, store, name=own.name, environment="test")
    async with own.shop() as live, other.shop() as test:
        user = await live.user()
        made = data_of(await test.post(KEYS, {"scopes": ["read"]}), status=201)

        assert made["key"].startswith("ohk_test_")
        assert error_of(await test.client.get(f"/users/{user}"), status=404)
        assert (await test.client.get("/users")).json()["data"] == []
        identities = [await shop.get("/me") for shop in (live, test)]
        listed = [(await shop.client.get(KEYS)).json()["data"] for shop in (live, test)]
    assert [me["environment"] for me in identities] == ["live", "test"]
    assert identities[0]["marketplaceId"] != identities[1]["marketplaceId"]
    assert {key["environment"] for key in listed[0]} == {"live"}
    assert {key["environment"] for key in listed[1]} == {"test"}


async def test_environment_in_a_key_cannot_be_changed(own: Tenant) -> None:
    key = await own.key()
    forged = key.replace("ohk_live_", "ohk_test_")

    async with client_of(own.stack, forged) as client:
        refused = await client.get("/me")

    assert error_of(refused, status=401)["code"] == "INVALID_API_KEY"


async def test_each_key_has_its_own_rate_limit(own: Tenant) -> None:
    keys = [await own.key() for _ in range(2)]
    with another_gateway(own.stack, RATE_LIMIT_PER_MINUTE="3") as url:
        async with (
            client_of(own.stack, keys[0], url=url) as one,
            client_of(own.stack, keys[1], url=url) as two,
        ):
            answers = [await one.get("/me") for _ in range(4)]
            others = [await two.get("/me") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [remaining(answer) for answer in answers] == [2, 1, 0, 0]
    details = error_of(answers[3], status=429)["details"]
    assert 1 <= details.pop("retryAfter") == int(answers[3].headers["retry-after"]) <= 20
    assert details == {"limit": 3, "window": 60}
    assert [answer.status_code for answer in others] == [200, 200, 200]


def remaining(answer: httpx.Response) -> int:
    assert answer.headers["x-ratelimit-limit"] == "3"
    return int(answer.headers["x-ratelimit-remaining"])


async def test_operator_creates_and_revokes_keys_for_every_gateway(
    stack: RunningStack, own: Tenant
) -> None:
    key = tool(stack, "create", "--marketplace", own.name, "--scopes", ",".join(SCOPES))
    async with client_of(stack, key) as client:
        assert data_of(await client.get("/me"), status=200)["marketplaceId"] == str(own.id)

        tool(stack, "revoke", id_of(key) or "", "--marketplace", own.name)

        async def refused() -> bool:
            return (await client.get("/me")).status_code == 401

        await until(refused, what="a revoked key was still trusted")


def tool(stack: RunningStack, *arguments: str) -> str:
    """Run the gateway's key tool; returns the last line of its output."""
    done = subprocess.run(
        python_module("gateway.keytool", *arguments),
        env=child_environment(**gateway_environment(stack)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().splitlines()[-1]


async def test_concurrent_requests_are_all_counted(own: Tenant) -> None:
    key = await own.key()
    with another_gateway(own.stack, RATE_LIMIT_PER_MINUTE="20") as url:
        async with client_of(own.stack, key, url=url) as client:
            answers = await asyncio.gather(*(client.get("/me") for _ in range(60)))

    served = [answer.status_code for answer in answers].count(200)
    # A token comes back every three seconds.
    assert 20 <= served < 40
    assert {answer.status_code for answer in answers} == {200, 429}
