"""The supervisor's promises, kept with small programs in place of the real parts."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local import credentials, state
from deploy.local.ports import HOST, free_port
from deploy.local.process import Command, Process
from deploy.local.settings import ROOT, child_environment
from deploy.local.supervisor import Supervisor
from deploy.local.wiring import role_password, role_url

SLEEPER = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on'); time.sleep(600)"


class Script:
    """A part that runs a line of Python."""

    def __init__(self, folder: Path, name: str, source: str) -> None:
        self._command = Command(
            name=name,
            argv=[sys.executable, "-u", "-c", source],
            environment=child_environment(),
        )
        self._log = folder / f"{name}.log"
        self.process = self._started()

    def _started(self) -> Process:
        return Process(self._command, self._log)

    def start(self) -> None:
        self.process = self._started()

    def is_ready(self) -> bool:
        return self.process.exit_code() is None


def wait_until_on(part: Script) -> None:
    """Wait until the script has said that its signal handler is set."""
    part.process.wait_until(lambda: "on" in part.process.log())


def look_until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        supervisor.look()
        time.sleep(0.02)


def test_a_killed_part_is_restarted_and_both_are_reported(tmp_path: Path) -> None:
    said: list[str] = []
    changes: list[int] = []
    supervisor = Supervisor(say=said.append, changed=lambda: changes.append(1))
    part = Script(tmp_path, "ledger", SLEEPER)
    supervisor.add("ledger", part)
    first = supervisor.pids()["ledger"]

    os.kill(first, signal.SIGKILL)
    look_until(supervisor, lambda: "ledger is back" in said)

    assert said[0] == "ledger exited with SIGKILL; restarting in 0.2 s"
    assert supervisor.pids()["ledger"] != first
    assert changes == [1]
    assert supervisor.stop([["ledger"]]) == {"ledger": -signal.SIGTERM}


def test_the_end_of_a_part_is_noticed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.supervisor.QUIET_SECONDS", 60.0)
    said: list[str] = []
    supervisor = Supervisor(say=said.append, changed=lambda: None)
    for name in ("ledger", "orders"):
        supervisor.add(name, Script(tmp_path, name, SLEEPER))
    killer = threading.Timer(0.2, os.kill, (supervisor.pids()["orders"], signal.SIGKILL))
    began = time.monotonic()

    killer.start()
    supervisor.wait()
    supervisor.look()

    assert said == ["orders exited with SIGKILL; restarting in 0.2 s"]
    assert time.monotonic() - began < 30
    supervisor.stop([["ledger", "orders"]])


def test_a_large_log_is_rotated_while_its_part_writes_on(tmp_path: Path) -> None:
    source = "import time\nwhile True: print('on' * 50, flush=True); time.sleep(0.001)"
    supervisor = Supervisor(say=print, changed=lambda: None, log_bytes=1000)
    part = Script(tmp_path, "orders", source)
    supervisor.add("orders", part)
    log, older = tmp_path / "orders.log", tmp_path / "orders.log.1"

    look_until(supervisor, older.exists)
    first = older.stat()
    look_until(supervisor, lambda: older.stat().st_mtime_ns > first.st_mtime_ns)
    wait_until_on(part)

    assert first.st_size > 1000
    # What follows a rotation stands at the beginning of the file, without a hole before it.
    assert set(log.read_bytes()) <= set(b"on\n")
    supervisor.stop([["orders"]])


def test_pauses_grow_while_a_part_ends_again_and_again(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(say=said.append, changed=lambda: None)
    supervisor.add("orders", Script(tmp_path, "orders", "raise SystemExit(7)"))

    look_until(supervisor, lambda: len([line for line in said if "exited" in line]) == 3)

    ends = [line for line in said if "exited" in line]
    assert ends == [
        f"orders exited with exit code 7; restarting in {s} s" for s in ("0.2", "0.4", "0.8")
    ]
    supervisor.stop([["orders"]])


def test_pauses_grow_no_further_than_the_longest(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(say=said.append, changed=lambda: None, last_pause_seconds=0.3)
    supervisor.add("orders", Script(tmp_path, "orders", "raise SystemExit(7)"))

    look_until(supervisor, lambda: len([line for line in said if "exited" in line]) == 3)

    ends = [line for line in said if "exited" in line]
    assert ends == [
        f"orders exited with exit code 7; restarting in {s} s" for s in ("0.2", "0.3", "0.3")
    ]
    supervisor.stop([["orders"]])


def test_groups_are_stopped_in_the_given_order(tmp_path: Path) -> None:
    note = tmp_path / "order"
    source = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(note)!r}, 'a').write(NAME + ' ')\n"
        "    sys.exit(0)\n"
        "signal.signal(15, end); print('on'); time.sleep(600)\n"
    )
    supervisor = Supervisor(say=print, changed=lambda: None)
    for name in ("postgres", "ledger", "gateway"):
        part = Script(tmp_path, name, f"NAME = {name!r}\n{source}")
        wait_until_on(part)
        supervisor.add(name, part)

    codes = supervisor.stop([["gateway"], ["ledger"], ["postgres"]])

    assert note.read_text().split() == ["gateway", "ledger", "postgres"]
    assert codes == {"gateway": 0, "ledger": 0, "postgres": 0}


def test_a_part_that_ignores_its_signal_is_killed_after_the_time_given(tmp_path: Path) -> None:
    part = Script(tmp_path, "stubborn", STUBBORN)
    wait_until_on(part)

    assert part.process.stop(timeout_seconds=0.2) == -signal.SIGKILL


def start_stack(run_dir: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "deploy.local"],
        env=child_environment(RUN_DIR=str(run_dir), **environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT_BASE", "eighty"),
        ("PORT_BASE", "65530"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("NATS_URL", "localhost:4222"),
        ("STELLAR_RPC_URL", "ftp://example.org"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(tmp_path: Path, name: str, value: str) -> None:
    done = start_stack(tmp_path / "run", **{name: value})

    assert done.returncode == 2
    assert done.stderr.startswith(f"stack: setting {name}: ")
    assert done.stderr.count("\n") == 1
    assert value not in done.stderr


def test_a_taken_port_is_one_line_that_names_it(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        done = start_stack(tmp_path / "run", PORT_BASE=str(port))

    assert done.returncode == 1
    assert done.stderr == (
        f"stack: port {port} (gateway) is taken; set PORT_BASE to move the stack\n"
    )


def test_one_run_dir_holds_one_stack(tmp_path: Path) -> None:
    with state.locked(tmp_path):
        done = start_stack(tmp_path, PORT_BASE=str(free_port()))
        running = state.is_running(tmp_path)

    assert done.returncode == 1
    assert done.stderr == f"stack: a stack already runs in {tmp_path}\n"
    assert running
    assert not state.is_running(tmp_path)


def test_credentials_are_made_once_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    first = credentials.load(tmp_path)
    kept = credentials.remember_keys(tmp_path, credentials=first, api_key="key", test_key="test")

    assert credentials.load(tmp_path) == kept
    assert len({first.api_key_pepper, first.token_secret}) == 2
    assert min(map(len, (first.api_key_pepper, first.token_secret))) >= 32
    assert (tmp_path / "credentials.json").stat().st_mode & 0o777 == 0o600


def test_roles_have_passwords_where_the_administrator_has_one() -> None:
    url = role_url("postgresql://admin:s%20cret@db.example:5433/shop?sslmode=require", "orders")

    password = role_password("postgresql://admin:s%20cret@db.example/x", "orders")
    assert password is not None
    assert url == f"postgresql://orders:{password}@db.example:5433/shop?sslmode=require"
    assert role_url("postgresql://postgres@127.0.0.1:1/x", "ledger") == (
        "postgresql://ledger@127.0.0.1:1/x"
    )


def test_a_part_is_asked_to_stop_only_once(tmp_path: Path) -> None:
    source = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    signal.signal(15, signal.SIG_DFL); print('stopping'); time.sleep(0.3); sys.exit(0)\n"
        "signal.signal(15, end); print('on'); time.sleep(600)\n"
    )
    part = Script(tmp_path, "graceful", source)
    wait_until_on(part)

    part.process.request_stop()
    part.process.wait_until(lambda: "stopping" in part.process.log())

    assert part.process.stop() == 0
