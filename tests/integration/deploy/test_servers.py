"""The embedded servers: they start, keep their data, stop cleanly, and die with their parent."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nats
import psutil
import psycopg
import pytest

from deploy.local.nats import NatsServer
from deploy.local.ports import answers, free_port
from deploy.local.postgres import NOT_DURABLE, PostgresServer, remove
from deploy.local.postgres_place import Place, run_as
from deploy.local.process import Command, NotReadyError, Process, python_module
from deploy.local.settings import ROOT, child_environment
from tests.patience import PATIENCE_SECONDS


def wait_for(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


@pytest.fixture
def private_folder(tmp_path: Path) -> Path:
    """A folder that only its owner may enter, like a home directory."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    return folder


def test_postgres_keeps_its_data_over_a_restart_in_a_folder_closed_to_others(
    private_folder: Path,
) -> None:
    home = private_folder / "postgres"
    server = PostgresServer(
        home=home, port=free_port(), log_folder=private_folder / "logs", options=NOT_DURABLE
    )
    modes = [(p, p.stat().st_mode) for p in (private_folder, *private_folder.parents)]

    try:
        server.start()
        server.wait_ready()
        server.execute("create database kept")
        assert server.stop() == 0
        server.start()
        server.wait_ready()
        with psycopg.connect(server.url(database="kept")) as connection:
            version = connection.info.server_version
        assert server.stop() == 0
    finally:
        remove(home)

    assert version >= 180000
    assert modes == [(p, p.stat().st_mode) for p, _ in modes]
    assert not home.exists()


def test_data_of_a_deleted_temporary_home_is_removed_at_the_next_start(
    private_folder: Path,
) -> None:
    if run_as() is None:
        assert Place.of(private_folder / "home").moved is None
        return
    first = Place.of(private_folder / "first")
    kept = Place.of(private_folder / "kept")
    assert first.moved is not None
    assert kept.moved is not None
    shutil.rmtree(private_folder / "first")

    third = Place.of(private_folder / "third")

    assert not first.moved.exists()
    assert kept.moved.exists()
    for home in ("kept", "third"):
        remove(private_folder / home)
    assert third.moved is not None
    assert not third.moved.exists()


async def test_nats_keeps_its_stream_over_kill_9(tmp_path: Path) -> None:
    server = NatsServer(home=tmp_path / "nats", port=free_port(), log_folder=tmp_path / "logs")
    server.start()
    server.wait_ready()
    client = await nats.connect(server.url)
    await client.jetstream(timeout=PATIENCE_SECONDS).add_stream(name="KEPT", subjects=["kept.*"])
    await client.jetstream(timeout=PATIENCE_SECONDS).publish("kept.one", b"1")
    await client.close()

    server.kill()
    server.start()
    server.wait_ready()

    client = await nats.connect(server.url)
    information = await client.jetstream(timeout=PATIENCE_SECONDS).stream_info("KEPT")
    await client.close()
    assert information.state.messages == 1
    assert server.stop() == 0


def test_a_failed_start_shows_the_end_of_the_log(tmp_path: Path) -> None:
    command = Command(
        name="broken",
        argv=[sys.executable, "-c", "print('why it failed'); raise SystemExit(3)"],
        environment=child_environment(),
    )
    process = Process(command, tmp_path / "broken.log")

    with pytest.raises(NotReadyError, match="why it failed") as failure:
        process.wait_until(lambda: False)

    assert failure.value.exit_code == 3


def test_servers_end_when_their_parent_is_killed(session_folder: Path) -> None:
    ports = [free_port(), free_port()]
    folder = session_folder / "orphans"
    program = (
        "import sys, time, pathlib\n"
        "from deploy.local.nats import NatsServer\n"
        "from deploy.local.postgres import PostgresServer\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "a = PostgresServer(home=folder/'pg', port=int(sys.argv[2]), log_folder=folder)\n"
        "b = NatsServer(home=folder/'nats', port=int(sys.argv[3]), log_folder=folder)\n"
        "a.start(); b.start(); a.wait_ready(); b.wait_ready()\n"
        "print('ready', flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(folder), *map(str, ports)],
        env=child_environment(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        assert all(answers(port) for port in ports)
    finally:
        parent.kill()
        parent.wait()
        if parent.stdout is not None:
            parent.stdout.close()

    wait_for(lambda: not any(answers(port) for port in ports))
    wait_for(lambda: not (folder / "pg" / "data" / "postmaster.pid").exists())
    remove(folder / "pg")


def test_forked_programs_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\n"
        "from deploy.local import forked\n"
        "from deploy.local.process import Command, Process, python_module\n"
        "forked._forks.set_forkserver_preload([])\n"
        "argv = python_module('http.server', '0', '--bind', '127.0.0.1')\n"
        "web = Command(name='web', argv=argv, environment={}, is_forked=True)\n"
        "process = Process(web, pathlib.Path(sys.argv[1]))\n"
        "process.wait_until(lambda: 'Serving' in process.log())\n"
        "print(process.pid, flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "web.log")],
        env=child_environment(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        assert parent.stdout is not None
        forked = psutil.Process(int(parent.stdout.readline()))
        assert forked.is_running()
    finally:
        parent.kill()
        parent.wait()
        if parent.stdout is not None:
            parent.stdout.close()

    forked.wait(timeout=PATIENCE_SECONDS)


def test_python_modules_run_with_this_interpreter() -> None:
    assert python_module("x", "1") == [sys.executable, "-m", "x", "1"]
    assert os.access(sys.executable, os.X_OK)
