"""The examples of both OpenAPI documents succeed unchanged."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Collection
from typing import Any

import httpx
import pytest

from kernel.money import CENT
from tests.e2e import trails
from tests.e2e.tenants import (
    a_fee_withdrawal_to_approve,
    a_withdrawal_to_approve,
    block_seller,
    client_of,
    earn,
    key_store,
    tenant,
)
from tests.people import Person, answer_of, meet
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of

BUYER = "usr_alice"


class Examples:
    """The examples of a document, by its operations' names."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.bodies: dict[str, dict[str, Any]] = {}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                content = operation.get("requestBody", {}).get("content", {})
                shown = content.get("application/json", {}).get("examples", {})
                if shown:
                    values = {name: one["value"] for name, one in shown.items()}
                    self.bodies[f"{method.upper()} {path}"] = values
        self.sent: set[str] = set()

    async def delete(self, client: httpx.AsyncClient, path: str, **ids: str) -> None:
        """Delete something."""
        headers = trails.named(f"DELETE /api/v1{path}")
        data_of(await client.delete(path.format(**ids), headers=headers))

    async def require_lines(
        self, reader: httpx.AsyncClient, *, besides: Collection[dict[str, Any]] = ()
    ) -> None:
        """Check that every operation that changes something has left its line.

        reader: of the trail; besides: lines of another marketplace.
        """
        found = [*await trails.lines(reader), *besides]
        assert trails.mutating(self.document) - trails.operations(found) == set()
        actions = {line["action"].removesuffix("_failed") for line in found}
        assert actions - trails.documented() == set()

    @property
    def operations(self) -> set[str]:
        """The operations that have examples."""
        return set(self.bodies)

    async def send(
        self,
        client: httpx.AsyncClient,
        path: str,
        name: str = "",
        *,
        method: str = "POST",
        **ids: str,
    ) -> httpx.Response:
        """Send an example; without a name, the only one. ids: the ids in the path."""
        operation = f"{method} /api/v1{path}"
        self.sent.add(operation)
        bodies = self.bodies[operation]
        body = bodies[name] if name else next(iter(bodies.values()))
        headers = trails.named(operation)
        return await client.request(method, path.format(**ids), json=body, headers=headers)


async def examples(stack: RunningStack, path: str) -> Examples:
    """Read the examples of a document that the gateway serves."""
    async with httpx.AsyncClient(base_url=stack.url) as reader:
        return Examples((await reader.get(path)).json())


@pytest.fixture
async def shop(stack: RunningStack) -> AsyncIterator[Shop]:
    """A new marketplace."""
    async with key_store(stack) as store:
        own = await tenant(stack, store)
        own.allow_credits()
        async with own.shop() as opened:
            yield opened


async def withdrawn(shown: Examples, shop: Shop) -> None:
    """Send the examples of withdrawals."""
    client = shop.client
    waiting = await a_withdrawal_to_approve(shop, "usr_bob")
    data_of(await shown.send(client, "/withdrawals/{id}/approve", id=waiting))
    for act in ("commit", "cancel"):
        made = data_of(await shown.send(client, "/withdrawals", "withdrawal"), status=201)
        data_of(await shown.send(client, f"/withdrawals/{{id}}/{act}", id=made["id"]))
    paid = data_of(await shown.send(client, "/withdrawals", "committed"), status=201)
    assert paid["status"] == "COMPLETED"
    await _fees_withdrawn(shown, shop)


async def _fees_withdrawn(shown: Examples, shop: Shop) -> None:
    await earn(shop, minor_units=200 * CENT)
    path, client = "/platform/withdrawals", shop.client
    for act in ("commit", "cancel"):
        made = data_of(await shown.send(client, path, "fees"), status=201)
        data_of(await shown.send(client, f"{path}/{{id}}/{act}", id=made["id"]))
    waiting = await a_fee_withdrawal_to_approve(shop)
    paid = data_of(await shown.send(client, f"{path}/{{id}}/approve", id=waiting))
    assert paid["status"] == "COMPLETED"


async def told(shown: Examples, client: httpx.AsyncClient) -> None:
    """Send the examples of webhooks."""
    made = data_of(await shown.send(client, "/webhooks", "orders"), status=201)
    data_of(await shown.send(client, "/webhooks", "all"), status=201)
    data_of(await shown.send(client, "/webhooks/{id}", "types", method="PATCH", id=made["id"]))
    for act in ("rotate-secret", "resend"):
        data_of(await shown.send(client, f"/webhooks/{{id}}/{act}", id=made["id"]))
    sent = data_of(await shown.send(client, "/webhooks/{id}/test", id=made["id"]))
    path = "/webhooks/{id}/deliveries/{deliveryId}/resend"
    data_of(await shown.send(client, path, id=made["id"], deliveryId=sent["id"]))
    data_of(await shown.send(client, "/webhooks/{id}", "off", method="PATCH", id=made["id"]))
    await shown.delete(client, "/webhooks/{id}", id=made["id"])


async def clock_moved(shown: Examples, stack: RunningStack) -> list[dict[str, Any]]:
    """Move the clock of the test marketplace as the example does; returns the lines of that."""
    async with client_of(stack, str(stack.document["testKey"])) as test:
        data_of(await shown.send(test, "/test/clock"))
        return await trails.lines(test, action="clock.advance")


async def keyed(shown: Examples, client: httpx.AsyncClient) -> None:
    """Create a key as the example does, and revoke it."""
    made = data_of(await shown.send(client, "/auth/api-keys"), status=201)
    await shown.delete(client, "/auth/api-keys/{id}", id=made["id"])


async def redirected(shown: Examples, shop: Shop, order_id: str) -> None:
    """Send the example that redirects a payout, of a seller whom nobody can pay."""
    await block_seller(shop, order_id)
    answer = await shown.send(shop.client, "/orders/{id}/redirect-payout", id=order_id)
    assert data_of(answer)["status"] == "APPROVED"


async def test_marketplace_api_examples_succeed_unchanged(stack: RunningStack, shop: Shop) -> None:
    shown = await examples(stack, "/openapi.json")
    client = shop.client
    for name in ("buyer", "seller"):
        data_of(await shown.send(client, "/users", name), status=201)
    data_of(await shown.send(client, "/users/{id}/balance/credit", id=BUYER))
    await shop.give(BUYER, "900.00")
    moved = await clock_moved(shown, stack)
    await shop.give("usr_bob", "11.00")
    await asyncio.gather(withdrawn(shown, shop), told(shown, client), keyed(shown, client))

    async def ordered(*actions: str, example: str = "order") -> str:
        order_id = data_of(await shown.send(client, "/orders", example), status=201)["id"]
        for action in actions:
            data_of(await shown.send(client, f"/orders/{{id}}/{action}", id=order_id))
            await shop.quiet(order_id)
        return str(order_id)

    locked = ("reserve", "escrow", "escrow/fund")

    async def ended(end: str, *actions: str, example: str = "order") -> None:
        order_id = await ordered(*actions, example=example)
        assert (await shop.get(f"/orders/{order_id}"))["finalStatus"] == end

    async def completed() -> None:
        order_id = await ordered(*locked, "deliver", example="milestones")
        path = "/orders/{id}/milestones/{ref}/complete"
        for ref in ("draft", "final"):
            data_of(await shown.send(client, path, id=order_id, ref=ref))
        data_of(await shown.send(client, "/orders/{id}/resolution/release", id=order_id))

    async def offered(answer: str) -> None:
        order_id = await ordered(*locked)
        made = await shown.send(client, "/orders/{id}/offers", id=order_id)
        offer_id = data_of(made, status=201)["id"]
        path = f"/orders/{{id}}/offers/{{offerId}}/{answer}"
        data_of(await shown.send(client, path, id=order_id, offerId=offer_id))

    async def decided(decision: str, end: str) -> None:
        order_id = await ordered(*locked, "resolution/dispute")
        case = (await shop.get(f"/orders/{order_id}"))["dispute"]["id"]
        for step in ("assign", "unassign", "messages", "notes", "evidence"):
            data_of(await shown.send(client, f"/disputes/{{id}}/{step}", id=case))
        resolved = await shown.send(client, "/disputes/{id}/resolve", decision, id=case)
        assert data_of(resolved)["order"]["finalStatus"] == end

    await redirected(shown, shop, await ordered(*locked))
    await asyncio.gather(
        completed(),
        offered("accept"),
        offered("decline"),
        ended("RELEASED", *locked, "resolution/release"),
        ended("REFUNDED", *locked, "resolution/refund"),
        ended("CANCELED", "reserve", "cancel"),
        decided("split", "RELEASED"),
        decided("refund", "REFUNDED"),
        decided("release", "RELEASED"),
    )
    assert shown.sent == shown.operations
    await shown.require_lines(client, besides=moved)


async def paid_out(shown: Examples, client: httpx.AsyncClient) -> None:
    """Send the party API's examples of withdrawals."""
    path = "/me/withdrawals"
    for act in ("commit", "cancel"):
        made = answer_of(await shown.send(client, path, "withdrawal"), status=201)
        one = f"{path}/{{withdrawal_id}}/{act}"
        answer_of(await shown.send(client, one, withdrawal_id=made["id"]))
    paid = answer_of(await shown.send(client, path, "committed"), status=201)
    assert paid["status"] == "completed"


async def test_party_api_examples_succeed_unchanged(stack: RunningStack) -> None:
    shown = await examples(stack, "/party/openapi.json")
    async with contextlib.AsyncExitStack() as opened:
        shop = await opened.enter_async_context(Shop.of(stack))
        personal = await opened.enter_async_context(Person.of(stack))
        body = shown.bodies["POST /api/v1/orders/"]["order"]
        business = await opened.enter_async_context(
            Person.of(stack, subject=uuid.UUID(body["business_id"]))
        )
        await meet(business)
        await meet(personal)
        await shop.give(str(personal.id), "900.00")
        await paid_out(shown, personal.client)

        async def ordered(*actions: tuple[Person, str]) -> str:
            made = await shown.send(personal.client, "/orders/")
            order_id = answer_of(made, status=201)["id"]
            for person, action in actions:
                answer = await shown.send(
                    person.client, f"/orders/{{order_id}}/{action}", order_id=order_id
                )
                assert answer.is_success, answer.text
                await shop.quiet(order_id)
            return str(order_id)

        async def offered(answer: str) -> None:
            order_id = await ordered((personal, "pay"))
            path = "/orders/{order_id}/offers"
            made = await shown.send(business.client, path, order_id=order_id)
            offer_id = answer_of(made, status=201)["id"]
            answered = await shown.send(
                personal.client,
                f"{path}/{{offer_id}}/{answer}",
                order_id=order_id,
                offer_id=offer_id,
            )
            assert answered.is_success, answered.text
            if answer == "decline":
                # No order of the business is left open: other tests count them.
                answer_of(await personal.act(order_id, "confirm"))

        await asyncio.gather(
            offered("accept"),
            offered("decline"),
            ordered((personal, "cancel")),
            ordered((personal, "pay"), (business, "deliver"), (personal, "confirm")),
            ordered(
                (personal, "pay"),
                (personal, "dispute"),
                (business, "dispute/messages"),
                (business, "dispute/evidence"),
            ),
        )

    assert shown.sent == shown.operations
    async with Shop.of(stack) as shop:
        await shown.require_lines(shop.client)
