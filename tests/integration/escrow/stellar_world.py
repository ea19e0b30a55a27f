"""A network with wallets, a platform and a channel account, used through escrow's ports."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from stellar_sdk import Keypair

from deploy.local.devnet import Devnet
from deploy.local.ports import free_port
from deploy.local.settings import child_environment
from kernel.money import UNIT
from services.escrow.contracts.evidence import (
    EscrowView,
    OutcomeStatus,
    Prepared,
    SubmitStatus,
    TransactionOutcome,
)
from services.escrow.contracts.intents import (
    ApproveMilestone,
    ChangeMilestoneStatus,
    CreateWallet,
    DeployEscrow,
    DisputeEscrow,
    FundEscrow,
    Intent,
    ReleaseFunds,
    ResolveDispute,
    Roles,
    TrustAsset,
)
from services.escrow.ports import Chain, EscrowBuilder, Signer, StellarOptions, TrustlessWorkOptions
from services.escrow.stellar.connect import connect
from services.escrow.wallets.vault import LocalFileKeyProvider, Vault
from tests.patience import PATIENCE_SECONDS

T = TypeVar("T")
AMOUNT = 80 * UNIT
VALID_SECONDS = 30


def options_of(info: dict[str, Any], **changes: Any) -> StellarOptions:
    """Return the options for a devnet as its /network-info has them."""
    fields = {
        "rpc_url": info["rpcUrl"],
        "network_passphrase": info["networkPassphrase"],
        "asset_issuer": info["usdcIssuer"],
        "factory": info["factoryId"],
        "wasm_hash": info["wasmHash"],
        "provider_fee_address": info["feeAddress"],
        "friendbot_url": info["friendbotUrl"],
        "faucet_url": info["faucetUrl"],
    }
    return StellarOptions(**{**fields, **changes})


@contextmanager
def devnet_without_limit(folder: Path) -> Iterator[Devnet]:
    """Run a devnet whose provider API has no rate limit."""
    environment = child_environment(DEVNET_LEDGER_SECONDS="0.05", DEVNET_TW_RATE_LIMIT="0")
    running = Devnet(
        home=folder / "ledger",
        port=free_port(),
        log_folder=folder,
        is_forked=True,
        environment=environment,
    )
    running.start()
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


def provider_of(info: dict[str, Any]) -> TrustlessWorkOptions:
    """Return the options for a devnet's provider API."""
    return TrustlessWorkOptions(
        url=info["trustlessWorkUrl"], api_key="devnet-key", requests_per_minute=10_000
    )


@dataclass(slots=True, kw_only=True)
class World:
    """The accounts that an order needs. buyer and seller hold the asset and no lumens."""

    options: StellarOptions
    chain: Chain
    builder: EscrowBuilder
    vault: Vault
    signers: dict[str, Signer] = field(default_factory=dict)
    platform: str = ""
    channel: str = ""
    buyer: str = ""
    seller: str = ""

    async def new_signer(self) -> str:
        """Make a key without an account on chain."""
        owner, sealed = await self.vault.create(marketplace_id="m", wallet_id=os.urandom(4).hex())
        self.signers[owner.address] = self.vault.signer(sealed, owner=owner)
        return owner.address

    async def new_wallet(self, *, holding: int = 0) -> str:
        """Make a sponsored account and have the faucet fill it."""
        account = await self.new_signer()
        await self.perform(CreateWallet(account=account, sponsor=self.platform))
        if holding:
            assert await self.chain.request_asset(account, amount=holding)
        return account

    async def sign(
        self,
        intent: Intent,
        *,
        source: str = "",
        valid_seconds: int = VALID_SECONDS,
        payer: Signer | None = None,
    ) -> Prepared:
        """Build, verify and sign. payer: who pays the network fee; None: the source account."""
        source = source or self.channel
        account = await self.chain.account(source)
        assert account is not None
        frame: dict[str, Any] = {
            "source": source,
            "sequence": account.sequence + 1,
            "max_time": (await self.chain.latest_ledger()).close_time + valid_seconds,
        }
        unsigned = await self.builder.build(intent, **frame)
        return await self.chain.verify_and_sign(
            unsigned, intent, **frame, signers=self.signers, payer=payer
        )

    async def perform(self, intent: Intent, *, source: str = "") -> TransactionOutcome:
        """Build, verify, sign, submit, and wait for success."""
        prepared = await self.sign(intent, source=source)
        submission = await self.chain.submit(prepared.envelope_xdr)
        assert submission.status is SubmitStatus.PENDING, submission
        outcome = await self.landed(prepared)
        assert outcome.status is OutcomeStatus.SUCCEEDED, outcome
        return outcome

    async def landed(self, prepared: Prepared) -> TransactionOutcome:
        """Wait until a ledger has the transaction."""

        async def look() -> TransactionOutcome | None:
            outcome = await self.chain.outcome(prepared.hash)
            return None if outcome.status is OutcomeStatus.NOT_FOUND else outcome

        return await until(look)

    def deployment(self, **changes: Any) -> DeployEscrow:
        """Return a deployment for buyer and seller with a salt of its own."""
        fields = {
            "signer": self.platform,
            "factory": self.options.factory,
            "wasm_hash": self.options.wasm_hash,
            "salt": os.urandom(32),
            "roles": Roles(
                approver=self.buyer,
                service_provider=self.seller,
                platform=self.platform,
                release_signer=self.buyer,
                dispute_resolver=self.platform,
                receiver=self.seller,
            ),
            "amount": AMOUNT,
            "platform_fee_bps": 0,
            "title": "Lögo design",
            "description": "Three drafts",
            "engagement_id": "ord_1",
            "milestones": ("Delivery",),
        }
        return DeployEscrow(**{**fields, **changes})

    async def deployed(self, **changes: Any) -> EscrowView:
        """Deploy a contract and read it back."""
        intent = self.deployment(**changes)
        await self.perform(intent)
        return await self.view(self.chain.predict_contract_id(intent))

    async def funded(self, **changes: Any) -> EscrowView:
        """Deploy and fund a contract."""
        escrow = await self.deployed(**changes)
        await self.perform(self.funding(escrow))
        return await self.view(escrow.contract_id)

    async def view(self, contract_id: str) -> EscrowView:
        """Read a contract that must be there."""
        view = await self.chain.read_escrow(contract_id)
        assert view is not None
        return view

    def funding(self, escrow: EscrowView, *, amount: int = AMOUNT) -> FundEscrow:
        """Return the buyer's payment into a contract."""
        return FundEscrow(
            contract_id=escrow.contract_id,
            wasm_hash=escrow.wasm_hash,
            funder=self.buyer,
            amount=amount,
            expected_escrow=escrow.raw,
        )

    def completion(self, escrow: EscrowView) -> ChangeMilestoneStatus:
        """Return the intent by which the seller marks the milestone as done."""
        return ChangeMilestoneStatus(
            contract_id=escrow.contract_id,
            wasm_hash=escrow.wasm_hash,
            service_provider=self.seller,
            index=0,
            status="completed",
        )

    def approval(self, escrow: EscrowView) -> ApproveMilestone:
        """Return the intent by which the buyer approves the milestone."""
        return ApproveMilestone(
            contract_id=escrow.contract_id,
            wasm_hash=escrow.wasm_hash,
            approver=self.buyer,
            index=0,
        )

    def release(self, escrow: EscrowView) -> ReleaseFunds:
        """Return the intent by which the buyer releases the money."""
        return ReleaseFunds(
            contract_id=escrow.contract_id,
            wasm_hash=escrow.wasm_hash,
            release_signer=self.buyer,
            receiver=self.seller,
            platform=self.platform,
        )

    def dispute(self, escrow: EscrowView) -> DisputeEscrow:
        """Return the intent by which the buyer disputes the contract."""
        return DisputeEscrow(
            contract_id=escrow.contract_id, wasm_hash=escrow.wasm_hash, signer=self.buyer
        )

    def resolution(self, escrow: EscrowView, **shares: int) -> ResolveDispute:
        """Return the platform's resolution; shares by "buyer" and "seller"."""
        return ResolveDispute(
            contract_id=escrow.contract_id,
            wasm_hash=escrow.wasm_hash,
            resolver=self.platform,
            platform=self.platform,
            distributions={getattr(self, name): amount for name, amount in shares.items()},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.builder.close()
        await self.chain.close()


async def open_world(
    options: StellarOptions, *, trustless_work: TrustlessWorkOptions | None = None
) -> World:
    """Connect, make the platform and a channel, and give the buyer 1,000."""
    chain, builder = connect(options, trustless_work=trustless_work)
    keys = {"k1": os.urandom(32)}
    vault = Vault(provider=LocalFileKeyProvider(read=lambda: keys))
    world = World(options=options, chain=chain, builder=builder, vault=vault)
    for role in ("platform", "channel"):
        address = await world.new_signer()
        assert await chain.fund_with_friendbot(address)
        setattr(world, role, address)
    await world.perform(TrustAsset(account=world.platform), source=world.platform)
    assert await chain.request_asset(world.platform, amount=1_000 * UNIT)
    world.buyer = await world.new_wallet(holding=1_000 * UNIT)
    world.seller = await world.new_wallet()
    return world


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    """Wait until `look` returns something. Raises: TimeoutError."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (found := await look()) is None:  # noqa: ASYNC110 - a closing ledger notifies nobody
            await asyncio.sleep(0.02)
        return found


def stranger() -> str:
    """Return a random address that no part of the system knows."""
    return Keypair.random().public_key
