"""Seller and platform withdraw what they earned to new accounts outside."""

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
from kernel.money import CENT, to_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """A withdrawal as the API shows it, and the balances of both sides, in minor units."""

    document: Mapping[str, Any]
    on_chain: int
    left: int
    before: int
    seconds: float

    def checks(self) -> list[InvariantResult]:
        """Check that the account outside received what the seller had."""
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
    """Create an account outside, and withdraw the seller's price to it."""
    outside = await asyncio.to_thread(_account, stack)
    before = await _available(marketplace)
    started = time.monotonic()
    body = {"userId": SELLER, "amount": PRICE, "destination": outside, "commit": True}
    document = await _ended(marketplace, "/withdrawals", body)
    return Withdrawn(
        document=document,
        on_chain=await chain.account_balance(outside),
        left=await _available(marketplace),
        before=before,
        seconds=time.monotonic() - started,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FeesWithdrawn:
    """A withdrawal of fees as the API shows it, and the balances after it, in minor units."""

    document: Mapping[str, Any]
    on_chain: int
    left: int
    seconds: float

    def checks(self) -> list[InvariantResult]:
        """Check that the account outside received the fees."""
        amount = minor_units(self.document["amount"])
        return [
            InvariantResult(
                name="the platform's withdrawal of its fees is COMPLETED",
                holds=self.document["status"] == "COMPLETED",
                details=str(self.document["status"]),
            ),
            InvariantResult(
                name="the platform's account outside has the fees on chain",
                holds=self.on_chain == amount,
                details=to_text(self.on_chain),
            ),
            InvariantResult(
                name="less than a cent of the fees is left",
                holds=0 <= self.left < CENT,
                details=to_text(self.left),
            ),
        ]


async def withdraw_fees(
    stack: Mapping[str, Any], marketplace: Marketplace, chain: Chain
) -> FeesWithdrawn | None:
    """Withdraw all available fees to a new account outside; None: there are no fees."""
    balance = await marketplace.get("/platform/balance")
    whole_cents = minor_units(balance["available"]) // CENT * CENT
    if whole_cents == 0:
        return None
    outside = await asyncio.to_thread(_account, stack)
    started = time.monotonic()
    body = {"amount": to_text(whole_cents), "destination": outside, "commit": True}
    document = await _ended(marketplace, "/platform/withdrawals", body)
    balance = await marketplace.get("/platform/balance")
    return FeesWithdrawn(
        document=document,
        on_chain=await chain.account_balance(outside),
        left=minor_units(balance["available"]),
        seconds=time.monotonic() - started,
    )


async def _ended(marketplace: Marketplace, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Create a withdrawal, and wait until it has ended. Raises: DemoFailedError."""
    deadline = time.monotonic() + STEP_SECONDS
    document = await marketplace.post(path, body)
    while document["inProgress"]:
        if time.monotonic() > deadline:
            raise DemoFailedError(f"the withdrawal did not end within {STEP_SECONDS:.0f} s")
        await asyncio.sleep(0.1)
        document = await marketplace.get(f"{path}/{document['id']}")
    return document


async def _available(marketplace: Marketplace) -> int:
    balance = await marketplace.get(f"/users/{SELLER}/balance")
    return minor_units(balance["available"])


def _account(stack: Mapping[str, Any]) -> str:
    """Create an account with a trustline on the local network; returns its address."""
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
