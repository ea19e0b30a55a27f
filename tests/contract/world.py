"""A marketplace with what each mutating RPC needs to succeed: users, money, orders, cases."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf.message import Message
from orchestrator.escrow.v1 import escrow_pb2 as escrow
from orchestrator.ledger.v1 import ledger_pb2 as ledger
from orchestrator.orders.v1 import orders_pb2 as orders
from orchestrator.orders.v1 import withdrawals_pb2 as withdrawals

from kernel.money import CENT
from tests.contract import builders
from tests.contract.builders import VALID, ident, keyed, usdc
from tests.contract.city import City, Way
from tests.contract.redirecting import a_redirect, a_redirect_by_rule
from tests.serving import identity_of

CALL_SECONDS = 60.0
WAIT_SECONDS = 60
PRICE = 8000
Ready = Callable[["World"], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user with a wallet."""

    id: str
    address: str


@dataclass(kw_only=True)
class World:
    """Clients of all services for one marketplace, as allowed callers."""

    city: City
    way: Way
    marketplace_id: uuid.UUID = field(default_factory=uuid.uuid4)
    _pair: tuple[Person, Person] | None = None
    _webhook: str = ""

    async def call_with_replay(self, name: str, method: str, request: Message) -> tuple[Any, bool]:
        """Call as an allowed service; also returns whether the response was a replay."""
        served = await self.city.get(name)
        client = served.client(self.way, marketplace_id=self.marketplace_id)
        return await client.call_with_replay(
            method, request, caller=served.caller(method), timeout_seconds=CALL_SECONDS
        )

    async def call(self, name: str, method: str, request: Message) -> Any:
        """Call as an allowed service."""
        response, _ = await self.call_with_replay(name, method, request)
        return response

    async def a_case(self) -> str:
        """Open a dispute at the disputes service only; return its id."""
        request = VALID["disputes"]["OpenDispute"]()
        return str((await self.call("disputes", "OpenDispute", request)).id)

    async def a_wallet(self, *, cents: int = 0) -> Person:
        """Create a wallet on chain, with a deposit."""
        request = VALID["escrow"]["CreateWallet"]()
        request.wait_seconds = WAIT_SECONDS
        made = await self.call("escrow", "CreateWallet", request)
        assert made.state == escrow.WALLET_STATE_ACTIVE
        if cents:
            await self.city.pay_in(made.address, cents=cents)
        return Person(id=made.user_id, address=made.address)

    async def done(self, method: str, request: Any) -> Any:
        """Send a command to escrow and wait until it has succeeded."""
        command = await self.call("escrow", method, request)
        asked = escrow.GetCommandRequest(command_id=command.id, wait_seconds=WAIT_SECONDS)
        ended = await self.call("escrow", "GetCommand", asked)
        assert ended.state == escrow.COMMAND_STATE_SUCCEEDED, ended
        return ended

    async def new_escrow(self) -> Any:
        """Return a request for an escrow between two wallets, the buyer's with money."""
        buyer, seller = await asyncio.gather(self.a_wallet(cents=PRICE), self.a_wallet())
        request = VALID["escrow"]["CreateEscrow"]()
        request.buyer_user_id, request.seller_user_id = buyer.id, seller.id
        return request

    async def an_escrow(self) -> str:
        """Deploy an escrow; return its order's id."""
        request = await self.new_escrow()
        await self.done("CreateEscrow", request)
        return str(request.order_id)

    async def a_funded_escrow(self) -> str:
        """Deploy and fund an escrow; return its order's id."""
        order_id = await self.an_escrow()
        await self.done("FundEscrow", keyed(escrow.FundEscrowRequest, order_id=order_id))
        return order_id

    async def people(self) -> tuple[Person, Person]:
        """Return this marketplace's buyer, with a large deposit, and its seller."""
        if self._pair is None:
            buyer, seller = await self._register("buyer"), await self._register("seller")
            await self.city.pay_in(buyer.address, cents=100 * PRICE)
            await self._has_available(buyer, cents=100 * PRICE)
            self._pair = (buyer, seller)
        return self._pair

    async def _register(self, name: str) -> Person:
        request = VALID["orders"]["RegisterUser"]()
        request.external_user_id = name
        user = await self.call("orders", "RegisterUser", request)
        wallet = await self.call("escrow", "GetWallet", escrow.GetWalletRequest(user_id=user.id))
        return Person(id=user.id, address=wallet.address)

    async def _has_available(self, person: Person, *, cents: int) -> None:
        asked = ledger.GetBalanceRequest(user_id=person.id, asset="USDC")
        available = 0
        async with asyncio.timeout(WAIT_SECONDS):
            while available < cents * CENT:
                await asyncio.sleep(0.05)
                account = await self.call("ledger", "GetBalance", asked)
                available = account.available.minor_units

    async def new_order(self) -> Any:
        """Return a request for an order between buyer and seller."""
        buyer, seller = await self.people()
        request = VALID["orders"]["CreateOrder"]()
        request.buyer, request.seller = buyer.id, seller.id
        return request

    async def an_order(self) -> str:
        """Create an order; return its id."""
        return str((await self.call("orders", "CreateOrder", await self.new_order())).id)

    async def a_withdrawal(self) -> str:
        """Create a withdrawal of the buyer's money; return its id."""
        request = VALID["orders"]["CreateWithdrawal"]()
        buyer, _ = await self.people()
        request.user, request.commit = buyer.id, False
        return str((await self.call("orders", "CreateWithdrawal", request)).id)

    async def a_withdrawal_to_approve(self) -> str:
        """Create a withdrawal with another key, so that this key must approve it; return its id."""
        request = await _create_withdrawal(self)
        request.commit = True
        client = (await self.city.get("orders")).client(
            self.way, marketplace_id=self.marketplace_id
        )
        who = identity_of("gateway", marketplace_id=self.marketplace_id)
        another = replace(who, principal="key:another")
        self.city.require_approval(self.marketplace_id, above=0)
        made = await client.call("CreateWithdrawal", request, who=another)
        self.city.require_approval(self.marketplace_id, above=None)
        assert made.state == withdrawals.WITHDRAWAL_STATE_AWAITING_APPROVAL
        return str(made.id)

    async def after(self, order_id: str, *steps: str) -> str:
        """Run the steps of an order, each to its end; return its id."""
        for step in steps:
            request = VALID["orders"][step]()
            request.order_id = order_id
            if hasattr(request, "wait_seconds"):
                request.wait_seconds = WAIT_SECONDS
            await self.call("orders", step, request)
        return order_id

    async def a_webhook(self) -> str:
        """Register a webhook; return its id."""
        request = VALID["webhooks"]["CreateWebhook"]()
        return str((await self.call("webhooks", "CreateWebhook", request)).id)

    async def own_webhook(self) -> str:
        """Return the id of the shared webhook, because a marketplace may have only a few."""
        self._webhook = self._webhook or await self.a_webhook()
        return self._webhook

    async def an_offer(self, order_id: str) -> str:
        """Let the buyer of an order offer that a part is refunded; return the offer's id."""
        request = VALID["orders"]["MakeOffer"]()
        request.order_id = order_id
        return str((await self.call("orders", "MakeOffer", request)).id)

    async def an_order_at_work(self) -> str:
        """Create an order and fund its escrow; return its id."""
        return await self.after(await self.an_order(), "ReserveFunds", "CreateEscrow", "FundEscrow")


def _as_it_is(name: str, method: str) -> Ready:
    async def ready(_: World) -> Any:
        return VALID[name][method]()

    return ready


def _about_case(method: str, *before: str) -> Ready:
    """Return a function that opens a case, calls `before`, and returns a request about the case."""

    async def ready(world: World) -> Any:
        dispute_id = await world.a_case()
        for name in (*before, method):
            request = VALID["disputes"][name]()
            request.dispute_id = dispute_id
            if name != method:
                await world.call("disputes", name, request)
        return request

    return ready


def _about_webhook(method: str, which: Callable[[World], Awaitable[str]]) -> Ready:
    async def ready(world: World) -> Any:
        request = VALID["webhooks"][method]()
        request.webhook_id = await which(world)
        return request

    return ready


async def _resend_delivery(world: World) -> Any:
    test = await _about_webhook("TestWebhook", World.own_webhook)(world)
    sent = await world.call("webhooks", "TestWebhook", test)
    request = VALID["webhooks"]["ResendDelivery"]()
    request.webhook_id, request.delivery_id = sent.webhook_id, sent.id
    return request


async def _post_transfers(world: World) -> Any:
    user = ident()
    account = VALID["ledger"]["OpenAccount"]()
    account.user_id = user
    await world.call("ledger", "OpenAccount", account)
    deposit = builders.transfer(credit_account=f"user:{user}", amount=usdc(PRICE))
    return keyed(ledger.PostTransfersRequest, transfers=[deposit])


async def propose_correction(world: World) -> Any:
    """Open an account, and return a request to correct it."""
    account = VALID["ledger"]["OpenAccount"]()
    await world.call("ledger", "OpenAccount", account)
    request = VALID["ledger"]["ProposeCorrection"]()
    request.credit_account = f"user:{account.user_id}"
    return request


def _on_escrow(method: str, make: Callable[[World], Awaitable[str]]) -> Ready:
    async def ready(world: World) -> Any:
        request = VALID["escrow"][method]()
        request.order_id = await make(world)
        return request

    return ready


async def _credit_wallet(world: World) -> Any:
    request = VALID["escrow"]["CreditWallet"]()
    request.user_id = (await world.a_wallet()).id
    return request


def _on_order(method: str, *steps: str) -> Ready:
    async def ready(world: World) -> Any:
        request = VALID["orders"][method]()
        request.order_id = await world.after(await world.an_order(), *steps)
        if hasattr(request, "wait_seconds"):
            request.wait_seconds = WAIT_SECONDS
        return request

    return ready


async def _resolve_dispute(world: World) -> Any:
    order_id = await world.after(await world.an_order_at_work(), "OpenDispute")
    order = await world.call("orders", "GetOrder", orders.GetOrderRequest(order_id=order_id))
    request = VALID["orders"]["ResolveDispute"]()
    request.dispute_id, request.wait_seconds = order.dispute.id, WAIT_SECONDS
    return request


async def _credit_user(world: World) -> Any:
    world.city.allow_credits(world.marketplace_id)
    request = VALID["orders"]["CreditUser"]()
    buyer, _ = await world.people()
    request.user, request.wait_seconds = buyer.id, WAIT_SECONDS
    return request


def _answer_offer(method: str) -> Ready:
    async def ready(world: World) -> Any:
        request = VALID["orders"][method]()
        request.order_id = await world.an_order_at_work()
        request.offer_id = await world.an_offer(request.order_id)
        if hasattr(request, "wait_seconds"):
            request.wait_seconds = WAIT_SECONDS
        return request

    return ready


def _moving(name: str, method: str) -> Ready:
    async def ready(_: World) -> Any:
        request = VALID[name][method]()
        request.seconds += 1
        return request

    return ready


async def _withdraw(world: World) -> Any:
    request = VALID["escrow"]["Withdraw"]()
    request.user_id = (await world.a_wallet(cents=100)).id
    return request


async def _create_withdrawal(world: World) -> Any:
    request = VALID["orders"]["CreateWithdrawal"]()
    buyer, _ = await world.people()
    request.user, request.wait_seconds = buyer.id, WAIT_SECONDS
    return request


def _on_withdrawal(
    method: str, make: Callable[[World], Awaitable[str]] = World.a_withdrawal
) -> Ready:
    async def ready(world: World) -> Any:
        request = VALID["orders"][method]()
        request.withdrawal_id = await make(world)
        if hasattr(request, "wait_seconds"):
            request.wait_seconds = WAIT_SECONDS
        return request

    return ready


_ABOUT_CASES = ("AssignDispute", "AddEvidence", "AddMessage", "AddNote", "DecideDispute")
_LOCKED = ("ReserveFunds", "CreateEscrow", "FundEscrow")
# For every mutating RPC: a function that creates what the RPC needs and returns a valid request.
READY: dict[tuple[str, str], Ready] = {
    ("disputes", "OpenDispute"): _as_it_is("disputes", "OpenDispute"),
    **{("disputes", name): _about_case(name) for name in _ABOUT_CASES},
    ("disputes", "UnassignDispute"): _about_case("UnassignDispute", "AssignDispute"),
    ("disputes", "CompleteDispute"): _about_case("CompleteDispute", "DecideDispute"),
    ("disputes", "WithdrawDecision"): _about_case("WithdrawDecision", "DecideDispute"),
    ("webhooks", "CreateWebhook"): _as_it_is("webhooks", "CreateWebhook"),
    ("webhooks", "UpdateWebhook"): _about_webhook("UpdateWebhook", World.own_webhook),
    ("webhooks", "DeleteWebhook"): _about_webhook("DeleteWebhook", World.a_webhook),
    ("webhooks", "RotateSecret"): _about_webhook("RotateSecret", World.own_webhook),
    ("webhooks", "TestWebhook"): _about_webhook("TestWebhook", World.own_webhook),
    ("webhooks", "ResendDelivery"): _resend_delivery,
    ("webhooks", "ResendDeliveries"): _about_webhook("ResendDeliveries", World.own_webhook),
    ("disputes", "AgeAnswers"): _moving("disputes", "AgeAnswers"),
    ("ledger", "OpenAccount"): _as_it_is("ledger", "OpenAccount"),
    ("ledger", "PostTransfers"): _post_transfers,
    ("ledger", "ProposeCorrection"): propose_correction,
    ("escrow", "CreateWallet"): _as_it_is("escrow", "CreateWallet"),
    ("escrow", "CreateEscrow"): World.new_escrow,
    ("escrow", "FundEscrow"): _on_escrow("FundEscrow", World.an_escrow),
    ("escrow", "CompleteMilestone"): _on_escrow("CompleteMilestone", World.a_funded_escrow),
    ("escrow", "ReleaseEscrow"): _on_escrow("ReleaseEscrow", World.a_funded_escrow),
    ("escrow", "RefundEscrow"): _on_escrow("RefundEscrow", World.a_funded_escrow),
    ("escrow", "FreezeEscrow"): _on_escrow("FreezeEscrow", World.a_funded_escrow),
    ("escrow", "ResolveEscrow"): _on_escrow("ResolveEscrow", World.a_funded_escrow),
    ("escrow", "CreditWallet"): _credit_wallet,
    ("escrow", "Withdraw"): _withdraw,
    ("orders", "RegisterUser"): _as_it_is("orders", "RegisterUser"),
    ("orders", "CreateOrder"): World.new_order,
    ("orders", "ReserveFunds"): _on_order("ReserveFunds"),
    ("orders", "CreateEscrow"): _on_order("CreateEscrow", "ReserveFunds"),
    ("orders", "FundEscrow"): _on_order("FundEscrow", "ReserveFunds", "CreateEscrow"),
    ("orders", "CompleteMilestone"): _on_order("CompleteMilestone", *_LOCKED),
    ("orders", "ReleaseFunds"): _on_order("ReleaseFunds", *_LOCKED),
    ("orders", "CancelOrder"): _on_order("CancelOrder", "ReserveFunds"),
    ("orders", "RefundOrder"): _on_order("RefundOrder", *_LOCKED),
    ("orders", "OpenDispute"): _on_order("OpenDispute", *_LOCKED),
    ("orders", "ResolveDispute"): _resolve_dispute,
    ("orders", "MakeOffer"): _on_order("MakeOffer", *_LOCKED),
    ("orders", "AcceptOffer"): _answer_offer("AcceptOffer"),
    ("orders", "DeclineOffer"): _answer_offer("DeclineOffer"),
    ("orders", "DeliverOrder"): _on_order("DeliverOrder", *_LOCKED),
    ("orders", "ConfirmOrder"): _on_order("ConfirmOrder", *_LOCKED, "DeliverOrder"),
    ("orders", "PayOrder"): _on_order("PayOrder"),
    ("orders", "CreditUser"): _credit_user,
    ("orders", "AdvanceClock"): _moving("orders", "AdvanceClock"),
    ("orders", "CreateWithdrawal"): _create_withdrawal,
    ("orders", "CommitWithdrawal"): _on_withdrawal("CommitWithdrawal"),
    ("orders", "ApproveWithdrawal"): _on_withdrawal(
        "ApproveWithdrawal", World.a_withdrawal_to_approve
    ),
    ("orders", "CancelWithdrawal"): _on_withdrawal("CancelWithdrawal"),
    ("orders", "RedirectPayout"): a_redirect,
    ("escrow", "RedirectPayoutByRule"): a_redirect_by_rule,
}
