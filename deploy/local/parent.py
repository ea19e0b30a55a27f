"""Lets a child process be signalled when its parent dies (Linux).

The kernel ties this to the *thread* that started the child, not to the process.
"""

import ctypes
import signal
import sys

# prctl(2): the signal that this process gets when its parent dies.
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def signal_when_it_dies(number: signal.Signals) -> None:
    """Ask the kernel to send a signal to this process when its parent dies.

    The parent may have died already, so the caller must check this after the call.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number))
