"""A part of a running stack that is away: it hangs, or it was killed and is not back yet."""

import contextlib
import os
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


@contextlib.contextmanager
def killed(stack: RunningStack, name: str) -> Iterator[None]:
    """Kill a part, and keep it from being started again for the block; then wait until it is."""
    supervisor = stack.process.pid
    logged = len(stack.process.log())
    os.kill(supervisor, signal.SIGSTOP)
    try:
        stack.kill(name)
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)
    stack.wait_until_back(name, since=logged)
