"""The crash tests know each thing that a command does to the world: none is missing."""

import inspect

from services.escrow.ports import Chain, EscrowBuilder
from tests.integration.escrow.crashes import BESIDE, CALLS, LOOKS


def test_each_call_of_the_chain_and_the_builder_is_a_boundary_or_a_look() -> None:
    found = {
        name
        for port in (Chain, EscrowBuilder)
        for name, method in vars(port).items()
        if inspect.iscoroutinefunction(method)
    }

    assert found == CALLS | LOOKS | BESIDE
    assert not CALLS & LOOKS
