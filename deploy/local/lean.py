"""Imports libraries without others that they use where they are, and that no program here needs.

Only the process that starts the stack and the one that programs are forked from import this module:
what they hold, the stack holds as long as it runs. Import it before all that uses the libraries.
"""

import importlib
import sys


def import_without(library: str, *others: str) -> None:
    """Import a library as if others were not installed; they can be imported afterwards."""
    hidden = [name for name in others if name not in sys.modules]
    # What stands as None is refused as if it did not exist.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # documented, not typed
    try:
        importlib.import_module(library)
    finally:
        for name in hidden:
            del sys.modules[name]


# Colours for logs on a terminal; NATS over WebSockets.
import_without("structlog", "rich")
import_without("nats", "aiohttp")
