"""A marketplace's backend on a running stack: users with money, and orders.

Answers are returned unchanged: a test sees statuses, headers and bytes.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.patience import PATIENCE_SECONDS, pauses
from tests.running_stack import RunningStack

PRICE = "80.00"
WAIT_SECONDS = PATIENCE_SECONDS
Body = Mapping[str, Any] | None

# The commands on an order, by a short name: the path below the order, and a body.
COMMANDS: Mapping[str, tuple[str, Body]] = {
    "reserve": ("reserve", {}),
    "escrow": ("escrow", None),
    "fund": ("escrow/fund", None),
    "cancel": ("cancel", {"canceledBy": "BUYER", "reason": "Changed my mind"}),
    "release": ("resolution/release", {"requestedBy": "BUYER"}),
    "refund": ("resolution/refund", {"requestedBy": "BUYER"}),
    "dispute": ("resolution/dispute", {"openedBy": "BUYER", "reason": "QUALITY_ISSUE"}),
}
# The commands that lead from a new order to a state where it can rest.
WAY: Mapping[str, tuple[str, ...]] = {
    "ORDER_CREATED": (),
    "FUNDS_RESERVED": ("reserve",),
    "ESCROW_CREATING": ("reserve", "escrow"),
    "IN_PROGRESS": ("reserve", "escrow", "fund"),
    "DISPUTED": ("reserve", "escrow", "fund", "dispute"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A buyer and a seller by public id."""

    buyer: str
    seller: str


class Shop:
    """The API with the demo marketplace's key. Each POST has a fresh key unless one is given."""

    def __init__(self, client: httpx.AsyncClient, stack: RunningStack) -> None:
        self.client = client
        self.stack = stack

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, stack: RunningStack, *, url: str | None = None) -> AsyncIterator["Shop"]:
        """Open a client for the block. url: of another gateway of the same stack."""
        document = stack.document
        async with httpx.AsyncClient(
            base_url=f"{url or document['url']}/api/v1",
            headers={"Authorization": f"Bearer {document['apiKey']}"},
            timeout=WAIT_SECONDS,
            limits=httpx.Limits(max_connections=None),
        ) as client:
            yield cls(client, stack)

    async def post(
        self, path: str, body: Body = None, *, key: str | None = None, **headers: str
    ) -> httpx.Response:
        """POST, and return the answer unchanged. headers: by name, with _ instead of -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Idempotency-Key"] = key or str(uuid.uuid4())
        return await self.client.post(path, json=body, headers=named)

    async def get(self, path: str) -> dict[str, Any]:
        """GET a resource that must exist; returns its data."""
        return data_of(await self.client.get(path))

    async def act(
        self, order_id: str, command: str, *, key: str | None = None, **headers: str
    ) -> httpx.Response:
        """Do one of COMMANDS to an order."""
        path, body = COMMANDS[command]
        return await self.post(f"/orders/{order_id}/{path}", body, key=key, **headers)

    async def resolve(
        self, dispute_id: str, decision: str, *, key: str | None = None, **amounts: str
    ) -> httpx.Response:
        """Decide a dispute. amounts: releaseAmount, refundAmount of a SPLIT."""
        body = {"decision": decision, **amounts}
        return await self.post(f"/disputes/{dispute_id}/resolve", body, key=key)

    async def user(self, public_id: str | None = None) -> str:
        """Register a user who may buy and sell; returns the public id."""
        name = public_id or f"usr_{uuid.uuid4().hex[:16]}"
        data_of(await self.post("/users", {"externalUserId": name, "id": name}), status=201)
        return name

    async def pair(self, *, amount: str = "") -> Pair:
        """Register a buyer, with money if an amount is given, and a seller."""
        buyer, seller = await asyncio.gather(self.user(), self.user())
        if amount:
            await self.give(buyer, amount)
        return Pair(buyer=buyer, seller=seller)

    async def give(self, user: str, amount: str) -> None:
        """Pay USDC to a user's wallet on chain, and wait until the money is available."""
        address = (await self.get(f"/users/{user}/wallet/deposit"))["address"]
        faucet = self.stack.document["faucetUrl"]
        before = (await self.get(f"/users/{user}/balance"))["available"]

        async def paid() -> bool:
            body = {"address": address, "amount": amount}
            return (await self.client.post(faucet, json=body)).is_success

        async def arrived() -> bool:
            return bool((await self.get(f"/users/{user}/balance"))["available"] != before)

        await until(paid, what="the faucet did not pay")
        await until(arrived, what="the deposit did not arrive")

    async def balance(self, user: str) -> tuple[str, str]:
        """Return a user's available and reserved amounts."""
        found = await self.get(f"/users/{user}/balance")
        return found["available"], found["reserved"]

    async def order(
        self,
        pair: Pair,
        *,
        amount: str = PRICE,
        title: str = "Logo design",
        milestones: Mapping[str, str] | None = None,
    ) -> str:
        """Create an order; returns its id. milestones: amounts by ref."""
        body: dict[str, Any] = {
            "buyerId": pair.buyer,
            "sellerId": pair.seller,
            "amount": amount,
            "title": title,
        }
        parts = [
            {"ref": ref, "title": f"Part {ref}", "amount": part}
            for ref, part in (milestones or {}).items()
        ]
        if parts:
            body["milestones"] = parts
        return str(data_of(await self.post("/orders", body), status=201)["id"])

    async def order_in(
        self,
        state: str,
        pair: Pair,
        *,
        amount: str = PRICE,
        milestones: Mapping[str, str] | None = None,
    ) -> str:
        """Create an order and bring it to a state, with no operation running; returns its id."""
        order_id = await self.order(pair, amount=amount, milestones=milestones)
        for command in WAY[state]:
            data_of(await self.act(order_id, command))
        await self.quiet(order_id)
        assert (await self.get(f"/orders/{order_id}"))["status"] == state
        return order_id

    async def quiet(self, order_id: str) -> dict[str, Any]:
        """Wait until no operation is in progress on an order; returns the order."""
        found: dict[str, Any] = {}

        async def ended() -> bool:
            found.update(await self.get(f"/orders/{order_id}"))
            return found["operation"] is None

        await until(ended, what=f"the operation on {order_id} did not end")
        return found


@contextlib.asynccontextmanager
async def nothing_is_sent(stack: RunningStack) -> AsyncIterator[None]:
    """Stop the chain: during the block, its node accepts no transaction."""
    url = f"{stack.document['devnetUrl']}/faults"
    fault = {"kind": "rpc_down", "function": "sendTransaction", "count": 1_000_000}
    async with httpx.AsyncClient() as client:
        (await client.post(url, json=fault)).raise_for_status()
        try:
            yield
        finally:
            (await client.delete(url)).raise_for_status()


def data_of(answer: httpx.Response, *, status: int | None = None) -> dict[str, Any]:
    """Return a success's data without its envelope. status: None: any success."""
    is_right = answer.is_success if status is None else answer.status_code == status
    assert is_right, f"{answer.request.url}: {answer.status_code} {answer.text}"
    document: dict[str, Any] = answer.json()
    assert document["success"] is True
    data: dict[str, Any] = document["data"]
    return data


def error_of(answer: httpx.Response, *, status: int) -> dict[str, Any]:
    """Return a refusal's code, message and details, without its envelope."""
    assert answer.status_code == status, f"{answer.request.url}: {answer.status_code} {answer.text}"
    document: dict[str, Any] = answer.json()
    assert set(document) == {"success", "error"}
    assert document["success"] is False
    error: dict[str, Any] = document["error"]
    assert set(error) == {"code", "message", "details"}
    return error


async def until(condition: Callable[[], Awaitable[bool]], *, what: str) -> None:
    """Wait until a condition holds. Raises: AssertionError with `what`: the time is over."""
    deadline = time.monotonic() + WAIT_SECONDS
    for pause in pauses():
        if await condition():
            return
        assert time.monotonic() < deadline, f"{what} within {WAIT_SECONDS:.0f} s"
        await asyncio.sleep(pause)
