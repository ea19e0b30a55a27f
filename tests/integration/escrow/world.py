"""Escrow with a real database and a real devnet, in the test's process."""

import asyncio
import json
import urllib.request
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from chassis import identity
from chassis.idempotency import Answer, RequestKey
from deploy.local.ports import free_port
from kernel.money import USDC, Money
from services.escrow.app import House
from services.escrow.commands.acceptance import Request
from services.escrow.domain import Command, CommandKind, CommandState, Wallet, WalletState
from services.escrow.service import EscrowService, NewEscrow
from services.escrow.settings import EscrowSettings
from tests.conftest import RunningDevnet, TestDatabase
from tests.identities import TRUST_FILE
from tests.patience import PATIENCE_SECONDS, until
from tests.serving import EVENT_SIGNING_KEY

CENT = 100_000
AMOUNT = 80 * 10_000_000
WAIT_SECONDS = int(PATIENCE_SECONDS)
# The watcher's pause between two looks. The worker polls as often as its settings say.
WATCH_SECONDS = 0.2


def settings(
    *, database: TestDatabase, devnet: RunningDevnet, folder: str, **changed: Any
) -> EscrowSettings:
    """Return settings for a fast devnet."""
    info = devnet.info
    given: dict[str, Any] = {
        "database_url": database.url("escrow"),
        "trust_file": TRUST_FILE,
        "event_signing_key": EVENT_SIGNING_KEY,
        "grpc_port": free_port(),
        "stellar_rpc_url": info["rpcUrl"],
        "stellar_network_passphrase": info["networkPassphrase"],
        "stellar_friendbot_url": info["friendbotUrl"],
        "stellar_faucet_url": info["faucetUrl"],
        "usdc_issuer": info["usdcIssuer"],
        "escrow_factory_id": info["factoryId"],
        "escrow_wasm_hash": info["wasmHash"],
        "trustless_work_fee_address": info["feeAddress"],
        "key_file": f"{folder}/escrow.key",
        "channel_accounts": 4,
        "fees_paid_by": "platform",
        "chain_poll_seconds": 0.02,
        "command_lease_seconds": 2,
    }
    return EscrowSettings(**{**given, **changed})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The ids and parties of an order that gets an escrow."""

    id: uuid.UUID
    escrow_id: uuid.UUID
    buyer: Wallet
    seller: Wallet


@dataclass(kw_only=True)
class World:
    """A running house with its loops and a marketplace, and helpers that call its use cases."""

    house: House
    devnet: RunningDevnet
    marketplace_id: uuid.UUID = field(default_factory=uuid.uuid4)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.escrows: EscrowService = self.house.escrows()
        self.queries = self.house.queries()

    async def start(self) -> None:
        """Prepare the chain and run every loop."""
        await self.house.ensure_platform()
        await self.house.bootstrap().run()
        self._tasks.append(asyncio.ensure_future(self.house.ends.watch()))
        await self.resume_worker()
        await self.resume_watcher()

    async def resume_watcher(self) -> None:
        """Run a watcher."""
        self._watcher = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        platform = (await self.house.keyring.platform()).address
        watcher = self.house.watcher(platform=platform)
        watcher._watched = replace(watcher._watched, poll_seconds=WATCH_SECONDS)
        await watcher.run()

    async def pause_watcher(self) -> None:
        """Stop the watcher."""
        self._watcher.cancel()
        await asyncio.gather(self._watcher, return_exceptions=True)

    async def resume_worker(self) -> None:
        """Run a worker."""
        self._worker = asyncio.ensure_future(self.house.worker().run())

    async def pause_worker(self) -> None:
        """Stop the worker as a graceful stop does."""
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)

    async def stop(self) -> None:
        """Stop the loops and close every connection."""
        await self.pause_worker()
        await self.pause_watcher()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.house.close()
        await self.house.database.close()

    def bind(self) -> None:
        """Set the identity of the orders service as the caller, for the rest of this task."""
        who = identity.system(caller="orders", marketplace_id=self.marketplace_id)
        identity.bind(who, request_id="req-test")

    def key(self, name: str, *, fingerprint: bytes = b"same") -> RequestKey:
        """Return the key of a request."""
        return RequestKey(
            marketplace_id=self.marketplace_id, scope="", key=name, fingerprint=fingerprint
        )

    def asked(self, kind: CommandKind, *, command_id: uuid.UUID | None = None) -> Request:
        """Return the request of a command."""
        self.bind()
        chosen = command_id or uuid.uuid4()
        return Request(key=self.key(str(chosen)), command_id=chosen, kind=kind)

    async def wallet(self, *, user_id: uuid.UUID | None = None) -> Wallet:
        """Make a user with a wallet on chain."""
        self.bind()
        user = user_id or uuid.uuid4()
        await self.house.wallets().create(
            key=self.key(f"wallet:{user}"),
            user_id=user,
            user_public_id=f"usr_{user.hex[:8]}",
            wait_seconds=WAIT_SECONDS,
        )
        found = await self.queries.wallet(marketplace_id=self.marketplace_id, user_id=user)
        assert found.state is WalletState.ACTIVE
        return found

    async def pay_in(self, wallet: Wallet, amount: str) -> None:
        """Send a wallet money from outside."""
        await self.pay_in_at(wallet.address, amount)

    async def pay_in_at(self, address: str, amount: str) -> None:
        """Send an address money from outside."""
        await asyncio.to_thread(
            post, self.devnet.info["faucetUrl"], {"address": address, "amount": amount}
        )

    async def until(self, command_id: uuid.UUID, holds: Callable[[Command], bool]) -> Command:
        """Wait until a condition holds for a command, and return the command."""
        found: list[Command] = []

        async def is_so() -> bool:
            found[:] = [
                await self.queries.command(
                    marketplace_id=self.marketplace_id, command_id=command_id, wait_seconds=0
                )
            ]
            return holds(found[0])

        await until(is_so)
        return found[0]

    async def until_resting(self, command_id: uuid.UUID) -> None:
        """Wait until a command waits to be taken later."""
        statement = "select next_attempt_at > now() from commands where id = %(id)s"
        await self._until_true(statement, command_id)

    async def until_signed(self, asked: Request | uuid.UUID) -> None:
        """Wait until an envelope of a command is stored."""
        statement = (
            "select count(*) from attempts a join steps s on s.id = a.step_id"
            " where s.command_id = %(id)s"
        )
        command_id = asked.command_id if isinstance(asked, Request) else asked
        await self._until_true(statement, command_id)

    async def _until_true(self, statement: str, command_id: uuid.UUID) -> None:
        """Wait until an SQL query about a command returns a true value."""

        async def is_true() -> bool:
            async with self.house.database.transaction() as tx:
                return bool(await tx.fetchval(statement, {"id": command_id}))

        await until(is_true)

    async def wake(self, command_id: uuid.UUID) -> None:
        """End a command's rest."""
        async with self.house.database.transaction() as tx:
            await tx.execute(
                "update commands set next_attempt_at = 'epoch' where id = %(id)s",
                {"id": command_id},
            )
        self.house.bell.ring()

    async def fault(self, **description: Any) -> None:
        """Arm a fault of the devnet."""
        await asyncio.to_thread(post, f"{self.devnet.url}/faults", description)

    async def clear_faults(self) -> None:
        """Clear all faults of the devnet."""
        request = urllib.request.Request(f"{self.devnet.url}/faults", method="DELETE")  # noqa: S310 - the devnet's own address
        await asyncio.to_thread(
            lambda: urllib.request.urlopen(request, timeout=PATIENCE_SECONDS).close()  # noqa: S310 - the same
        )

    async def balance(self, address: str) -> int:
        """Return what an address holds on chain, in minor units."""
        return (await self.house.chain.asset_balances([address]))[address]

    async def order(self, *, funds: str = "100.00") -> Order:
        """Make a buyer with money and a seller without."""
        buyer, seller = await asyncio.gather(self.wallet(), self.wallet())
        await self.pay_in(buyer, funds)
        return Order(id=uuid.uuid4(), escrow_id=uuid.uuid4(), buyer=buyer, seller=seller)

    async def ended(self, answer: Answer | Request | uuid.UUID) -> Command:
        """Wait for the end of a command."""
        if isinstance(answer, Answer):
            command_id = command_of(answer)
        else:
            command_id = answer.command_id if isinstance(answer, Request) else answer
        return await self.queries.command(
            marketplace_id=self.marketplace_id, command_id=command_id, wait_seconds=WAIT_SECONDS
        )

    async def created(self, order: Order, *, platform_fee_bps: int = 0) -> Command:
        """Deploy the contract of an order."""
        answer = await self.escrows.create(
            self.asked(CommandKind.CREATE), new_escrow(order, platform_fee_bps=platform_fee_bps)
        )
        return succeeded(await self.ended(answer))

    async def do(self, kind: CommandKind, order: Order, **fields: Any) -> Command:
        """Start a command and wait for its success."""
        use_case: Callable[..., Awaitable[Answer]] = getattr(self.escrows, kind.value.lower())
        answer = await use_case(self.asked(kind), order_id=order.id, **fields)
        return succeeded(await self.ended(answer))

    async def funded(self, *, platform_fee_bps: int = 0) -> Order:
        """Make an order whose contract holds its money."""
        order = await self.order()
        await self.created(order, platform_fee_bps=platform_fee_bps)
        await self.do(CommandKind.FUND, order)
        return order

    async def events(self, aggregate_id: str) -> list[tuple[int, str]]:
        """Return version and type of an escrow's events, in order."""
        return [(e["version"], e["eventType"]) for e in await self.bodies(aggregate_id)]

    async def bodies(self, aggregate_id: str) -> list[dict[str, Any]]:
        """Return the bodies of an aggregate's events, in order."""
        async with self.house.database.statement() as connection:
            cursor = await connection.execute(
                "select body from outbox where aggregate_id = %s order by version", (aggregate_id,)
            )
            return [json.loads(str(body)) for (body,) in await cursor.fetchall()]


def new_escrow(order: Order, *, platform_fee_bps: int = 0) -> NewEscrow:
    """Return the request that creates an order's escrow."""
    return NewEscrow(
        id=order.escrow_id,
        order_id=order.id,
        buyer_user_id=order.buyer.user_id,
        seller_user_id=order.seller.user_id,
        amount=usdc(AMOUNT),
        title="Logo design",
        description="Design a logo for my startup",
        milestones=(),
        platform_fee_bps=platform_fee_bps,
    )


def usdc(minor_units: int) -> Money:
    """Return an amount of the asset."""
    return Money(asset=USDC, minor_units=minor_units)


def succeeded(command: Command) -> Command:
    """Assert that a command has succeeded, and return it."""
    assert command.state is CommandState.SUCCEEDED, (command.error_reason, command.error_message)
    return command


def command_of(answer: Answer) -> uuid.UUID:
    """Read the id of the command that was accepted."""
    from orchestrator.escrow.v1 import escrow_pb2

    return uuid.UUID(escrow_pb2.Command.FromString(answer.body).id)


def post(url: str, document: dict[str, Any]) -> None:
    """Post JSON to the devnet. Raises: HTTPError."""
    request = urllib.request.Request(  # noqa: S310 - the devnet's own address
        url, data=json.dumps(document).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS):  # noqa: S310 - the same
        pass
