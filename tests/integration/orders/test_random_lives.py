"""Random lives with orders, milestones, offers, disputes and withdrawals: no money is lost.

After each step, the ledger sums up to nothing, each account has on the ledger what it has on the
chain, and nobody's money was moved but that of those who took part in the step.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from kernel.errors import DomainError
from kernel.ids import new_id
from kernel.money import CENT
from services.orders.order.domain import Decision, DisputeReason, Milestone, Party, State
from services.orders.withdrawals.domain import State as Withdrawn
from tests.integration.orders.bank import OUTSIDE, Bank, Chain
from tests.integration.orders.conftest import Peers, Shop, an_order, oid, open_shop, order_of
from tests.integration.orders.test_offers import accept, decline, make
from tests.integration.orders.withdrawing import asked, commit, read

T = TypeVar("T")
PEOPLE = ("usr_ann", "usr_bob", "usr_cem")
CENTS, RICH, SIDES = st.integers(1, 3_000), 50_000, st.sampled_from([Party.BUYER, Party.SELLER])
# Commands that may never land, each with a reason that ends it for good.
REFUSABLE = {
    "withdraw": "TRUSTLINE_FULL",
    "fund": "CHAIN_REFUSED",
    "release": "ABANDONED",
    "refund": "ABANDONED",
    "resolve": "ABANDONED",
}
REFUSED = "a refusal"
# How an order may end at once, with what the command needs besides who gives it.
ENDINGS: dict[str, dict[str, Any]] = {
    "release_funds": {"is_forced": True},
    "refund": {"reason": ""},
    "cancel": {"reason": "", "user_id": None},
}
# Lives are lived until each of WANTED has happened, so often at most.
GENERATIONS = 8
# How often something happened in all lives; without some of each, they prove little.
SEEN: Counter[str] = Counter()
WANTED = frozenset(
    {
        "withdrawal COMPLETED",
        "withdrawal FAILED",
        "withdrawal CANCELED",
        "order RELEASED",
        "order REFUNDED",
        "order CANCELED",
        "offer ACCEPTED",
        "offer DECLINED",
        "milestone",
    }
)
_ENDS = """
select 'withdrawal ' || state as what, count(*) as number from withdrawals
where marketplace_id = %(id)s group by 1
union all select 'order ' || final_status, count(*) from orders
where marketplace_id = %(id)s and final_status is not null group by 1
union all select 'offer ' || state, count(*) from offers where marketplace_id = %(id)s group by 1
union all select 'milestone', count(*) from operations
where marketplace_id = %(id)s and kind = 'COMPLETE_MILESTONE' and state = 'succeeded'
"""


class Lives(RuleBasedStateMachine):
    """Three people of one marketplace, and what they do."""

    orders: Bundle[Any] = Bundle("orders")
    offers: Bundle[Any] = Bundle("offers")
    withdrawals: Bundle[Any] = Bundle("withdrawals")

    def __init__(self, url: str) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self.bank, self.chain = Bank(), Chain()
        peers = Peers(ledger=self.bank, escrow=self.chain)  # type: ignore[arg-type] # the ports
        self._opened = open_shop(url, peers, new_id())
        self.shop: Shop = self._runner.run(self._opened.__aenter__())
        self.ids: dict[str, uuid.UUID] = {}
        self.put_in = 0

    def teardown(self) -> None:
        SEEN.update(self._runner.run(_ends(self.shop)))
        self._runner.run(self._opened.__aexit__(None, None, None))
        self._runner.close()

    def done(self, work: Coroutine[Any, Any, T], *parties: uuid.UUID) -> T | str:
        """Do one step to its end; only the money of its parties may move. Refusals are answers."""
        before = {person: self.wealth(person) for person in self.ids.values()}

        async def one() -> T | str:
            try:
                result: T | str = await work
            except DomainError:
                result = REFUSED
            await _quiet(self.shop)
            return result

        result = self._runner.run(one())
        for person, had in before.items():
            assert person in parties or self.wealth(person) == had, "another's money was moved"
        return result

    def wealth(self, person: uuid.UUID) -> tuple[int, int, int]:
        """Return what somebody has, what of it is held, and what is in their wallet on chain."""
        account = self.bank.ledger.accounts.get(f"user:{person}")
        held = 0 if account is None else account.holds
        name = f"user:{person}"
        return self.bank.posted(name), held, self.chain.held[name]

    @initialize()
    def begin(self) -> None:
        for name in PEOPLE:
            self.ids[name] = self._runner.run(self.shop.user(name))
            self._runner.run(self._open(name))
            self.pay_in_cents(name, RICH)

    @rule(name=st.sampled_from(PEOPLE), cents=CENTS)
    def pay_in(self, name: str, cents: int) -> None:
        self.pay_in_cents(name, cents)

    def pay_in_cents(self, name: str, cents: int) -> None:
        """Let somebody be paid from outside."""
        account, amount = f"user:{self.ids[name]}", cents * CENT
        self.bank.deposit(account, amount)
        self.chain.held[account] += amount
        self.put_in += amount

    async def _open(self, name: str) -> None:
        found = await self.shop.registry.get(marketplace_id=self.shop.marketplace_id, ref=name)
        await self.bank.open_account(user=found.name, asset="USDC")

    @rule(kind=st.sampled_from([*REFUSABLE]), is_refused=st.booleans())
    def let_the_chain_refuse(self, kind: str, *, is_refused: bool) -> None:
        self.chain.fails[kind] = REFUSABLE[kind] if is_refused else ""

    @rule(
        target=orders,
        sides=st.permutations(PEOPLE),
        cents=st.lists(CENTS, min_size=1, max_size=3),
        has_milestones=st.booleans(),
        steps=st.sampled_from([3, 3, 3, 2, 1, 0]),
        completed=st.integers(0, 2),
        ending=st.sampled_from(["", "", "release_funds", "refund", "cancel"]),
    )
    def create(
        self,
        sides: list[str],
        cents: list[int],
        steps: int,
        completed: int,
        ending: str,
        *,
        has_milestones: bool,
    ) -> Any:
        parts = tuple(
            Milestone(ref=f"m{n}", title="A part", minor_units=part * CENT)
            for n, part in enumerate(cents)
        )
        new = an_order(
            buyer=sides[0],
            seller=sides[1],
            amount=sum(cents) * CENT,
            milestones=parts if has_milestones else (),
        )
        answer = self.done(self.shop.queries.create_order(self.shop.key(), new))
        order = order_of(answer)  # type: ignore[arg-type] # it is never refused
        self._locked(order, steps)
        for number in range(completed):
            self._command(order, "complete_milestone", ref=f"m{number}")
        if ending:
            self._command(order, ending, by=Party.BUYER, **ENDINGS[ending])
        return order

    @rule(order=orders, steps=st.integers(1, 3))
    def bring_on(self, order: Any, steps: int) -> None:
        self._locked(order, steps)

    def _locked(self, order: Any, steps: int) -> None:
        """Reserve, deploy, fund: as far as the balance allows."""
        for command in ("reserve_funds", "create_escrow", "fund_escrow")[:steps]:
            self._command(order, command)

    @rule(order=orders, by=SIDES, is_forced=st.booleans())
    def release(self, order: Any, by: Party, *, is_forced: bool) -> None:
        self._command(order, "release_funds", by=by, is_forced=is_forced)

    @rule(order=orders, by=SIDES)
    def refund(self, order: Any, by: Party) -> None:
        self._command(order, "refund", by=by, reason="")

    @rule(order=orders)
    def cancel(self, order: Any) -> None:
        self._command(order, "cancel", by=Party.BUYER, reason="", user_id=None)

    @rule(order=orders)
    def deliver(self, order: Any) -> None:
        self._command(order, "deliver", notes="", url="", user_id=None)

    @rule(order=orders, number=st.integers(0, 2))
    def complete_milestone(self, order: Any, number: int) -> None:
        self._command(order, "complete_milestone", ref=f"m{number}")

    @rule(order=orders, by=SIDES)
    def dispute(self, order: Any, by: Party) -> None:
        self._command(
            order,
            "open_dispute",
            by=by,
            reason=DisputeReason.OTHER,
            description="",
            evidence=(),
            user_id=None,
        )

    @rule(order=orders, decision=st.sampled_from(Decision), share=st.integers(1, 99))
    def decide(self, order: Any, decision: Decision, share: int) -> None:
        found = self._runner.run(self.shop.read(order))
        if found.dispute is None:
            return
        part = found.amount // CENT * share // 100 * CENT
        shares = (part, found.amount - part) if decision is Decision.SPLIT else (None, None)
        work = self.shop.service.resolve_dispute(
            self.shop.ask(),
            dispute_id=found.dispute.id,
            decision=decision,
            release=shares[0],
            refund=shares[1],
            note="",
        )
        self.done(work, *_parties(order))

    @rule(
        target=offers,
        order=orders,
        by=SIDES,
        share=st.integers(1, 99),
        steps=st.sampled_from([3, 3, 0]),
        answered=st.sampled_from([None, accept, decline]),
    )
    def offer(self, order: Any, by: Party, share: int, steps: int, answered: Any) -> Any:
        self._locked(order, steps)
        refund = order.amount.minor_units // CENT * share // 100 * CENT
        made = self.done(make(self.shop, order, by=by, refund=refund))
        if made == REFUSED:
            return multiple()
        if answered is not None:
            self.answer((order, made), answered)
        return multiple() if answered else (order, made)

    @rule(offer=consumes(offers), answer=st.sampled_from([accept, decline]))
    def answer(self, offer: Any, answer: Callable[..., Any]) -> None:
        order, made = offer
        parties = _parties(order) if answer is accept else ()
        self.done(answer(self.shop, made), *parties)

    @rule(target=withdrawals, name=st.sampled_from(PEOPLE), cents=CENTS, is_committed=st.booleans())
    def withdraw(self, name: str, cents: int, *, is_committed: bool) -> Any:
        new = asked(user=name, amount=cents * CENT, commit=is_committed)
        answer: Any = self.done(self.shop.withdrawing.create(self.shop.ask(), new), self.ids[name])
        return multiple() if answer == REFUSED else read(answer)

    @rule(withdrawal=withdrawals)
    def commit(self, withdrawal: Any) -> None:
        work = commit(self.shop, uuid.UUID(withdrawal.id))
        self.done(work, uuid.UUID(withdrawal.user.id))

    @rule(withdrawal=withdrawals)
    def cancel_withdrawal(self, withdrawal: Any) -> None:
        self.done(
            self.shop.withdrawing.cancel(
                self.shop.key(), withdrawal_id=uuid.UUID(withdrawal.id), user_id=None
            )
        )

    def _command(self, order: Any, name: str, **fields: Any) -> None:
        command: Callable[..., Awaitable[Any]] = getattr(self.shop.service, name)

        async def work() -> Any:
            return await command(self.shop.ask(), order_id=oid(order), **fields)

        self.done(work(), *_parties(order))

    @invariant()
    def the_ledger_sums_up_to_nothing(self) -> None:
        assert self.bank.total() == 0
        for one in self.bank.ledger.accounts.values():
            if one.name.startswith(("user:", "escrow:")):
                assert one.credits - one.debits == self.bank.posted(one.name)
                assert one.available >= 0
                assert one.holds >= 0

    @invariant()
    def each_account_has_on_the_ledger_what_it_has_on_the_chain(self) -> None:
        named = {entry.account for entry in self.bank.ledger.entries}
        for name in named | set(self.chain.held):
            if name.startswith(("user:", "escrow:", "fees:provider")):
                assert self.bank.posted(name) == self.chain.held[name], name
        # What came in from outside, less what went out, is in the house; no more is anywhere.
        assert sum(self.chain.held.values()) == self.put_in

    @invariant()
    def withdrawals_have_paid_and_hold_what_they_say(self) -> None:
        rows = self._runner.run(_withdrawn(self.shop)) if self.ids else []
        for person in self.ids.values():
            mine = [(state, amount) for user, state, amount in rows if user == person]
            paid = sum(amount for state, amount in mine if state == Withdrawn.COMPLETED.value)
            assert self.chain.paid_out[person] == paid
        assert self.chain.held[OUTSIDE] == sum(self.chain.paid_out.values())

    @invariant()
    def holds_are_of_reserved_orders_alone(self) -> None:
        """Nothing runs between two steps, so that no withdrawal holds anything."""
        if not self.ids:
            return
        holding = self._runner.run(_holding(self.shop))
        for person in self.ids.values():
            account = self.bank.ledger.accounts.get(f"user:{person}")
            held = 0 if account is None else account.holds
            assert held == sum(amount for buyer, amount in holding if buyer == person)


def _parties(order: Any) -> tuple[uuid.UUID, uuid.UUID]:
    return uuid.UUID(order.buyer.id), uuid.UUID(order.seller.id)


async def _quiet(shop: Shop) -> None:
    """Wait until nothing is carried out."""
    busy = "select (select count(*) from operations where state = 'running')"
    busy += " + (select count(*) from withdrawals where in_progress)"
    async with asyncio.timeout(30):
        while True:
            async with shop.database.statement() as connection:
                if not await connection.fetchval(busy):
                    return
            await asyncio.sleep(0.01)


async def _withdrawn(shop: Shop) -> list[Any]:
    async with shop.database.statement() as connection:
        return await connection.fetch(
            "select user_id, state, amount from withdrawals where marketplace_id = %(id)s",
            {"id": shop.marketplace_id},
        )


async def _ends(shop: Shop) -> dict[str, int]:
    """Count what has happened in a life."""
    async with shop.database.statement() as connection:
        rows = await connection.fetch(_ENDS, {"id": shop.marketplace_id})
    return {row.what: row.number for row in rows}


async def _holding(shop: Shop) -> list[Any]:
    """Return the buyers and amounts of the orders whose money is held."""
    states = [State.FUNDS_RESERVED.value, State.ESCROW_CREATING.value, State.ESCROW_FUNDING.value]
    async with shop.database.statement() as connection:
        return await connection.fetch(
            "select buyer_id, amount from orders"
            " where marketplace_id = %(id)s and state = any(%(states)s)",
            {"id": shop.marketplace_id, "states": states},
        )


# Each generation differs: with CI in the environment, Hypothesis would repeat the first one.
LONG = settings(
    derandomize=False,
    max_examples=30,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
def test_no_money_is_lost_in_any_life(database_url: Callable[[str], str]) -> None:
    url = database_url("orders")
    for _ in range(GENERATIONS):
        run_state_machine_as_test(lambda: Lives(url), settings=LONG)  # type: ignore[arg-type] # a maker
        if {what for what, number in SEEN.items() if number} >= WANTED:
            return
    raise AssertionError(SEEN)
