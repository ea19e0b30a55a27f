"""The purchase of the orders guide, step by step, through the marketplace API."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from deploy.local.demo.chain import Chain
from deploy.local.rest import Marketplace
from deploy.operator.client import Operator
from kernel.ids import from_public
from kernel.money import UNIT

BUYER = "usr_buyer123"
SELLER = "usr_seller456"
DEPOSIT = "100.00"
PRICE = "80.00"
TITLE = "Logo design"
POLL_SECONDS = 0.1
STEP_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What all sides report after a step; amounts in minor units. contract: balance on chain."""

    step: str
    state: str
    buyer_available: int
    buyer_reserved: int
    seller_available: int
    contract: int
    seconds: float
    hashes: tuple[str, ...]


class DemoFailedError(Exception):
    """A step did not finish in time, or failed."""


class Purchase:
    """One purchase. faucet_url: None: the money must come from elsewhere."""

    def __init__(
        self,
        *,
        marketplace: Marketplace,
        chain: Chain,
        faucet_url: str | None,
        operator: Operator,
        buyer: str = BUYER,
        seller: str = SELLER,
        price: str = PRICE,
        title: str = TITLE,
    ) -> None:
        self._marketplace = marketplace
        self._chain = chain
        self._faucet_url = faucet_url
        self._operator = operator
        self._fresh_hashes: list[str] = []
        self.hashes: list[str] = []
        self.buyer = buyer
        self.seller = seller
        self.price = price
        self.title = title
        self.order_id = ""
        self.contract_id = ""
        self.addresses: dict[str, str] = {}

    async def steps(self) -> AsyncIterator[Sight]:
        """Carry the purchase out; yields after each step."""
        walk: list[tuple[str, Callable[[], Awaitable[str]]]] = [
            ("users and wallets", self.register),
            (f"deposit {DEPOSIT}", self.deposit),
            ("create order", self.create),
            ("reserve", self.reserve),
            ("create escrow", self.create_escrow),
            ("fund escrow", self.fund),
            ("release", self.release),
        ]
        for name, act in walk:
            started = time.monotonic()
            state = await act()
            yield await self._look(name, state, time.monotonic() - started)

    async def balances(self, user: str) -> tuple[int, int]:
        """Return a user's available and reserved amounts."""
        balance = await self._marketplace.get(f"/users/{user}/balance")
        return minor_units(balance["available"]), minor_units(balance["reserved"])

    async def state(self) -> str:
        """Return the order's status; the final status if it has ended."""
        order = await self._marketplace.get(f"/orders/{self.order_id}")
        return f"{order['status']} {order.get('finalStatus') or ''}".strip()

    async def is_closed(self) -> bool:
        """Return whether the order has ended."""
        return (await self.state()).startswith("CLOSED")

    async def on_chain(self, user: str) -> int:
        """Return the balance of a user's wallet on chain."""
        return await self._chain.account_balance(self.addresses[user])

    async def contract_balance(self) -> int:
        """Return the balance of the order's contract on chain."""
        return await self._chain.contract_balance(self.contract_id) if self.contract_id else 0

    async def register(self) -> str:
        """Register both users, and read the addresses of their wallets."""
        for public_id, kind in ((self.buyer, "BUYER"), (self.seller, "SELLER")):
            body = {"externalUserId": public_id, "id": public_id, "type": kind}
            await self._marketplace.post("/users", body)
            deposit = await self._marketplace.get(f"/users/{public_id}/wallet/deposit")
            self.addresses[public_id] = deposit["address"]
        return "-"

    async def deposit(self) -> str:
        """Pay into the buyer's wallet on chain, and wait until the balance has the payment."""
        before, _ = await self.balances(self.buyer)
        address = self.addresses[self.buyer]
        if self._faucet_url is None:
            print(f"Send {DEPOSIT} USDC to {address}; waiting for it ...", flush=True)
        else:
            await wait_for(lambda: self._faucet(address), what="the faucet did not pay")

        async def arrived() -> bool:
            return (await self.balances(self.buyer))[0] >= before + minor_units(DEPOSIT)

        await wait_for(arrived, what="the deposit did not show in the buyer's balance")
        return "-"

    async def _faucet(self, address: str) -> bool:
        """Ask the faucet for money; returns whether it paid.

        The wallet's account may not exist on chain yet.
        """
        body = {"address": address, "amount": DEPOSIT}
        async with httpx.AsyncClient(timeout=STEP_SECONDS) as client:
            answer = await client.post(f"{self._faucet_url}", json=body)
        if answer.is_success:
            self._fresh_hashes.append(answer.json()["hash"])
        return answer.is_success

    async def create(self) -> str:
        """Create the order."""
        body = {
            "buyerId": self.buyer,
            "sellerId": self.seller,
            "amount": self.price,
            "title": self.title,
            "description": "Design a logo for my startup",
        }
        order = await self._marketplace.post("/orders", body)
        self.order_id = order["id"]
        return str(order["status"])

    async def reserve(self) -> str:
        """Reserve the price."""
        return await self.act("reserve", {"amount": self.price})

    async def create_escrow(self) -> str:
        """Deploy the contract, and wait until it exists."""
        state = await self.act("escrow")
        order = await self._marketplace.get(f"/orders/{self.order_id}")
        self.contract_id = order["escrow"]["trustlessContractId"]
        return state

    async def fund(self) -> str:
        """Lock the money in the contract."""
        return await self.act("escrow/fund")

    async def release(self) -> str:
        """Pay the seller."""
        return await self.act("resolution/release", {"requestedBy": "BUYER"})

    async def act(self, action: str, body: dict[str, Any] | None = None) -> str:
        """Request an action, and wait until it has ended; returns the order's state."""
        path = f"/orders/{self.order_id}"
        await self._marketplace.post(f"{path}/{action}", body)

        async def quiet() -> bool:
            return not (await self._marketplace.get(path)).get("operation")

        await wait_for(quiet, what=f"{action} did not end")
        return await self.state()

    async def _look(self, step: str, state: str, seconds: float) -> Sight:
        available, reserved = await self.balances(self.buyer)
        seller, _ = await self.balances(self.seller)
        return Sight(
            step=step,
            state=state,
            buyer_available=available,
            buyer_reserved=reserved,
            seller_available=seller,
            contract=await self.contract_balance(),
            seconds=seconds,
            hashes=await self._new_hashes(),
        )

    async def _new_hashes(self) -> tuple[str, ...]:
        """Return the chain transactions since the previous call."""
        fresh = self._fresh_hashes
        self._fresh_hashes = []
        order_id = from_public("ord", self.order_id)
        if order_id is not None:
            known = await self._operator.transactions(order_id)
            fresh += [found.hash for found in known if found.hash not in self.hashes]
        self.hashes += fresh
        return tuple(fresh)


async def wait_for(condition: Callable[[], Awaitable[bool]], *, what: str) -> None:
    """Wait until a condition holds.

    Raises: DemoFailedError: it does not hold in time; the message has `what`.
    """
    deadline = time.monotonic() + STEP_SECONDS
    while not await condition():
        if time.monotonic() > deadline:
            raise DemoFailedError(f"{what} within {STEP_SECONDS:.0f} s")
        await asyncio.sleep(POLL_SECONDS)


def minor_units(amount: str) -> int:
    """Parse an amount as the API prints it; zero is allowed."""
    value = Decimal(amount) * UNIT
    if value != value.to_integral_value():
        raise DemoFailedError(f"{amount} has more than seven decimals")
    return int(value)
