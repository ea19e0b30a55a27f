"""Cyclic garbage stays bounded, and the collector does not scan long-lived objects again."""

import gc
import subprocess
import sys

# In a separate process, because the collector's limits are of the whole process.
PROGRAM = """
import gc, weakref
from chassis import garbage

kept = [object() for _ in range(1000)] + [[number] for number in range(1000)]
garbage.settle()
class Thing: pass
alive, most = weakref.WeakSet(), 0
for _ in range(10 * garbage.NEW_OBJECTS):
    one = Thing()
    one.itself = one
    alive.add(one)
    most = max(most, len(alive))
print(most < 2 * garbage.NEW_OBJECTS, gc.get_freeze_count() > 1000, gc.isenabled())
"""


def test_garbage_is_bounded_and_settled_objects_are_not_scanned() -> None:
    before = gc.get_threshold()

    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    assert found.stdout.split() == ["True", "True", "True"]
    assert gc.get_threshold() == before
