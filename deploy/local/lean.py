"""Imports libraries without optional dependencies that no program here needs.

The libraries would use these dependencies if they are installed. Only the process that starts the
stack, and the process from which programs are forked, import this module: what they import stays in
memory as long as the stack runs. Import it before any module that uses the libraries.
"""

import importlib
import sys


def import_without(library: str, *others: str) -> None:
    """Import a library as if others were not installed. They can be imported afterwards."""
    hidden = [name for name in others if name not in sys.modules]
    # Importing a name whose entry is None fails as if the module did not exist.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # documented, not typed
    try:
        importlib.import_module(library)
    finally:
        for name in hidden:
            del sys.modules[name]


# rich: coloured logs on a terminal. aiohttp: NATS over WebSockets.
import_without("structlog", "rich")
import_without("nats", "aiohttp")
