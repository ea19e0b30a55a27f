"""Garbage collection: run it rarely, and skip the objects that live as long as the process.

Reference counting frees almost every object of a request. The collector only frees reference
cycles, such as an error with its traceback. With Python's default limits it would run every few
requests and scan everything that the program has imported.
"""

import gc

# A collection starts after this many new objects. Most of them are in use, not garbage.
NEW_OBJECTS = 20_000


def settle() -> None:
    """Collect once, and exclude all objects that exist now from later collections.

    Call it after the imports, and again when the program is ready.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 10, 10)
