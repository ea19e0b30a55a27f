"""The runbook in two situations: a node that denies a funding, and a restored database."""

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local import credentials, postgres
from deploy.local.demo.purchase import (
    PRICE,
    DemoFailedError,
    Purchase,
    minor_units,
    wait_for,
)
from deploy.local.nats_users import ADMIN
from deploy.local.postgres_place import Place
from deploy.local.wiring import with_user
from tests.operating import operate
from tests.patience import PATIENCE_SECONDS
from tests.prove.check_stream import check_stream
from tests.running_stack import RunningStack, new_purchase, running_stack

pytestmark = pytest.mark.slow

# An envelope may land for so long: what a node denies counts as dead after it.
SHORT = "4"
ALWAYS = 1_000_000
HELD = minor_units(PRICE)
LEFT = minor_units("20.00")
DEPOSIT = minor_units("7.00")


def fault(stack: RunningStack, **description: Any) -> None:
    """Inject a fault into the devnet; without one, clear all faults."""
    request = urllib.request.Request(  # noqa: S310 - the devnet's own address
        f"{stack.document['devnetUrl']}/faults",
        data=json.dumps(description).encode() if description else None,
        headers={"Content-Type": "application/json"},
        method="POST" if description else "DELETE",
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS):  # noqa: S310 - the same
        pass


async def ask(stack: RunningStack, path: str) -> None:
    """Send a request without waiting for its end."""
    document = stack.document
    headers = {"Authorization": f"Bearer {document['apiKey']}", "Prefer": "respond-async"}
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(f"{document['url']}/api/v1{path}", headers=headers, json={})
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text


async def reconciled(stack: RunningStack) -> tuple[int, str]:
    """Run `make reconcile`; returns its exit code and its output."""
    done = await asyncio.to_thread(operate, stack.run_dir, "reconcile")
    return done.returncode, done.stdout


async def said(stack: RunningStack, pattern: str) -> str:
    """Wait until the output of `make reconcile` matches; returns the first group."""
    found: list[str] = []

    async def is_said() -> bool:
        match = re.search(pattern, (await reconciled(stack))[1], re.MULTILINE)
        found.extend(match.groups() if match else ())
        return match is not None

    await wait_for(is_said, what=f"make reconcile did not say {pattern}")
    return found[0] if found else ""


async def is_well(stack: RunningStack) -> bool:
    """Tell whether `make reconcile` finds no problem."""
    return (await reconciled(stack))[0] == 0


async def prepared(purchase: Purchase) -> None:
    """Create an order whose contract can be funded."""
    await purchase.register()
    await purchase.deposit()
    await purchase.create()
    await purchase.reserve()
    await purchase.create_escrow()


async def test_funding_that_the_node_denies_is_requeued_and_paid_once(tmp_path: Path) -> None:
    with running_stack(tmp_path, TRANSACTION_SECONDS=SHORT) as stack:
        async with new_purchase(stack) as (purchase, _), new_purchase(stack) as (other, _):
            await prepared(purchase)
            fault(stack, kind="not_found", function="fund_escrow", count=ALWAYS)
            await ask(stack, f"/orders/{purchase.order_id}/escrow/fund")
            command = await said(stack, r"^STUCK +FUND (\S+) .*fund_escrow")
            # Others' commands take the other channel accounts meanwhile.
            await prepared(other)
            fault(stack)

            done = operate(stack.run_dir, "requeue", "--command", command)
            assert done.returncode == 0, done.stderr

            async def is_in_progress() -> bool:
                return await purchase.state() == "IN_PROGRESS"

            await wait_for(is_in_progress, what="the order was not funded")
            assert await purchase.contract_balance() == HELD
            assert await purchase.on_chain(purchase.buyer) == LEFT
            await wait_for(lambda: is_well(stack), what="make reconcile still finds something")


def copy(source: Path, target: Path) -> None:
    """Copy a stopped server's data, keeping the owner."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


async def test_restored_database_pays_nothing_twice_and_all_orders_continue(
    tmp_path: Path,
) -> None:
    with running_stack(tmp_path, keep=True, TRANSACTION_SECONDS=SHORT) as stack:
        async with new_purchase(stack) as (funding, _), new_purchase(stack) as (release, _):
            await prepared(funding)
            await prepared(release)
            assert await release.fund() == "IN_PROGRESS"
            fault(stack, kind="rpc_down", count=ALWAYS)
            await ask(stack, f"/orders/{funding.order_id}/escrow/fund")
            await ask(stack, f"/orders/{release.order_id}/resolution/release")
    data = Place.of(tmp_path / "run" / "postgres").data
    copy(data, tmp_path / "backup")

    with running_stack(tmp_path, keep=True, TRANSACTION_SECONDS=SHORT) as stack:
        await ended(stack, funding, release)
        await pay_in(stack, release)
        landed = await chain_of(stack, funding, release)
    copy(tmp_path / "backup", data)
    # The bus has lost everything: what it has is told anew from the outboxes.
    shutil.rmtree(tmp_path / "run" / "nats")

    try:
        with running_stack(tmp_path, keep=True, TRANSACTION_SECONDS=SHORT) as stack:
            await ended(stack, funding, release)
            await said(stack, r"^(HELD) +nothing was sent since .*claim every transaction")
            assert (await reconciled(stack))[0] == 1

            done = operate(stack.run_dir, "confirm-chain", "--why", "compared with the explorer")

            assert done.returncode == 0, done.stderr
            await wait_for(lambda: is_well(stack), what="make reconcile still finds something")
            # The deposit that the books had forgotten is booked again, like all that has landed.
            assert await available(stack, release.seller) == HELD + DEPOSIT
            held = [HELD, LEFT, 0, LEFT, HELD + DEPOSIT]
            assert await chain_of(stack, funding, release) == landed == held
            assert operate(stack.run_dir, "rebuild-stream").returncode == 0
            assert await untold(stack) == []
            async with new_purchase(stack) as (another, _):
                await prepared(another)
                assert await another.fund() == "IN_PROGRESS"
    finally:
        postgres.remove(tmp_path / "run" / "postgres")


async def pay_in(stack: RunningStack, purchase: Purchase) -> None:
    """Pay a seller's wallet from outside, and wait until it is booked."""
    before = await available(stack, purchase.seller)
    body = {"address": purchase.addresses[purchase.seller], "amount": "7.00"}
    async with httpx.AsyncClient(timeout=60) as client:
        (await client.post(stack.document["faucetUrl"], json=body)).raise_for_status()

    async def is_booked() -> bool:
        return await available(stack, purchase.seller) == before + DEPOSIT

    await wait_for(is_booked, what="the deposit was not booked")


async def available(stack: RunningStack, user: str) -> int:
    """Return a user's available balance, in minor units."""
    async with new_purchase(stack) as (view, _):
        return (await view.balances(user))[0]


async def untold(stack: RunningStack) -> list[str]:
    """Compare the stream with the outboxes when the relays are done; returns the differences."""
    document = stack.document
    admin = credentials.load(stack.run_dir).nats[ADMIN]
    found: list[str] = []

    async def is_told() -> bool:
        checks = await check_stream(
            document["databaseUrl"],
            nats_url=with_user(document["natsUrl"], ADMIN, admin),
            authority=document["natsCaFile"],
        )
        found[:] = [one.describe() for one in checks if not one.holds]
        return not found

    with contextlib.suppress(DemoFailedError):
        await wait_for(is_told, what="the stream is not as the outboxes")
    return found


async def ended(stack: RunningStack, funding: Purchase, release: Purchase) -> None:
    """Wait until the funding and the release have ended."""
    async with new_purchase(stack) as (view, _):

        async def have_ended() -> bool:
            states = []
            for purchase in (funding, release):
                view.order_id = purchase.order_id
                states.append(await view.state())
            return states == ["IN_PROGRESS", "CLOSED RELEASED"]

        await wait_for(have_ended, what="the orders did not go on")


async def chain_of(stack: RunningStack, funding: Purchase, release: Purchase) -> list[int]:
    """Return the chain balances of the two contracts and three wallets."""
    async with new_purchase(stack) as (view, _):
        view.addresses = {**funding.addresses, **release.addresses}
        held = []
        for purchase in (funding, release):
            view.contract_id = purchase.contract_id
            held += [await view.contract_balance(), await view.on_chain(purchase.buyer)]
        return [*held, await view.on_chain(release.seller)]
