"""Transactions with our keys that the books do not know, as a thief of a key might send."""

import asyncio

from services.escrow.contracts.evidence import OutcomeStatus
from services.escrow.contracts.intents import (
    ApproveMilestone,
    DisputeEscrow,
    FundEscrow,
    Intent,
    PayAsset,
    ReleaseFunds,
)
from services.escrow.domain import Wallet
from services.escrow.ports import Signer
from tests.integration.escrow.world import Order, World

VALID_SECONDS = 60
SUCCEEDED = OutcomeStatus.SUCCEEDED
# The platform's account has one next sequence number.
_one_at_a_time = asyncio.Lock()


async def pay(world: World, *, to: str, amount: int) -> None:
    """Pay from the platform's wallet."""
    platform = await world.house.keyring.platform()
    intent = PayAsset(from_address=platform.address, to_address=to, amount=amount)
    await land(world, intent, {})


async def pay_from(world: World, wallet: Wallet, *, to: str, amount: int) -> None:
    """Pay from a wallet of ours with its key."""
    signer = await _signer(world, wallet)
    intent = PayAsset(from_address=wallet.address, to_address=to, amount=amount)
    await land(world, intent, {wallet.address: signer})


async def fund_by_channel(world: World, order: Order) -> str:
    """Fund an order's contract as a step does, by a channel account; returns the hash."""
    contract, _, buyer = await _theirs(world, order)
    view = await world.house.chain.read_escrow(contract)
    assert view is not None
    intent = FundEscrow(
        contract_id=contract,
        wasm_hash=view.wasm_hash,
        funder=buyer.address,
        amount=view.amount,
        expected_escrow=view.raw,
    )
    async with world.house.database.transaction() as tx:
        source = (await world.house.accounts.channels(tx))[0].address
    payer = await world.house.keyring.channel(source)
    return await land(world, intent, {buyer.address: buyer}, payer=payer)


async def dispute(world: World, order: Order) -> None:
    """Dispute an order's contract with the buyer's key."""
    contract, wasm, buyer = await _theirs(world, order)
    intent = DisputeEscrow(contract_id=contract, wasm_hash=wasm, signer=buyer.address)
    await land(world, intent, {buyer.address: buyer})


async def release(world: World, order: Order) -> None:
    """Approve and release an order's contract with the buyer's key."""
    contract, wasm, buyer = await _theirs(world, order)
    platform = (await world.house.keyring.platform()).address
    approve = ApproveMilestone(
        contract_id=contract, wasm_hash=wasm, approver=buyer.address, index=0
    )
    pay_out = ReleaseFunds(
        contract_id=contract,
        wasm_hash=wasm,
        release_signer=buyer.address,
        receiver=order.seller.address,
        platform=platform,
    )
    for intent in (approve, pay_out):
        await land(world, intent, {buyer.address: buyer})


async def _theirs(world: World, order: Order) -> tuple[str, str, Signer]:
    """Return an order's contract, its code, and who signs for the buyer."""
    escrow = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    view = await world.house.chain.read_escrow(escrow.contract_id)
    assert view is not None
    return escrow.contract_id, view.wasm_hash, await _signer(world, order.buyer)


async def _signer(world: World, of: Wallet) -> Signer:
    async with world.house.database.transaction() as tx:
        [(wallet, sealed)] = await world.house.wallet_store.wallets(
            tx, marketplace_id=world.marketplace_id, wallet_ids=[of.id]
        )
    return world.house.keyring.wallet(wallet, sealed=sealed)


async def land(
    world: World, intent: Intent, signers: dict[str, Signer], *, payer: Signer | None = None
) -> str:
    """Send a transaction, from the platform's own account by default, and see it land."""
    chain, platform = world.house.chain, payer or await world.house.keyring.platform()
    async with _one_at_a_time:
        account = await chain.account(platform.address)
        assert account is not None
        max_time = (await chain.latest_ledger()).close_time + VALID_SECONDS
        unsigned = await world.house.builder.build(
            intent, source=platform.address, sequence=account.sequence + 1, max_time=max_time
        )
        prepared = await chain.verify_and_sign(
            unsigned,
            intent,
            source=platform.address,
            sequence=account.sequence + 1,
            max_time=max_time,
            signers={**signers, platform.address: platform},
            payer=payer and await world.house.keyring.platform(),
        )
        await chain.submit(prepared.envelope_xdr)
        async with asyncio.timeout(VALID_SECONDS):
            while (await chain.outcome(prepared.hash)).status is not SUCCEEDED:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return prepared.hash
