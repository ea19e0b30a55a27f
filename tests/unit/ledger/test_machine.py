"""Any sequence of transfers, in any batches, against an oracle that knows only history.

The oracle keeps the accepted transfers and adds them up anew for every question: slow, and too
simple to be wrong in the way that the ledger's running figures could be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kernel.ids import TransferId
from services.ledger.book import (
    FEES,
    NewTransfer,
    TransferStatus,
    TransferType,
    is_limited,
)
from tests.unit.ledger.asking import (
    ANN,
    BOB,
    EVE,
    WORLD,
    Ledger,
    bar,
    escrow,
    pending,
    post,
    single,
    transfer_id,
    void,
)

USERS = (ANN, BOB)
ACCOUNTS = (*USERS, EVE, escrow(1), escrow(2), WORLD, FEES)
numbers = st.integers(1, 12)
names = st.sampled_from(ACCOUNTS)
amounts = st.integers(0, 120)
asked_one = st.one_of(
    st.builds(single, numbers, st.just(WORLD), st.sampled_from(USERS), st.integers(1, 200)),
    st.builds(single, numbers, names, names, amounts, linked=st.booleans()),
    st.builds(pending, numbers, names, names, amounts, linked=st.booleans()),
    st.builds(post, numbers, numbers, st.none() | amounts, linked=st.booleans()),
    st.builds(void, numbers, numbers, linked=st.booleans()),
    st.builds(bar, numbers, numbers, names, names, amounts),
)


@dataclass(slots=True)
class Oracle:
    """The accepted transfers, in order."""

    accepted: list[NewTransfer] = field(default_factory=list)
    barred: frozenset[TransferId] = frozenset()

    def find(self, key: TransferId | None) -> NewTransfer | None:
        return next((one for one in self.accepted if one.id == key), None)

    def hold(self, end: NewTransfer) -> NewTransfer | None:
        found = self.find(end.pending_id)
        return found if found is not None and found.type == TransferType.PENDING else None

    def end_of(self, hold: NewTransfer) -> NewTransfer | None:
        return next((one for one in self.accepted if one.pending_id == hold.id), None)

    def posted(self, name: str) -> int:
        total = 0
        for one in self.accepted:
            moved = one
            if one.type == TransferType.POST:
                hold = self.hold(one)
                assert hold is not None
                amount = hold.amount if one.amount is None else one.amount
                moved = hold._replace(amount=amount)
            elif one.type != TransferType.SINGLE:
                continue
            amount = moved.amount or 0
            total += amount * (moved.credit == name) - amount * (moved.debit == name)
        return total

    def reserved(self, name: str) -> int:
        return sum(
            one.amount or 0
            for one in self.accepted
            if one.type == TransferType.PENDING and one.debit == name and self.end_of(one) is None
        )

    def refuses(self, asked: NewTransfer) -> bool:
        known = self.find(asked.id)
        if known is not None:
            return not self._same(asked, known)
        if asked.pending_id is None:
            return asked.id in self.barred or self._cannot_move(asked)
        if asked.bars:
            return self._cannot_bar(asked)
        hold = self.hold(asked)
        if hold is None or self.end_of(hold) is not None:
            return True
        return asked.amount is not None and not 0 < asked.amount <= (hold.amount or 0)

    def _cannot_move(self, asked: NewTransfer) -> bool:
        amount = asked.amount or 0
        if amount <= 0 or asked.debit == asked.credit or EVE in {asked.debit, asked.credit}:
            return True
        spendable = self.posted(asked.debit) - self.reserved(asked.debit)
        has_limit = is_limited(asked.debit) or asked.debit == FEES
        return has_limit and spendable < amount

    def _cannot_bar(self, asked: NewTransfer) -> bool:
        named = self.find(asked.pending_id)
        if named is None:
            return asked.debit == EVE
        meant, hold = (asked.debit, asked.credit, asked.amount), self.hold(asked)
        if hold is None or self.end_of(hold) is not None:
            return True
        return meant != (hold.debit, hold.credit, hold.amount)

    def _same(self, asked: NewTransfer, known: NewTransfer) -> bool:
        hold = self.hold(known) if known.pending_id == asked.pending_id else None
        if asked.bars and hold is not None:
            if (asked.debit, asked.credit) != (hold.debit, hold.credit):
                return False
            asked = asked._replace(debit="", credit="", bars=False)
        whole = hold.amount if hold is not None else None
        amounts = [whole if one.amount is None else one.amount for one in (asked, known)]
        plain = [one._replace(amount=None, asset="", linked=False) for one in (asked, known)]
        return amounts[0] == amounts[1] and plain[0] == plain[1]

    def take(self, batch: Sequence[NewTransfer]) -> list[bool]:
        """Accept a batch in order; returns which transfers are refused."""
        refused: list[bool] = []
        start = 0
        while start < len(batch):
            end = start
            while batch[end].linked and end + 1 < len(batch):
                end += 1
            refused += self._take_group(batch[start : end + 1])
            start = end + 1
        return refused

    def _take_group(self, group: Sequence[NewTransfer]) -> list[bool]:
        before, barred = list(self.accepted), self.barred
        for position, asked in enumerate(group):
            if self.refuses(asked):
                self.accepted, self.barred = before, barred
                return [
                    index == position or self.find(one.id) is None or self.refuses(one)
                    for index, one in enumerate(group)
                ]
            if asked.bars and asked.pending_id is not None and self.find(asked.pending_id) is None:
                self.barred |= {asked.pending_id}
            elif self.find(asked.id) is None:
                plain = asked._replace(debit="", credit="", bars=False)
                self.accepted.append(plain if asked.bars else asked)
        return [False] * len(group)


class LedgerMachine(RuleBasedStateMachine):
    """The ledger and the oracle get the same transfers."""

    @initialize()
    def start(self) -> None:
        self.ledger = Ledger()
        self.ledger.open(*USERS)
        self.oracle = Oracle()

    @rule(batch=st.lists(asked_one, min_size=1, max_size=6))
    def ask(self, batch: list[NewTransfer]) -> None:
        results = self.ledger.ask(*batch)

        refused = self.oracle.take(batch)
        assert refused == [result.status is TransferStatus.REFUSED for result in results]
        assert [one.id for one in batch] == [result.id for result in results]
        assert all(
            bool(result.reason) == is_refused
            for result, is_refused in zip(results, refused, strict=True)
        )

    @invariant()
    def figures_are_the_sums_of_history(self) -> None:
        for name, account in self.ledger.accounts.items():
            assert self.oracle.posted(name) == account.credits - account.debits
            assert self.oracle.reserved(name) == account.holds
            assert account.available >= 0
            assert account.holds >= 0

    @invariant()
    def no_more_than_the_fees_that_were_earned_is_taken(self) -> None:
        assert self.oracle.posted(FEES) >= self.oracle.reserved(FEES)

    @invariant()
    def entries_sum_to_zero_and_tell_every_figure(self) -> None:
        lines = [line for line in self.ledger.entries if line.version is not None]
        per_transfer: dict[TransferId, int] = {}
        for line in self.ledger.entries:
            change = line.available_change + line.reserved_change
            key = line.transfer.id
            per_transfer[key] = per_transfer.get(key, 0) + change
        assert not any(per_transfer.values())
        for name, account in self.ledger.accounts.items():
            mine = [line for line in lines if line.account == name]
            assert [line.version for line in mine] == list(range(1, account.version + 1))
            assert sum(line.available_change for line in mine) == account.available
            assert sum(line.reserved_change for line in mine) == account.holds
            if mine:
                after = (mine[-1].available_after, mine[-1].reserved_after)
                assert after == (account.available, account.holds)

    @invariant()
    def every_hold_ends_at_most_once(self) -> None:
        ended = [one.pending_id for one in self.ledger.transfers.values() if one.pending_id]
        assert len(ended) == len(set(ended))


LedgerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
test_the_ledger_agrees_with_the_oracle = LedgerMachine.TestCase


def test_the_oracle_itself_refuses_an_overdraft() -> None:
    oracle = Oracle()
    oracle.take([single(1, WORLD, ANN, 10), pending(2, ANN, escrow(1), 6)])

    assert oracle.take([single(3, ANN, BOB, 5), single(4, ANN, BOB, 4)]) == [True, False]
    assert transfer_id(3) not in {one.id for one in oracle.accepted}
