"""Garbage collection: rare, and never over what lives as long as the process.

Almost everything that a request makes is freed when it is no longer used. The collector is for what
refers to itself, such as an error with its traceback. By Python's own limits it runs every few
requests, and looks at everything that a program has imported.
"""

import gc

# So many new objects that are still there begin a collection; most of them are no garbage.
NEW_OBJECTS = 20_000


def settle() -> None:
    """Collect once, and leave what is there now out of later collections.

    Call it when the imports are done, and when the program is ready.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 10, 10)
