"""`make run` and signals: all started processes stop, whenever and however often signals come."""

import subprocess
import sys
from pathlib import Path

from deploy.local.settings import ROOT

# The program with a fake stack; a signal comes at the place that the test names, twice.
PROGRAM = """
import os, signal, sys
from deploy.local import __main__ as program

def come(place):
    if place == where:
        for _ in range(2):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGINT)

class Stack:
    def __init__(self, _settings, *, say):
        self.say = say

    def start(self):
        come("start")
        return {name: "" for name in
                ("url", "docsUrl", "natsUrl", "rpcUrl", "logs", "apiKey", "testKey")}

    def watch(self):
        come("watch")
        os.kill(os.getpid(), number)

    def stop(self):
        come("stop")
        print("stop() ran", flush=True)
        return {}

def speaker():
    def say(line):
        come(line)
    return say

program.Stack, program._speaker = Stack, speaker
PLACES = ["start", "ready", "watch", "stopping", "stop", "end"]
for where in PLACES:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        child = os.fork()
        if not child:
            code = program.main()
            come("end")
            sys.exit(code)
        print(where, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
PLACES = ["start", "ready", "watch", "stopping", "stop", "end"]


def test_signals_during_the_stop_do_not_interrupt_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}", "RUN_DIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    ended = [line for place in PLACES for _ in range(3) for line in ("stop() ran", f"{place} 0")]
    assert [line for line in done.stdout.splitlines() if line in ended] == ended, done.stderr
    assert done.stderr == ""
