"""What others might do on the chain with keys of ours: transactions that no book knows."""

import asyncio

from services.escrow.evidence import OutcomeStatus
from services.escrow.intents import DisputeEscrow, Intent, PayAsset
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


async def dispute(world: World, order: Order) -> None:
    """Dispute an order's contract with the buyer's key."""
    escrow = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    view = await world.house.chain.read_escrow(escrow.contract_id)
    assert view is not None
    async with world.house.database.transaction() as tx:
        wallet, sealed = await world.house.store.wallet(
            tx, marketplace_id=world.marketplace_id, wallet_id=order.buyer.id
        )
    signer = world.house.keyring.wallet(wallet, sealed=sealed)
    intent = DisputeEscrow(
        contract_id=escrow.contract_id, wasm_hash=view.wasm_hash, signer=signer.address
    )
    await land(world, intent, {signer.address: signer})


async def land(world: World, intent: Intent, signers: dict[str, Signer]) -> None:
    """Send a transaction from the platform's own account and see it land."""
    chain, platform = world.house.chain, await world.house.keyring.platform()
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
        )
        await chain.submit(prepared.envelope_xdr)
        async with asyncio.timeout(VALID_SECONDS):
            while (await chain.outcome(prepared.hash)).status is not SUCCEEDED:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
