"""A part of a running stack that hangs: it takes connections, and answers nothing."""

import contextlib
import signal
from collections.abc import Iterator

from tests.running_stack import RunningStack


@contextlib.contextmanager
def frozen(stack: RunningStack, name: str) -> Iterator[None]:
    """Let a part hang for the block: it takes connections and answers nothing."""
    stack.signal(name, signal.SIGSTOP)
    try:
        yield
    finally:
        stack.signal(name, signal.SIGCONT)
