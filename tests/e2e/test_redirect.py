"""`make redirect`: a release to a frozen wallet ends at the seller's other address."""

import asyncio
import re
import subprocess

from deploy.local.devnet import network_info
from deploy.operator.client import Operator
from kernel.ids import from_public
from tests.books import assert_sound
from tests.e2e.test_money_document import after_funding, assert_printed
from tests.e2e.test_operator import run
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.world import post
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of, until


async def test_release_to_a_frozen_wallet_is_paid_elsewhere_and_booked(
    stack: RunningStack, shop: Shop, operator: Operator
) -> None:
    pair = await shop.pair(amount="80.00")
    order_id = await shop.order_in("IN_PROGRESS", pair)
    wallet = (await shop.get(f"/users/{pair.seller}/wallet/deposit"))["address"]
    outside = Stranger(network_info(stack.document["devnetUrl"]))
    await outside.come(amount="1.00")
    devnet = str(stack.document["devnetUrl"])
    await asyncio.to_thread(post, f"{devnet}/issuer", {"action": "freeze", "address": wallet})
    releasing = asyncio.create_task(shop.act(order_id, "release"))
    command = await waiting(stack)

    ended = run(stack.run_dir, "abandon", "--command", command, "--why", "the wallet is frozen")
    assert ended.returncode == 0, ended.stderr
    await releasing
    await shop.quiet(order_id)
    said = [redirect(stack, order_id, outside.address, by) for by in ("olga", "ben")]
    data_of(await shop.act(order_id, "release"))
    await shop.quiet(order_id)

    assert [one.returncode for one in said] == [0, 0], [one.stderr for one in said]
    assert [one.stdout.split()[0] for one in said] == ["PROPOSED", "APPROVED"]
    assert (await shop.get(f"/orders/{order_id}"))["status"] == "CLOSED"
    assert await shop.balance(pair.seller) == ("0.00", "0.00")
    answer = await shop.client.get(f"/users/{pair.seller}/balance/entries")
    statement = answer.json()["data"]
    assert {entry["code"] for entry in statement} >= {"RELEASE", "WITHDRAWAL"}
    assert_printed("Payout at another address", after_funding(shop, order_id))
    await assert_sound(operator)


async def waiting(stack: RunningStack) -> str:
    """Wait until a release waits; returns its command."""
    found: list[str] = []

    async def is_listed() -> bool:
        said = (await asyncio.to_thread(run, stack.run_dir, "stuck")).stdout
        found[:] = re.findall(
            r"^waits +RELEASE (\S+) .*release_funds.*CHAIN_REFUSED", said, re.MULTILINE
        )
        return bool(found)

    await until(is_listed, what="no release waits")
    return found[0]


def redirect(
    stack: RunningStack, order_id: str, address: str, by: str
) -> subprocess.CompletedProcess[str]:
    """Redirect what the seller is paid, as one operator."""
    return run(
        stack.run_dir, "redirect", "--order", str(from_public("ord", order_id)),
        "--party", "seller", "--address", address, "--why", "It is frozen", "--operator", by,
    )  # fmt: skip
