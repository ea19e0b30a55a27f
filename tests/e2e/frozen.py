"""Make a part of a running stack unavailable: it hangs, or it is killed and not restarted."""

import contextlib
import os
import signal
from collections.abc import Iterator

from tests.running_stack import RunningStack


@contextlib.contextmanager
def frozen(stack: RunningStack, name: str) -> Iterator[None]:
    """Let a part hang for the block: it accepts connections and answers nothing."""
    stack.signal(name, signal.SIGSTOP)
    try:
        yield
    finally:
        stack.signal(name, signal.SIGCONT)


@contextlib.contextmanager
def killed(stack: RunningStack, name: str) -> Iterator[None]:
    """Kill a part and prevent its restart for the block; then wait until it is restarted."""
    supervisor = stack.process.pid
    logged = len(stack.process.log())
    os.kill(supervisor, signal.SIGSTOP)
    try:
        stack.kill(name)
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)
    stack.wait_until_back(name, since=logged)
