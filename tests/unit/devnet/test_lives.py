"""Random lives of a contract: the rules of money hold, and a rule that breaks is named."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from devnet.conform import lives
from devnet.conform.__main__ import main
from devnet.conform.lives import CALLS, play
from devnet.conform.stage import Played, Stage
from devnet.conform.vectors import read
from devnet.wasm.contract import WasmContract

FILE = Path(__file__).parents[2] / "conformance" / "escrow_vectors.json"
DEFAULTS = read(FILE).defaults
SOME = 150


def test_the_rules_of_money_hold_in_random_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = watched(monkeypatch)

    found = play(DEFAULTS, lives=SOME, seed=1)

    assert found.faults == []
    # A run whose calls are all refused would prove nothing.
    assert found.accepted > found.calls / 3
    assert accepted >= {function for function, _ in CALLS.values()}


def test_same_seed_gives_the_same_life() -> None:
    assert play(DEFAULTS, lives=5, seed=7) == play(DEFAULTS, lives=5, seed=7)
    assert play(DEFAULTS, lives=5, seed=7) != play(DEFAULTS, lives=5, seed=8)


def watched(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Note which functions were accepted."""
    accepted: set[str] = set()
    real = Stage.play

    def noting(stage: Stage, step: Any) -> Played | None:
        played = real(stage, step)
        if played is not None and played.done.error is None:
            accepted.add(step.get("fn", "deploy"))
        return played

    monkeypatch.setattr(Stage, "play", noting)
    return accepted


def skewed(change: Callable[[dict[str, int]], dict[str, int]]) -> Any:
    """Return balances as a ledger with a fault would show them."""
    real = lives._Life._balances

    def balances(life: lives._Life) -> dict[str, int]:
        return change(real(life)) if life.calls > 1 else real(life)

    return balances


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda held: {**held, "buyer": held["buyer"] + 1}, "has changed something"),
        (lambda held: {**held, "C": 0, "buyer": held["buyer"] + held["C"]}, "without a payout"),
    ],
)
def test_a_fault_of_the_ledger_is_found(
    monkeypatch: pytest.MonkeyPatch, change: Any, rule: str
) -> None:
    monkeypatch.setattr(lives._Life, "_balances", skewed(change))

    found = play(DEFAULTS, lives=SOME, seed=1)

    assert any(rule in fault for fault in found.faults)
    assert all(fault.startswith("life ") for fault in found.faults)


def test_wrong_share_of_the_provider_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lives, "PROVIDER_BPS", 31)

    found = play(DEFAULTS, lives=SOME, seed=1)

    assert any("the provider has got" in fault for fault in found.faults)


@pytest.mark.parametrize(
    ("ends", "rule"),
    [(("released", ""), "an end was undone"), (("released",), "ended twice in the same way")],
)
def test_contract_that_forgets_its_final_state_is_found(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[str, ...], rule: str
) -> None:
    """Each call is checked against the stored state before and after the call."""
    answers = itertools.cycle(ends)
    monkeypatch.setattr(lives, "_ends", lambda _: {next(answers)})

    found = play(DEFAULTS, lives=SOME, seed=1)

    assert any(rule in fault for fault in found.faults)


def test_code_with_different_answers_is_reported() -> None:
    module = '(module (func (export "initialize_escrow") (param i64) (result i64) (i64.const 2)))'
    code = WasmContract(bytes(wasmtime.wat2wasm(module)))

    found = play(DEFAULTS, lives=3, seed=1, code=code)

    assert len(found.faults) == 3
    assert all("devnet" in fault and "wasm" in fault for fault in found.faults)


def test_conform_prints_the_seed_and_what_was_played(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(FILE), "--lives", "5", "--seed", "40"]) == 0

    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("5 lives from seed 40 on devnet alone: ")
    assert told.endswith("; 0 differ")


def test_conform_ends_with_one_if_a_life_breaks_a_rule(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lives, "PROVIDER_BPS", 31)

    assert main([str(FILE), "--lives", str(SOME)]) == 1

    assert "life " in capsys.readouterr().out
