"""People on a running stack: each has an access token and own orders; answers are unchanged.

People receive money like every user: on chain, at the address of their wallet.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from deploy.local import token
from tests.running_stack import RunningStack
from tests.shop import WAIT_SECONDS, Shop, data_of, until

PRICE = "150.00"
REASON = "The delivered work is not what was ordered"
# A person's actions on an order, by a short name: method, path below the order, body.
ACTIONS: Mapping[str, tuple[str, str, Mapping[str, Any] | None]] = {
    "get": ("GET", "", None),
    "pay": ("POST", "/pay", None),
    "deliver": ("POST", "/deliver", {"delivery_notes": "Done", "deliverable_url": None}),
    "confirm": ("POST", "/confirm", None),
    "cancel": ("POST", "/cancel", None),
    "dispute": ("POST", "/dispute", {"reason": REASON, "evidence": ["https://cdn.example/a"]}),
    "get_dispute": ("GET", "/dispute", None),
    "evidence": ("POST", "/dispute/evidence", {"evidence": ["https://cdn.example/b"]}),
    "receipt": ("GET", "/receipt", None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person with an access token. id: the token's subject, a UUID."""

    id: uuid.UUID
    client: httpx.AsyncClient

    @classmethod
    @contextlib.asynccontextmanager
    async def of(
        cls,
        stack: RunningStack,
        *,
        subject: uuid.UUID | None = None,
        role: str | None = None,
        url: str | None = None,
        issuer: Mapping[str, str] | None = None,
    ) -> AsyncIterator["Person"]:
        """Open a person's client for the block; a new person if no subject is given.

        url: of another gateway of the same stack. issuer: another than the stack's own, as its
        gateway knows it.
        """
        known = subject or uuid.uuid4()
        document = stack.document
        if issuer is not None:
            document |= {"jwtIssuer": issuer["issuer"], "jwtAudience": issuer["audience"]}
            document |= {"jwtSecret": issuer["key"]}
        minted = token.mint(document, subject=known, role=role)
        async with httpx.AsyncClient(
            base_url=f"{url or stack.url}/api/v1",
            headers={"Authorization": f"Bearer {minted}"},
            timeout=WAIT_SECONDS,
            limits=httpx.Limits(max_connections=None),
        ) as client:
            yield cls(id=known, client=client)

    async def act(
        self, order_id: str, action: str, *, key: str | None = None, **headers: str
    ) -> httpx.Response:
        """Do one of ACTIONS to an order."""
        method, path, body = ACTIONS[action]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if method == "POST":
            named["Idempotency-Key"] = key or str(uuid.uuid4())
        return await self.client.request(
            method, f"/orders/{order_id}{path}", json=body, headers=named
        )

    async def offer(self, order_id: str, *, refund: float) -> dict[str, Any]:
        """Offer the other party that a part is refunded; returns the offer."""
        body = {"refund_amount": refund}
        return answer_of(
            await self.client.post(f"/orders/{order_id}/offers", json=body), status=201
        )

    async def order(self, business: "Person", *, amount: str = PRICE) -> str:
        """Create an order with a business; amount: as a JSON number's text. Returns its id."""
        body = f'{{"business_id": "{business.id}", "amount": {amount}}}'
        answer = await self.client.post("/orders/", content=body, headers=JSON)
        return str(answer_of(answer, status=201)["id"])

    async def status(self, order_id: str) -> str:
        """Return the order's status."""
        return str(answer_of(await self.act(order_id, "get"))["status"])


JSON = {"Content-Type": "application/json"}


async def pair(
    opened: contextlib.AsyncExitStack, shop: Shop, *, amount: str = ""
) -> tuple[Person, Person]:
    """Register a personal user, with money if an amount is given, and a business."""
    people = [await opened.enter_async_context(Person.of(shop.stack)) for _ in range(2)]
    await asyncio.gather(*(meet(person) for person in people))
    if amount:
        await shop.give(str(people[0].id), amount)
    return people[0], people[1]


async def meet(person: Person) -> dict[str, Any]:
    """Make a person's first request, which registers them; returns their profile."""
    return answer_of(await person.client.get("/me"))


def answer_of(answer: httpx.Response, *, status: int = 200) -> dict[str, Any]:
    """Return the document of a success."""
    assert answer.status_code == status, f"{answer.request.url}: {answer.text}"
    document: dict[str, Any] = answer.json()
    return document


def refusal_of(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a refusal in the documented shape."""
    document: dict[str, Any] = answer.json()
    assert set(document) - {"errors"} == {"code", "message", "detail"}, document
    return answer.status_code, str(document["code"])


async def resolved(shop: Shop, order_id: str, decision: str, **amounts: str) -> None:
    """Let support decide an order's dispute, and wait for the end."""
    dispute = (await shop.get(f"/orders/{order_id}"))["dispute"]
    data_of(await shop.resolve(dispute["id"], decision, **amounts))
    await shop.quiet(order_id)


async def settled(person: Person, order_id: str, status: str) -> None:
    """Wait until the party API shows an order with a status."""

    async def there() -> bool:
        return await person.status(order_id) == status

    await until(there, what=f"{order_id} did not become {status}")
