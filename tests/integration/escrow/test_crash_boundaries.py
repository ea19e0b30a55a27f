"""The crash tests cover every call of the chain and builder ports that changes something."""

import inspect

from services.escrow.ports import Chain, EscrowBuilder
from tests.integration.escrow.crashes import BESIDE, CALLS, LOOKS


def test_every_port_method_is_either_a_crash_boundary_or_a_read() -> None:
    found = {
        name
        for port in (Chain, EscrowBuilder)
        for name, method in vars(port).items()
        if inspect.iscoroutinefunction(method)
    }

    assert found == CALLS | LOOKS | BESIDE
    assert not CALLS & LOOKS
