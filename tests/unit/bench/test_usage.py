"""Which processes are counted to which part."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from bench.usage import LOAD, Usage

# A process that starts two others, says so, and waits with them.
TREE = """
import subprocess, sys
wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
kids = [subprocess.Popen(wait) for _ in range(2)]
print(*(kid.pid for kid in kids), flush=True)
sys.stdin.read()
"""


@contextmanager
def tree() -> Iterator[tuple[int, list[int]]]:
    command = [sys.executable, "-c", TREE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        try:
            yield first.pid, [int(pid) for pid in first.stdout.readline().split()]
        finally:
            for child in psutil.Process(first.pid).children():
                child.terminate()
            first.terminate()


def test_process_of_no_part_counts_to_the_supervisor() -> None:
    with tree() as (first, [part, other]):
        usage = Usage({"orders": part}, rest={"supervisor": first})

        families = {name: {one.pid for one in family} for name, family in usage._families().items()}

    assert families == {"orders": {part}, "supervisor": {first, other}}


def test_memory_and_cpu_are_reported_by_part() -> None:
    with tree() as (first, [part, _]):
        usage = Usage({"orders": part}, rest={"supervisor": first})

        assert set(usage.cpu()) == {"orders", "supervisor", LOAD}
        assert all(size > 0 for size in usage.memory().values())
