"""The seller withdraws what they earned, to an account outside that the demo makes."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from orchestrator.ledger.v1.ledger_pb2 import InvariantResult
from stellar_sdk import Asset, Keypair, TransactionBuilder
from stellar_sdk.soroban_rpc import GetTransactionStatus
from stellar_sdk.soroban_server import SorobanServer

from deploy.local.demo.chain import Chain
from deploy.local.demo.purchase import PRICE, SELLER, STEP_SECONDS, DemoFailedError, minor_units
from deploy.local.rest import Marketplace
from kernel.money import to_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """A withdrawal as the API shows it, and what its two sides have then, in minor units."""

    document: Mapping[str, Any]
    on_chain: int
    left: int
    before: int
    seconds: float

    def checks(self) -> list[InvariantResult]:
        """Compare the account outside with what the seller had."""
        price = minor_units(PRICE)
        return [
            InvariantResult(
                name="the seller's withdrawal is COMPLETED",
                holds=self.document["status"] == "COMPLETED",
                details=str(self.document["status"]),
            ),
            InvariantResult(
                name="the account outside has the amount on chain",
                holds=self.on_chain == price,
                details=to_text(self.on_chain),
            ),
            InvariantResult(
                name="the seller has that much less",
                holds=self.before - self.left == price,
                details=to_text(self.before - self.left),
            ),
        ]


async def withdraw(stack: Mapping[str, Any], marketplace: Marketplace, chain: Chain) -> Withdrawn:
    """Make an account outside, and pay the price of the purchase to it."""
    outside = await asyncio.to_thread(_account, stack)
    before = await _available(marketplace)
    started = time.monotonic()
    body = {"userId": SELLER, "amount": PRICE, "destination": outside, "commit": True}
    document = await marketplace.post("/withdrawals", body)
    while document["inProgress"]:
        if time.monotonic() > started + STEP_SECONDS:
            raise DemoFailedError(f"the withdrawal did not end within {STEP_SECONDS:.0f} s")
        await asyncio.sleep(0.1)
        document = await marketplace.get(f"/withdrawals/{document['id']}")
    return Withdrawn(
        document=document,
        on_chain=await chain.account_balance(outside),
        left=await _available(marketplace),
        before=before,
        seconds=time.monotonic() - started,
    )


async def _available(marketplace: Marketplace) -> int:
    balance = await marketplace.get(f"/users/{SELLER}/balance")
    return minor_units(balance["available"])


def _account(stack: Mapping[str, Any]) -> str:
    """Make an account with a trustline on the local network; returns its address."""
    key, asset = Keypair.random(), Asset("USDC", stack["usdcIssuer"])
    given = httpx.get(
        f"{stack['devnetUrl']}/friendbot", params={"addr": key.public_key}, timeout=STEP_SECONDS
    )
    given.raise_for_status()
    with SorobanServer(stack["rpcUrl"]) as rpc:
        account = rpc.load_account(key.public_key)
        trusting = TransactionBuilder(account, stack["networkPassphrase"], base_fee=100)
        envelope = trusting.append_change_trust_op(asset).set_timeout(60).build()
        envelope.sign(key)
        sent = rpc.send_transaction(envelope)
        found = rpc.poll_transaction(sent.hash, int(STEP_SECONDS), lambda _: 1)
    if found.status is not GetTransactionStatus.SUCCESS:
        raise DemoFailedError("the account outside could not trust the asset")
    return key.public_key
