"""Faults: armed with a count and a name, used up oldest first."""

from typing import Any

import pytest

from devnet.faults import FaultKind, Faults, InvalidFaultError


def test_fault_is_used_as_often_as_its_count() -> None:
    faults = Faults()
    faults.arm({"kind": "hold", "count": 2})

    taken = [faults.take(FaultKind.HOLD) is not None for _ in range(3)]

    assert taken == [True, True, False]
    assert faults.armed() == []


def test_fault_of_a_function_does_not_affect_other_functions() -> None:
    faults = Faults()
    faults.arm({"kind": "fail_at_apply", "function": "release_funds"})

    assert faults.take(FaultKind.FAIL_AT_APPLY, function="fund_escrow") is None
    assert faults.take(FaultKind.FAIL_AT_APPLY, function="release_funds") is not None


def test_evil_api_changes_the_amount_by_default() -> None:
    assert Faults().arm({"kind": "evil_rest"}).mode == "amount"


def test_clearing_disarms_everything() -> None:
    faults = Faults()
    faults.arm({"kind": "rpc_down", "count": 5})

    faults.clear()

    assert faults.take(FaultKind.RPC_DOWN) is None


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"kind": "earthquake"},
        {"kind": "hold", "count": 0},
        {"kind": "hold", "count": True},
        {"kind": "hold", "count": "1"},
        {"kind": "hold", "function": 7},
        {"kind": "hold", "mode": "close"},
        {"kind": "rpc_down", "mode": "500"},
        {"kind": "lost_answer", "mode": "amount"},
        {"kind": "hold", "times": 1},
    ],
)
def test_invalid_fault_is_refused(description: dict[str, Any]) -> None:
    with pytest.raises(InvalidFaultError):
        Faults().arm(description)
