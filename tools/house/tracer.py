"""Reports which functions of the project a program runs, and what started them.

requests.py copies this file into a tree as `sitecustomize.py`, so that every program of that tree
imports it first. It needs only the standard library. A program is asked over its own socket in the
folder `traces`: it answers with its calls since the last question, and forgets them.
"""

import contextlib
import json
import os
import sys
import threading
from multiprocessing.connection import Listener
from pathlib import Path
from types import CodeType, FrameType

ROOT = Path(__file__).resolve().parent
TRACES = ROOT / "traces"
SERVICES = ("orders", "ledger", "escrow", "disputes", "webhooks")
PROGRAMS = (*(f"services.{name}" for name in SERVICES), "gateway")
FOLDERS = ("kernel", "chassis", "services", "gateway")
# Frames of these files start a program's work: the event loop, threads, and the service's life.
STARTERS = ("asyncio", "uvloop", "threading.py", "concurrent", "chassis/runner.py")

Call = tuple[str, str, str]
seen: set[Call] = set()
_places: dict[CodeType, tuple[str, bool]] = {}


def place(code: CodeType) -> tuple[str, bool]:
    """Return the file of a function, relative to the tree, and whether it is the project's."""
    known = _places.get(code)
    if known is None:
        path = code.co_filename
        name = path[len(str(ROOT)) + 1 :] if path.startswith(f"{ROOT}/") else path
        known = _places[code] = (name, name.split("/")[0] in FOLDERS)
    return known


def profile(frame: FrameType, event: str, _argument: object) -> None:
    """Record a call: the function at the bottom of the stack, the file, and the function."""
    if event != "call":
        return
    file, is_ours = place(frame.f_code)
    if not is_ours or frame.f_code.co_name == "<module>":
        return
    root = frame
    while (caller := root.f_back) is not None:
        if any(starter in caller.f_code.co_filename for starter in STARTERS):
            break
        root = caller
    of_root = f"{place(root.f_code)[0]}:{root.f_code.co_qualname}"
    seen.add((of_root, file, frame.f_code.co_qualname))


def serve(name: str) -> None:
    """Answer every connection with the recorded calls."""
    TRACES.mkdir(exist_ok=True)
    with Listener(str(TRACES / f"{name}.{os.getpid()}"), "AF_UNIX") as listener:
        while True:
            with contextlib.suppress(OSError, EOFError), listener.accept() as asked:
                found = sorted(seen.copy())
                seen.clear()
                asked.send_bytes(json.dumps(found).encode())


for program in PROGRAMS:
    if sys.orig_argv[1:] == ["-m", program]:
        threading.Thread(target=serve, args=(program,), daemon=True).start()
        threading.setprofile(profile)
        sys.setprofile(profile)
