"""Previews on a real database, with the peers in memory: each command tried, then carried out."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import psycopg
import pytest
from orchestrator.orders.v1 import offers_pb2, orders_pb2
from psycopg.errors import ReadOnlySqlTransaction

from chassis.idempotency import Answer
from kernel.errors import DomainError, Unavailable
from services.orders.app import Parts, RehearsedParts
from services.orders.offers.service import OfferService
from services.orders.operations.commands import Request
from services.orders.order.domain import Decision, DisputeReason, Origin, Party, UserName
from services.orders.peers.ports import BalanceChange, Command, Payment
from services.orders.service import OrderService
from tests.fakes import FakeDisputes, FakeEscrow, FakeLedger
from tests.integration.orders.conftest import Peers, Shop, oid, order_of
from tests.integration.orders.withdrawing import asked, commit, made, state

Act = Callable[[OrderService, Request, orders_pb2.Order], Awaitable[Answer]]


class CheckingEscrow(FakeEscrow):
    """Ends every command at once, and keeps what it pays."""

    def __init__(self, like: FakeEscrow) -> None:
        super().__init__(orders=dict(like.orders), refuses=like.refuses, flaws=like.flaws)
        self.payments: list[Payment] = []
        self.steps: list[str] = []

    def _start(
        self, kind: str, command_id: uuid.UUID, order_id: uuid.UUID, payments: tuple[Payment, ...]
    ) -> Command:
        started = super()._start(kind, command_id, order_id, payments)
        self.payments += payments
        self.steps.append(kind)
        return Command(
            id=started.id,
            state="SUCCEEDED",
            contract_id=started.contract_id,
            escrow_status=started.escrow_status,
            payments=payments,
        )


@dataclass(slots=True)
class CheckingFakes:
    """Copies of the peers, which are thrown away."""

    like: Peers
    ledger: FakeLedger = field(init=False)
    escrow: CheckingEscrow = field(init=False)
    disputes: FakeDisputes = field(init=False)

    def __post_init__(self) -> None:
        known = self.like.ledger
        self.ledger = FakeLedger(
            available=dict(known.available),
            holds=dict(known.holds),
            ended_holds=set(known.ended_holds),
            barred=set(known.barred),
            transfers=dict(known.transfers),
        )
        self.escrow = CheckingEscrow(self.like.escrow)
        self.disputes = FakeDisputes(decisions=dict(self.like.disputes.decisions))

    @property
    def payments(self) -> Sequence[Payment]:
        """What the copy has paid."""
        return self.escrow.payments

    @property
    def steps(self) -> Sequence[str]:
        """The kinds of commands that were asked for."""
        return self.escrow.steps

    async def balances(self, users: Sequence[UserName], *, asset: str) -> list[BalanceChange]:
        """Compare the peer with its copy."""
        del asset
        accounts = [f"user:{user.id}" for user in users]
        return [
            BalanceChange(
                user=user,
                available_before=self.like.ledger.available.get(name, 0),
                reserved_before=self.like.ledger.reserved(name),
                available_after=self.ledger.available.get(name, 0),
                reserved_after=self.ledger.reserved(name),
            )
            for user, name in zip(users, accounts, strict=True)
        ]


def rehearsed(shop: Shop) -> tuple[RehearsedParts, CheckingFakes]:
    """Make the parts of one preview."""
    peers = CheckingFakes(shop.peers)
    parts = Parts(
        database=shop.database,
        ledger=shop.peers.ledger,
        escrow=shop.peers.escrow,
        disputes=shop.peers.disputes,
        platform_fee_bps={Origin.MARKETPLACE: 0, Origin.PARTY: 1000},
        wallet_wait_seconds=0,
    )
    return parts.rehearsed(peers), peers


def contents(admin: str) -> dict[str, object]:
    """Hash every table of orders, and read its sequences."""
    found: dict[str, object] = {}
    with psycopg.connect(admin) as connection:
        tables = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'orders'"
        ).fetchall()
        for (table,) in tables:
            statement = psycopg.sql.SQL(
                "select count(*), sum(hashtextextended(t::text, 0)) from orders.{} t"
            )
            found[table] = connection.execute(
                statement.format(psycopg.sql.Identifier(table))
            ).fetchone()
        found["sequences"] = connection.execute(
            "select sequencename, last_value from pg_sequences"
            " where schemaname = 'orders' order by 1"
        ).fetchall()
    return found


async def _dispute(service: OrderService, request: Request, order: orders_pb2.Order) -> Answer:
    return await service.open_dispute(
        request,
        order_id=oid(order),
        by=Party.BUYER,
        reason=DisputeReason.OTHER,
        description="",
        evidence=(),
        user_id=None,
    )


async def _resolve(service: OrderService, request: Request, order: orders_pb2.Order) -> Answer:
    return await service.resolve_dispute(
        request,
        dispute_id=uuid.UUID(order.dispute.id),
        decision=Decision.SPLIT,
        release=500_000_000,
        refund=300_000_000,
        note="",
    )


async def _release(service: OrderService, request: Request, order: orders_pb2.Order) -> Answer:
    return await service.release_funds(request, order_id=oid(order), by=Party.BUYER)


async def _refund(service: OrderService, request: Request, order: orders_pb2.Order) -> Answer:
    return await service.refund(request, order_id=oid(order), by=Party.SELLER, reason="Late")


async def _cancel(service: OrderService, request: Request, order: orders_pb2.Order) -> Answer:
    return await service.cancel(
        request, order_id=oid(order), by=Party.BUYER, reason="", user_id=None
    )


async def _deliver(service: OrderService, request: Request, order: orders_pb2.Order) -> Answer:
    return await service.deliver(request, order_id=oid(order), notes="", url="", user_id=None)


async def _pay(service: OrderService, request: Request, order: orders_pb2.Order) -> Answer:
    return await service.pay(request, order_id=oid(order), user_id=None)


async def disputed(shop: Shop) -> orders_pb2.Order:
    return order_of(await _dispute(shop.service, shop.ask(), await shop.running_order()))


async def _until_quiet(shop: Shop, order: orders_pb2.Order) -> orders_pb2.Order:
    """Return an order when no operation runs on it."""
    while True:
        found, operation = await shop.queries.get_order(
            marketplace_id=shop.marketplace_id, order_id=oid(order)
        )
        if operation is None:
            return orders_pb2.Order.FromString(shop.saga.encode(found, None))
        await shop.saga.for_end(operation.id, seconds=10)


# Each command: the order that it is tried on, what it does, and the steps on chain.
COMMANDS: dict[str, tuple[Callable[[Shop], Awaitable[orders_pb2.Order]], Act, list[str]]] = {
    "reserve": (Shop.rich_order, lambda s, r, o: s.reserve_funds(r, order_id=oid(o)), []),
    "create": (
        Shop.reserved_order,
        lambda s, r, o: s.create_escrow(r, order_id=oid(o)),
        ["create"],
    ),
    "fund": (Shop.deployed_order, lambda s, r, o: s.fund_escrow(r, order_id=oid(o)), ["fund"]),
    "pay": (Shop.rich_order, _pay, ["create", "fund"]),
    "release": (Shop.running_order, _release, ["release"]),
    "refund": (Shop.running_order, _refund, ["refund"]),
    "cancel": (Shop.reserved_order, _cancel, []),
    "deliver": (Shop.running_order, _deliver, []),
    "dispute": (Shop.running_order, _dispute, ["freeze"]),
    "resolve": (disputed, _resolve, ["resolve"]),
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_preview_predicts_the_command_and_writes_nothing(
    shop: Shop, postgres_admin: str, command: str
) -> None:
    begin, act, steps = COMMANDS[command]
    order = await _until_quiet(shop, await begin(shop))
    parts, peers = rehearsed(shop)
    before, calls = contents(postgres_admin), shop.peers.ledger.calls
    sides = (order.buyer, order.seller)
    users = [UserName(id=uuid.UUID(one.id), public_id=one.public_id) for one in sides]

    foreseen = order_of(await act(parts.service(parts.saga()), shop.ask("used"), order))
    changes = await peers.balances(users, asset="USDC")

    assert contents(postgres_admin) == before
    assert shop.peers.ledger.calls == calls
    assert peers.steps == steps
    # The key is free: it may be another request's.
    await act(shop.service, shop.ask("used", fingerprint=b"another"), order)
    done = await _until_quiet(shop, order)
    assert (done.state, done.final_status) == (foreseen.state, foreseen.final_status)
    assert done.escrow.status == foreseen.escrow.status
    assert done.dispute.status == foreseen.dispute.status
    assert (done.released_amount, done.refunded_amount) == (
        foreseen.released_amount,
        foreseen.refunded_amount,
    )
    for change in changes:
        name = f"user:{change.user.id}"
        assert shop.peers.ledger.available.get(name, 0) == change.available_after
        assert shop.peers.ledger.reserved(name) == change.reserved_after


async def test_preview_is_refused_for_the_commands_reason(shop: Shop, postgres_admin: str) -> None:
    poor = await shop.rich_order()
    shop.peers.ledger.available[f"user:{poor.buyer.id}"] = 1
    tries: list[tuple[Act, orders_pb2.Order, Request]] = [
        (COMMANDS["reserve"][1], poor, shop.ask("poor")),
        (COMMANDS["reserve"][1], poor, shop.ask("other", amount=7)),
        (COMMANDS["fund"][1], poor, shop.ask("early")),
        (_release, poor, shop.ask("release")),
        (_release, orders_pb2.Order(id=str(uuid.uuid4())), shop.ask("nothing")),
    ]
    for act, order, request in tries:
        parts, _ = rehearsed(shop)
        before = contents(postgres_admin)
        with pytest.raises(DomainError) as foreseen:
            await act(parts.service(parts.saga()), request, order)
        assert contents(postgres_admin) == before
        with pytest.raises(DomainError) as refused:
            await act(shop.service, request, order)
        assert (foreseen.value.reason, foreseen.value.details) == (
            refused.value.reason,
            refused.value.details,
        )


async def test_preview_of_an_offer_leaves_it_open(shop: Shop, postgres_admin: str) -> None:
    order = await shop.running_order()
    answer = await shop.offers.make(
        shop.key(),
        order_id=oid(order),
        by=Party.BUYER,
        refund=200_000_000,
        message="",
        user_id=None,
    )
    offer = offers_pb2.Offer.FromString(answer.body)
    parts, _ = rehearsed(shop)
    before = contents(postgres_admin)

    async def accept(offers: OfferService, key: str) -> orders_pb2.Order:
        return order_of(
            await offers.accept(
                shop.ask(key),
                order_id=oid(order),
                offer_id=uuid.UUID(offer.id),
                by=None,
                user_id=None,
            )
        )

    foreseen = await accept(parts.offers(parts.saga(), hours=72), "a")

    assert contents(postgres_admin) == before
    done = await accept(shop.offers, "a")
    assert (done.state, done.final_status) == (foreseen.state, foreseen.final_status)
    assert done.refunded_amount == foreseen.refunded_amount


async def test_preview_predicts_the_withdrawal(rich: Shop, postgres_admin: str) -> None:
    withdrawal = await made(rich)
    before = contents(postgres_admin)
    rehearsals = [rehearsed(rich) for _ in range(3)]
    services = [parts.withdrawing(parts.carrier()) for parts, _ in rehearsals]

    new = await services[0].create(rich.ask("one"), asked(commit=True))
    old = await services[1].commit(rich.ask("two"), withdrawal_id=withdrawal, user_id=None)
    canceled = await services[2].cancel(rich.key("three"), withdrawal_id=withdrawal, user_id=None)

    assert contents(postgres_admin) == before
    assert rich.peers.ledger.holds == {}
    assert [peers.steps for _, peers in rehearsals] == [["withdraw"], ["withdraw"], []]
    assert [state(one) for one in (new, old, canceled)] == ["COMPLETED", "COMPLETED", "CANCELED"]
    assert state(await commit(rich, withdrawal, key="two")) == "COMPLETED"


async def test_database_of_a_preview_refuses_every_write(shop: Shop) -> None:
    database = shop.database.read_only()

    refusals = []
    for begin in (database.transaction, database.statement):
        for statement in ("delete from orders", "select * from orders for update"):
            with pytest.raises(Unavailable) as refusal:
                async with begin() as connection:
                    await connection.fetch(statement)
            refusals.append(type(refusal.value.__cause__))

    assert refusals == [ReadOnlySqlTransaction] * 4
