"""`make run`: starts the stack, prints its addresses, runs it until Ctrl-C, and stops it."""

import contextlib
import gc
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from deploy.local import lean, settings, state  # noqa: F401 - lean is for its effect
from deploy.local.ports import PortTakenError
from deploy.local.process import NotReadyError
from deploy.local.settings import StackSettings
from deploy.local.stack import Stack
from deploy.local.supervisor import describe

WRONG_SETTING = 2


def main() -> int:
    """Run a stack; returns the exit code of the program."""
    settings.refuse_unknown()
    read = settings.load()
    # Imported modules live until the end, so the garbage collector need not scan them.
    gc.freeze()
    _listen_to_signals(_interrupt)
    try:
        with state.locked(read.run_dir):
            return _run(read)
    except state.AlreadyRunningError as error:
        sys.stderr.write(f"stack: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0  # stopped before anything was started


def _run(read: StackSettings) -> int:
    say = _speaker()
    stack = Stack(read, say=say)
    code = 1
    try:
        try:
            code = _serve(stack, say)
        finally:
            _listen_to_signals(_ignore)
    except KeyboardInterrupt:
        code = 0
    finally:
        # The first signal stops the stack. Further signals are ignored.
        codes = stack.stop()
        if codes:
            say("stopped: " + ", ".join(f"{name} {describe(end)}" for name, end in codes.items()))
        # SIG_IGN instead of a handler, because Python restores default handlers when it ends.
        _listen_to_signals(signal.SIG_IGN)
    return code or int(any(codes.values()))


def _serve(stack: Stack, say: Callable[[str], None]) -> int:
    try:
        _welcome(stack.start(), say)
        while True:
            stack.watch()
    except KeyboardInterrupt:
        say("stopping")
        return 0
    except PortTakenError as error:
        sys.stderr.write(f"stack: {error}\n")
        return 1
    except NotReadyError as error:
        return _explain(error)


def _listen_to_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def _explain(error: NotReadyError) -> int:
    """Print why a part did not start: its line about a wrong setting, or the end of its log."""
    if error.exit_code == WRONG_SETTING and error.log_tail:
        sys.stderr.write(error.log_tail.splitlines()[-1] + "\n")
        return WRONG_SETTING
    sys.stderr.write(f"stack: {error}\n")
    return 1


def _welcome(document: Mapping[str, Any], say: Callable[[str], None]) -> None:
    say("ready")
    lines = [
        "",
        f"  REST     {document['url']}/api/v1",
        f"  docs     {document['docsUrl']}",
        # A browser does not send the part after #, and the console removes it from the address bar.
        f"  console  {document['url']}/console#key={document['apiKey']}",
        f"  events   {document['natsUrl']}   subjects order.* escrow.* balance.* dispute.* offer.*",
        f"  chain    {document['rpcUrl']}",
        f"  logs     {document['logs']}",
        f"  key      {document['apiKey']}   (demo marketplace, every scope)",
        f"  test     {document['testKey']}   (the same marketplace's test environment)",
        "",
        "  A first call:",
        "",
        f"    curl -s {document['url']}/api/v1/me -H 'Authorization: Bearer {document['apiKey']}'",
        "",
        "  Ctrl-C stops everything.",
        "",
    ]
    print("\n".join(lines), flush=True)


def _speaker() -> Callable[[str], None]:
    started = time.monotonic()

    def say(line: str) -> None:
        # The reader of the output may be gone (closed terminal, `| head`). The stack keeps running.
        with contextlib.suppress(OSError):
            print(f"{time.monotonic() - started:6.1f} s  {line}", flush=True)

    return say


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _listen_to_signals(_ignore)
    raise KeyboardInterrupt


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Ignore the signal, because the stack is stopping."""


if __name__ == "__main__":
    sys.exit(main())
