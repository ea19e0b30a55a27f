"""The orders guide, walked on a running stack: every request as printed, every answer compared."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from deploy.local.demo.events import Listener
from deploy.operator.client import Operator
from kernel.ids import from_public
from tests.books import assert_sound
from tests.conformance import walks
from tests.conformance.onchain import Node
from tests.conformance.replay import Replay, differences
from tests.conformance.walks import WALKS, Seen
from tests.shop import Shop, data_of, until

Data = Mapping[str, Any]


@pytest.fixture(scope="module")
def examples(data: Data) -> dict[str, Any]:
    """The guide's examples by title."""
    return {example["title"]: example for example in data["examples"]}


@pytest.fixture(scope="module")
async def seen(shop: Shop, examples: Data) -> dict[str, Seen]:
    """Everything that was seen on the walks, by walk; all are walked, one after the other."""
    people = examples[walks.CREATE]["request"]["body"]
    for name in ("buyerId", "sellerId"):
        await shop.user(people[name])
    await shop.give(people["buyerId"], "1000.00")
    async with Listener.of(stack=shop.stack.document) as listener:
        return {
            name: await Walker(shop, examples, listener).walk(walk) for name, walk in WALKS.items()
        }


class Walker:
    """Walks one order through its examples."""

    def __init__(self, shop: Shop, examples: Data, listener: Listener) -> None:
        self._shop = shop
        self._examples = examples
        self._listener = listener
        self._replay = replay(shop)
        self._seen = Seen()

    async def walk(self, steps: tuple[str, ...]) -> Seen:
        before = await self._cents()
        for step in steps:
            if step in self._examples:
                await self._play(step)
            else:
                await self._resolve(step)
            await self._listen(step)
            now = await self._cents()
            self._seen.balances[step] = (
                now[0] - before[0],
                now[1] - before[1],
                now[2] - before[2],
            )
        self._seen.order_id, self._seen.answers = self._replay.order_id, self._replay.answers
        return self._seen

    async def _play(self, step: str) -> None:
        example = self._examples[step]
        answer = await self._replay.play(example)
        expected = 201 if step == walks.CREATE else 200
        if answer.status_code != expected:
            self._seen.wrong.append(f"{step}: {answer.status_code} {answer.text}")
        self._seen.wrong += differences(example["response"], answer.json(), at=step)

    async def _resolve(self, step: str) -> None:
        dispute_id = self._replay.answers[walks.DISPUTE]["data"]["dispute"]["id"]
        answer = await self._shop.resolve(dispute_id, step.split(" ")[1])
        data_of(answer, status=200)

    async def _listen(self, step: str) -> None:
        """Take in the events of the step: all that the order says it has told."""
        order_id = self._replay.order_id
        version = (await self._shop.get(f"/orders/{order_id}"))["version"]

        async def told() -> bool:
            return bool(len(self._listener.of_aggregate(order_id)) >= version)

        await until(told, what=f"an event of {step} did not come")
        events = self._listener.of_aggregate(order_id)
        known = len(self._seen.versions)
        self._seen.events[step] = [event for event, _ in events[known:]]
        self._seen.versions = [number for _, number in events]

    async def _cents(self) -> tuple[int, int, int]:
        people = self._examples[walks.CREATE]["request"]["body"]
        buyer = await self._shop.balance(people["buyerId"])
        seller = await self._shop.balance(people["sellerId"])
        return in_cents(buyer[0]), in_cents(buyer[1]), in_cents(seller[0])


def replay(shop: Shop) -> Replay:
    document = shop.stack.document
    return Replay(client=shop.client, url=document["url"], key=document["apiKey"])


def in_cents(amount: str) -> int:
    """Read an amount of the API."""
    assert re.fullmatch(r"\d+\.\d\d", amount), amount
    return int(amount.replace(".", ""))


@pytest.mark.parametrize("walk", WALKS)
async def test_every_answer_is_as_printed(seen: dict[str, Seen], walk: str) -> None:
    assert seen[walk].wrong == []


def test_every_example_is_walked(examples: Data) -> None:
    walked = {step for steps in WALKS.values() for step in steps}

    assert set(examples) <= walked
    assert all(example["response"] for example in examples.values())


async def test_ids_and_instants_of_the_answers_are_the_orders_own(
    seen: dict[str, Seen], shop: Shop
) -> None:
    for found in seen.values():
        order = await shop.get(f"/orders/{found.order_id}")
        for step, answer in found.answers.items():
            told = {**answer["data"], "status": order["status"]}
            for name in {"escrow", "dispute"} & set(told):
                # Where they are moves on, all else stands; what was not answered is as it is.
                told[name] = {**order[name], **told[name], "status": order[name]["status"]}
            assert told == {name: order[name] for name in told}, step


@pytest.mark.parametrize("walk", WALKS)
def test_balances_move_as_the_table_of_states_says(
    seen: dict[str, Seen], data: Data, examples: Data, walk: str
) -> None:
    amount = in_cents(examples[walks.CREATE]["request"]["body"]["amount"])

    expected = walks.expected_balances(WALKS[walk], data["states"], cents=amount)

    assert seen[walk].balances == expected


def test_orders_make_the_documented_transitions_all_of_them_and_no_other(
    seen: dict[str, Seen], data: Data
) -> None:
    made = set().union(*(found.edges() for found in seen.values()))

    assert made == set(walks.documented_edges(data["transitions"]))
    assert set(data["transitions"]) == set(data["states"])


@pytest.mark.parametrize("walk", WALKS)
def test_each_request_is_followed_by_its_events_in_order_and_counted(
    seen: dict[str, Seen], walk: str
) -> None:
    expected = {step: list(walks.TOLD[step]) for step in WALKS[walk]}

    assert seen[walk].events == expected
    assert seen[walk].versions == list(range(1, len(seen[walk].versions) + 1))


def test_every_event_of_the_table_was_seen_and_no_other(seen: dict[str, Seen], data: Data) -> None:
    told = {
        event for found in seen.values() for events in found.events.values() for event in events
    }

    assert told == set(data["events"])


@pytest.mark.parametrize(
    ("walk", "step"), [("standard purchase", walks.RELEASE), ("refund", walks.REFUND)]
)
async def test_under_the_hood_are_the_documented_transactions_by_the_documented_signers(
    seen: dict[str, Seen], shop: Shop, operator: Operator, data: Data, walk: str, step: str
) -> None:
    order_id = from_public("ord", seen[walk].order_id)
    assert order_id is not None
    async with Node.of(shop.stack.document) as node:
        calls = [await node.call(found.hash) for found in await operator.transactions(order_id)]
    names = await wallets(shop, seen[walk].order_id)
    # "The Orchestrator deploys the smart contract using the platform wallet's signing key."
    names[calls[0][1]] = "Platform wallet"

    made = [(re.sub(r"\W|_", "", function), names[signer]) for function, signer in calls]

    assert made[1] == ("fundescrow", "Buyer's wallet")
    # Afterwards the platform makes the contract's own fee good, which the guide leaves out.
    assert made[2:-1] == [
        (re.sub(r"\W|_", "", function.lower()), signer.partition(" (")[0])
        for function, signer in data["transactions"][step]
    ]
    assert made[-1] == ("transfer", "Platform wallet")


async def wallets(shop: Shop, order_id: str) -> dict[str, str]:
    """Return what the guide calls the wallets of an order's users, by address."""
    order = await shop.get(f"/orders/{order_id}")
    return {
        (await shop.get(f"/users/{order[side]}/wallet"))["publicKey"]: name
        for side, name in (("buyerId", "Buyer's wallet"), ("sellerId", "Seller's wallet"))
    }


async def test_after_all_walks_the_books_are_sound(
    seen: dict[str, Seen], operator: Operator
) -> None:
    assert len(seen) == len(WALKS)
    await assert_sound(operator)
