"""`make typescript`: the TypeScript program of docs/client.md compiles against today's documents.

Argument: the folder where npm installed. Exit code: 0 when it compiles, and two programs with a
wrong field do not.
"""

import json
import subprocess
import sys
from pathlib import Path

from deploy.local.settings import ROOT
from gateway.marketplace import view as marketplace
from tests.runbook import blocks

DEADLINE_SECONDS = 300
STRICT = ("--strict", "--noEmit", "--target", "es2022", "--module", "nodenext")


def main(modules: Path) -> int:
    """Write the types and the programs, and compile them. Returns: the exit code."""
    (modules / "marketplace.json").write_text(json.dumps(marketplace.document()))
    _run(modules, "openapi-typescript", "marketplace.json", "--output", "marketplace.ts")
    [printed] = blocks("ts", path=ROOT / "docs" / "client.md")
    programs = {
        "right.ts": printed.text,
        "wrong-body.ts": printed.text.replace('amount: "80.00"', "amount: 80"),
        "wrong-answer.ts": printed.text.replace("order.data.status", "order.data.state"),
    }
    for name, text in programs.items():
        (modules / name).write_text(text)
    compiled = {name: _run(modules, "tsc", *STRICT, name) == 0 for name in programs}
    sys.stdout.write(f"compiled: {compiled}\n")
    return 0 if compiled == {name: name == "right.ts" for name in programs} else 1


def _run(modules: Path, program: str, *arguments: str) -> int:
    command = [str(modules / "node_modules" / ".bin" / program), *arguments]
    done = subprocess.run(
        command, cwd=modules, capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS
    )
    if done.returncode:
        sys.stdout.write(done.stdout + done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
