"""Random lives of a contract: played by the devnet's rules, and on the wasm if it is given.

Whoever calls whatever, no money is created or lost, and a contract ends at most once in each way.
Each life follows from its number alone, so a life that fails can be played again.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stellar_sdk import scval

from devnet.chain.addresses import present
from devnet.conform import cast
from devnet.conform.replay import WATCHED, came_of
from devnet.conform.stage import Played, Stage
from devnet.wasm.contract import WasmContract

CALLS_MAX = 14
# The provider's fee of a payout, in basis points.
PROVIDER_BPS, WHOLE_BPS = 30, 10_000
ENDS = ("released", "resolved")
# A contract that was paid more than its amount may be disputed and resolved after its release.
ENDING = {"release_funds": "released", "resolve_dispute": "resolved"}
# Only these functions may let a contract pay.
PAYING = frozenset({"release_funds", "resolve_dispute", "withdraw_remaining_funds"})
AMOUNTS = ("1", "7", "333", "9999", "10000", "800000000", "4000000001", "9999999999")
Step = dict[str, Any]
# The weight of each call in the random choice.
WEIGHTS: Mapping[str, int] = {
    "fund": 5,
    "complete": 4,
    "approve": 4,
    "release": 4,
    "dispute": 3,
    "resolve": 4,
    "withdraw": 2,
    "give": 2,
    "update": 2,
    "freeze": 1,
}
# The function of each call, and its usual caller.
CALLS: Mapping[str, tuple[str, str]] = {
    "fund": ("fund_escrow", "buyer"),
    "complete": ("change_milestone_status", "seller"),
    "approve": ("approve_milestone", "buyer"),
    "release": ("release_funds", "buyer"),
    "dispute": ("dispute_escrow", "buyer"),
    "resolve": ("resolve_dispute", "resolver"),
    "withdraw": ("withdraw_remaining_funds", "resolver"),
    "update": ("update_escrow", "platform"),
}
MOSTLY = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was played. faults: a line for each broken rule or difference."""

    lives: int
    calls: int
    accepted: int
    faults: Sequence[str]


def play(
    defaults: Mapping[str, Any], *, lives: int, seed: int, code: WasmContract | None = None
) -> Tally:
    """Play lives number `seed`, `seed` + 1 and so on."""
    calls = accepted = 0
    faults: list[str] = []
    for number in range(seed, seed + lives):
        life = _Life(defaults, number=number, code=code)
        faults += [f"life {number}: {fault}" for fault in life.play()]
        calls += life.calls
        accepted += life.accepted
    return Tally(lives=lives, calls=calls, accepted=accepted, faults=faults)


class _Life:
    """One contract, from its deployment on."""

    def __init__(
        self, defaults: Mapping[str, Any], *, number: int, code: WasmContract | None
    ) -> None:
        self.calls = self.accepted = 0
        self._random = random.Random(number)  # noqa: S311 - no secret
        self._stage = Stage(defaults)
        self._on_wasm = None if code is None else Stage(defaults, code)
        self._amount = self._random.choice(AMOUNTS)
        self._milestones = self._random.randint(1, 3)

    def play(self) -> Iterator[str]:
        """Play steps; yield each fault. A life ends at its first fault."""
        before = self._balances()
        for step in self._steps():
            if self.calls and self._stage.stored() is None:
                # The deployment was refused.
                return
            stored = self._stage.stored()
            played = self._stage.play(step)
            if self._on_wasm is not None:
                other = self._on_wasm.play(step)
                if played is not None and other is not None:
                    ours, theirs = came_of(played, self._stage), came_of(other, self._on_wasm)
                    if ours != theirs:
                        yield f"{_spelled(step)}: devnet {ours}, wasm {theirs}"
                        return
            now = self._balances()
            if played is not None:
                self.calls += 1
                self.accepted += played.done.error is None
                if fault := self._fault(step, played, before, now, stored):
                    yield f"{_spelled(step)}: {fault}"
                    return
            before = now

    def _fault(
        self,
        step: Step,
        played: Played,
        before: Mapping[str, int],
        now: Mapping[str, int],
        stored: Any,
    ) -> str:
        """Name the rule that a call broke, "" if none."""
        if played.done.error is not None:
            is_same = before == now and stored == self._stage.stored()
            return "" if is_same else "a refused call has changed something"
        function = step.get("fn", "")
        was, became = _ends(stored), _ends(self._stage.stored())
        paid = before["C"] - now["C"]
        taken = now["provider"] - before["provider"]
        due = paid * PROVIDER_BPS // WHOLE_BPS if function == "release_funds" else taken
        rules = {
            "money was made or lost": sum(before.values()) == sum(now.values()),
            "the contract has paid without a payout": paid <= 0 or function in PAYING,
            "an end was undone": was <= became,
            "a contract ended twice in the same way": ENDING.get(function) not in was,
            f"the provider has got {taken}, not {due}": taken == due,
        }
        return next((name for name, holds in rules.items() if not holds), "")

    def _steps(self) -> Iterator[Step]:
        draw = self._random
        milestone = {"approved": False, "description": "work", "evidence": "", "status": "pending"}
        yield {
            "do": "deploy",
            "escrow": {
                "amount": self._amount,
                "platform_fee": draw.choice((0, 1, 250, 500, 9_970)),
                "milestones": [milestone] * self._milestones,
            },
            "signer": "platform",
            "auth": ["platform"],
        }
        names, weights = tuple(WEIGHTS), tuple(WEIGHTS.values())
        for _ in range(draw.randint(4, CALLS_MAX)):
            [name] = draw.choices(names, weights)
            if name == "freeze":
                yield {"do": "freeze", "who": draw.choice(("seller", "buyer", "platform"))}
            else:
                yield self._call(name)

    def _call(self, name: str) -> Step:
        draw = self._random
        place, amount = {"u32": draw.randrange(self._milestones + 1)}, draw.choice(AMOUNTS)
        if name == "give":
            gift = [{"who": "stranger"}, {"contract": "C"}, {"i128": draw.choice(AMOUNTS[:4])}]
            return {**_called("transfer", "stranger", gift), "on": "USDC"}
        function, usual = CALLS[name]
        who = usual if draw.random() < MOSTLY else draw.choice(cast.PEOPLE)
        caller = {"who": who}
        args: dict[str, list[Step]] = {
            "fund": [
                caller,
                {"stored": "C", "with": {}},
                {"i128": self._amount if draw.random() < MOSTLY else amount},
            ],
            "complete": [place, {"str": "completed"}, {"void": None}, caller],
            "approve": [place, caller],
            "resolve": [caller, {"map": self._shares()}],
            "withdraw": [caller, {"map": self._shares()}],
            "update": [
                caller,
                {"stored": "C", "with": draw.choice(({"title": "new"}, {"amount": amount}))},
            ],
        }
        return _called(function, who, args.get(name, [caller]))

    def _shares(self) -> list[list[str]]:
        """Divide the contract's balance, mostly all of it."""
        draw, held = self._random, int(self._stage.balance("C"))
        first = draw.randint(0, max(held, 1))
        shares = draw.choice(
            (
                [["buyer", held]],
                [["seller", held]],
                [["buyer", first], ["seller", held - first]],
                [["buyer", first]],
                [["buyer", held + 1]],
            )
        )
        return [[str(who), str(amount)] for who, amount in shares]

    def _balances(self) -> dict[str, int]:
        held = {name: self._stage.balance(name) for name in WATCHED}
        return {name: 0 if text == "None" else int(text) for name, text in held.items()}


def _called(function: str, who: str, args: list[Step]) -> Step:
    return {"do": "call", "on": "C", "fn": function, "args": args, "auth": [who]}


def _ends(stored: Any) -> set[str]:
    """Return which ends a contract has reached."""
    if stored is None:
        return set()
    flags = scval.from_struct(scval.from_struct(present(stored))["flags"])
    return {name for name in ENDS if scval.from_bool(flags[name])}


def _spelled(step: Step) -> str:
    return f"{step['do']} {step.get('fn', '')} {step.get('args', step.get('escrow', ''))}"
