"""One order in both APIs: its parties use the party API, the marketplace only reads it."""

import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from orchestrator.ledger.v1.ledger_pb2 import InvariantResult

from deploy.local import token
from deploy.local.demo.purchase import DemoFailedError, wait_for
from deploy.local.rest import Marketplace
from kernel.ids import parse_uuid, to_public

AMOUNT, DEPOSIT = "150.00", "150.00"
NOTES = "Final report"
TIMEOUT_SECONDS = 60.0
# The order's state in both views after each step (docs/states.md).
EXPECTED = (
    ("create", "ORDER_CREATED", "pending_payment"),
    ("pay", "IN_PROGRESS", "paid"),
    ("deliver", "IN_PROGRESS", "delivered"),
    ("confirm", "CLOSED", "completed"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The order's state in both views after a step."""

    step: str
    marketplace: str
    party: str
    seconds: float


class TwoViews:
    """The order in both views. document: the running stack's stack.json."""

    def __init__(self, *, document: Mapping[str, Any], marketplace: Marketplace) -> None:
        self._document = document
        self._marketplace = marketplace
        self._buyer, self._business = uuid.uuid4(), uuid.uuid4()
        self.receipt: dict[str, Any] = {}
        self.order_id = ""

    async def steps(self) -> AsyncIterator[Look]:
        """Carry the order out; yields its state in both views after each step."""
        await self._fund_buyer()
        walk = (
            ("create", self._buyer, "/orders/", self._new_order()),
            ("pay", self._buyer, "/orders/{id}/pay", None),
            ("deliver", self._business, "/orders/{id}/deliver", {"delivery_notes": NOTES}),
            ("confirm", self._buyer, "/orders/{id}/confirm", None),
        )
        for step, user, path, body in walk:
            started = time.monotonic()
            order = await self._party("POST", path.format(id=self.order_id), user, body)
            self.order_id = order["id"]
            seen = await self._marketplace.get(f"/orders/{self._public_id()}")
            yield Look(
                step=step,
                marketplace=seen["status"],
                party=order["status"],
                seconds=time.monotonic() - started,
            )
        path = f"/orders/{self.order_id}/receipt"
        self.receipt = await self._party("GET", path, self._business, None)

    def checks(self, looks: list[Look]) -> list[InvariantResult]:
        """Compare the states with the documented ones."""
        said = tuple((look.step, look.marketplace, look.party) for look in looks)
        income = self.receipt.get("business_income")
        fee = self.receipt.get("platform_fee")
        return [
            InvariantResult(
                name="both views showed the same order, each with its own states",
                holds=said == EXPECTED,
                details=", ".join(f"{m} = {p}" for _, m, p in said),
            ),
            InvariantResult(
                name="the receipt adds up: income plus platform fee is the amount",
                holds=(income, fee) == (135.0, 15.0),
                details=f"{income} + {fee}",
            ),
        ]

    async def _fund_buyer(self) -> None:
        """Register both users by their first request, and pay into the buyer's wallet on chain."""
        for user in (self._buyer, self._business):
            await self._party("GET", "/orders/?role=personal", user, None)
        deposit = await self._marketplace.get(f"/users/{self._buyer}/wallet/deposit")
        body = {"address": deposit["address"], "amount": DEPOSIT}

        async def paid() -> bool:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
                answer = await client.post(self._document["faucetUrl"], json=body)
            return answer.is_success

        async def arrived() -> bool:
            balance = await self._marketplace.get(f"/users/{self._buyer}/balance")
            return str(balance["available"]) == DEPOSIT

        await wait_for(paid, what="the faucet did not pay")
        await wait_for(arrived, what="the deposit did not show")

    def _new_order(self) -> dict[str, Any]:
        return {"business_id": str(self._business), "amount": float(AMOUNT), "currency": "USD"}

    def _public_id(self) -> str:
        order_id = parse_uuid(self.order_id)
        if order_id is None:
            raise DemoFailedError(f"{self.order_id} is not a UUID")
        return to_public("ord", order_id)

    async def _party(
        self, method: str, path: str, user: uuid.UUID, body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        access = token.mint(self._document, subject=user)
        async with httpx.AsyncClient(
            base_url=f"{self._document['url']}/api/v1",
            headers={"Authorization": f"Bearer {access}"},
            timeout=TIMEOUT_SECONDS,
        ) as client:
            answer = await client.request(method, path, json=body)
        if not answer.is_success:
            raise DemoFailedError(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        document: dict[str, Any] = answer.json()
        return document
