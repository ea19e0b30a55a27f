"""People of support on a running stack: they read, preview and decide, under their own name."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest

from deploy.local import token
from tests.e2e.trails import lines
from tests.people import Person, answer_of, pair, settled
from tests.shop import WAIT_SECONDS, Shop, data_of, error_of


@contextlib.asynccontextmanager
async def desk(shop: Shop, subject: str, *, name: str | None = None) -> AsyncIterator[Shop]:
    """Open a client with the token of a person of support."""
    document, now = shop.stack.document, int(time.time())
    claims = {
        "iss": document["jwtIssuer"],
        "aud": document["jwtAudience"],
        "sub": subject,
        "iat": now,
        "exp": now + 600,
        "role": "support",
    }
    minted = jwt.encode(
        claims | ({} if name is None else {"name": name}), document["jwtSecret"], token.ALGORITHM
    )
    async with httpx.AsyncClient(
        base_url=f"{shop.stack.url}/api/v1",
        headers={"Authorization": f"Bearer {minted}"},
        timeout=WAIT_SECONDS,
    ) as client:
        yield Shop(client, shop.stack)


async def disputed(opened: contextlib.AsyncExitStack, shop: Shop) -> tuple[Person, Person, str]:
    """Let two people disagree about an order; returns them and its id."""
    buyer, business = await pair(opened, shop, amount="100.00")
    order_id = await buyer.order(business, amount="10.00")
    answer_of(await buyer.act(order_id, "pay"))
    answer_of(await buyer.act(order_id, "dispute"), status=201)
    await shop.quiet(order_id)
    return buyer, business, order_id


async def test_person_of_support_finds_previews_and_decides_a_dispute(shop: Shop) -> None:
    ann = f"auth0|{uuid.uuid4().hex[:8]}"
    split = {"decision": "SPLIT", "releaseAmount": "4.00", "refundAmount": "6.00"}
    async with contextlib.AsyncExitStack() as opened:
        buyer, _, order_id = await disputed(opened, shop)
        support = await opened.enter_async_context(desk(shop, ann, name="Ann Lée"))

        asked = await support.client.get("/disputes", params={"orderId": order_id})
        listed: list[dict[str, Any]] = asked.json()["data"]
        case = f"/disputes/{listed[0]['id']}"
        preview = data_of(await support.post(f"{case}/resolve", split, Prefer="dry-run"))
        unchanged = await support.get(case)
        data_of(await support.post(f"{case}/resolve", split))
        await shop.quiet(order_id)
        await settled(buyer, order_id, "completed")

        decided = await support.get(case)
        seen = answer_of(await buyer.act(order_id, "get_dispute"))
        refused = await support.post(f"/orders/{order_id}/cancel", {})
        taken = await support.client.get("/webhooks")
        told = await lines(support.client, actor=f"support:{ann}")

    assert len(listed) == 1
    assert preview["dryRun"] is True
    # The business pays the fee of what it gets.
    shares = preview["order"]["releasedAmount"], preview["order"]["refundedAmount"]
    assert shares == ("3.60", "6.00")
    assert (unchanged["status"], unchanged["decision"]) == ("OPEN", None)
    assert (decided["status"], decided["decision"]) == ("RESOLVED", "SPLIT")
    assert (decided["resolvedBy"], decided["resolvedByName"]) == (f"support:{ann}", "Ann Lée")
    assert [(line["action"], line["role"]) for line in told] == [
        ("order.resolve_dispute", "support")
    ]
    assert ann not in str(seen)
    assert "Ann" not in str(seen)
    for answer in (refused, taken):
        assert error_of(answer, status=403)["code"] == "INSUFFICIENT_SCOPE"


async def test_of_two_people_who_decide_at_once_one_is_recorded(shop: Shop) -> None:
    async with contextlib.AsyncExitStack() as opened:
        _, _, order_id = await disputed(opened, shop)
        people = {
            name: await opened.enter_async_context(desk(shop, f"{name}-{uuid.uuid4().hex[:8]}"))
            for name in ("ann", "bo", "cy")
        }
        dispute_id = (await shop.get(f"/orders/{order_id}"))["dispute"]["id"]
        # The same key is another request of each person, and of the marketplace's own key.
        key = str(uuid.uuid4())
        decisions = dict(zip(people, ("FULL_RELEASE", "FULL_REFUND", "FULL_RELEASE"), strict=True))

        answers: dict[str, Any] = dict(
            zip(
                people,
                await asyncio.gather(
                    *(
                        one.resolve(dispute_id, decisions[name], key=key)
                        for name, one in people.items()
                    )
                ),
                strict=True,
            )
        )
        await shop.quiet(order_id)
        case = await shop.get(f"/disputes/{dispute_id}")

    won = [name for name, answer in answers.items() if answer.is_success]
    lost = [answer for answer in answers.values() if not answer.is_success]
    assert len(won) == 1
    assert case["resolvedBy"].startswith(f"support:{won[0]}-")
    assert (case["decision"], case["resolvedByName"]) == (decisions[won[0]], None)
    assert [error_of(answer, status=409)["code"] for answer in lost] == ["INVALID_STATE"] * 2


@pytest.mark.parametrize("side", ["buyer", "business"])
async def test_nobody_of_support_works_on_a_dispute_of_their_own(shop: Shop, side: str) -> None:
    async with contextlib.AsyncExitStack() as opened:
        buyer, business, order_id = await disputed(opened, shop)
        own = buyer if side == "buyer" else business
        support = await opened.enter_async_context(desk(shop, str(own.id)))
        dispute_id = (await shop.get(f"/orders/{order_id}"))["dispute"]["id"]
        before = await shop.get(f"/disputes/{dispute_id}")

        decision = {"decision": "FULL_REFUND"}
        answers = [
            await support.client.request(method, f"/disputes/{dispute_id}{path}", json=body)
            for method, path, body in (
                ("GET", "", None),
                ("GET", "/messages", None),
                ("GET", "/notes", None),
                ("POST", "/assign", {"agentId": "me"}),
                ("POST", "/messages", {"text": "Do as I say"}),
                ("POST", "/notes", {"text": "They are right"}),
                ("POST", "/resolve", decision),
            )
        ]
        answers.append(
            await support.post(f"/disputes/{dispute_id}/resolve", decision, Prefer="dry-run")
        )

        assert {error_of(one, status=403)["code"] for one in answers} == {"DISPUTE_IS_OWN"}
        assert await shop.get(f"/disputes/{dispute_id}") == before


@pytest.mark.parametrize("role", ["user", "admin"])
async def test_people_without_the_role_decide_nothing(shop: Shop, role: str) -> None:
    async with contextlib.AsyncExitStack() as opened:
        buyer, business, order_id = await disputed(opened, shop)
        admin = await opened.enter_async_context(Person.of(shop.stack, role="admin"))
        dispute_id = (await shop.get(f"/orders/{order_id}"))["dispute"]["id"]
        everyone = (buyer, business) if role == "user" else (admin,)

        answers = [
            await one.client.request(method, f"/disputes{path}", json=body)
            for one in everyone
            for method, path, body in (
                ("GET", "", None),
                ("GET", f"/{dispute_id}", None),
                ("POST", f"/{dispute_id}/assign", {"agentId": "me"}),
                ("POST", f"/{dispute_id}/resolve", {"decision": "FULL_REFUND"}),
            )
        ]

        assert {answer.status_code for answer in answers} == {404}
        assert (await shop.get(f"/disputes/{dispute_id}"))["status"] == "OPEN"


async def test_parties_and_support_talk_and_notes_stay_with_support(shop: Shop) -> None:
    secret = f"they lie {uuid.uuid4().hex}"
    async with contextlib.AsyncExitStack() as opened:
        buyer, business, order_id = await disputed(opened, shop)
        support = await opened.enter_async_context(desk(shop, "ann", name="Ann Lée"))
        dispute_id = (await shop.get(f"/orders/{order_id}"))["dispute"]["id"]
        case, own = f"/disputes/{dispute_id}", f"/orders/{order_id}/dispute"

        took = data_of(await support.post(f"{case}/assign", {"agentId": "support:ann"}))
        noted = data_of(await support.post(f"{case}/notes", {"text": secret}), status=201)
        for one, text in ((buyer, "Nothing works 🧾"), (business, "It does")):
            written = await one.client.post(f"{own}/messages", json={"text": text})
            answer_of(written, status=201)
        data_of(await support.post(f"{case}/messages", {"text": "Which part?"}), status=201)
        data_of(await support.post(f"{case}/unassign"))

        for_support = (await support.client.get(f"{case}/messages")).json()["data"]
        notes = (await shop.client.get(f"{case}/notes")).json()["data"]
        seen = [
            answer_of(await one.client.get(path))
            for one in (buyer, business)
            for path in (own, f"{own}/messages", f"/orders/{order_id}")
        ]
        pages = answer_of(await buyer.client.get(f"{own}/messages", params={"limit": 2}))
        closed = [await one.client.get(f"{case}/notes") for one in (buyer, business)]
        guessed = [await one.client.get(f"{own}/notes") for one in (buyer, business)]

    assert (took["status"], took["assignedToName"]) == ("UNDER_REVIEW", "Ann Lée")
    assert notes == [noted]
    assert (noted["authorId"], noted["authorName"]) == ("support:ann", "Ann Lée")
    assert [(one["writtenBy"], one["text"]) for one in for_support] == [
        ("SUPPORT", "Which part?"),
        ("SELLER", "It does"),
        ("BUYER", "Nothing works 🧾"),
    ]
    assert [one["written_by"] for one in seen[1]["items"]] == ["support", "business", "personal"]
    assert pages["items"] == seen[1]["items"][:2]
    assert pages["next_cursor"]
    for text in (secret, "Ann", "support:"):
        assert text not in str(seen), text
    assert {answer.status_code for answer in (*closed, *guessed)} == {404}
