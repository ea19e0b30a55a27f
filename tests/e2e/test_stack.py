"""The stack as its user meets it: what it says, and what is left of it when it is killed."""

import contextlib
import os
import signal
from pathlib import Path

import httpx

from deploy.local import postgres, state
from deploy.local.ports import answers
from tests.running_stack import RunningStack, running_stack, wait_for


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie whose parent is gone is soon reaped by init)."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_the_printed_key_is_accepted_and_has_every_scope(stack: RunningStack) -> None:
    document = stack.document

    answer = httpx.get(
        f"{document['url']}/api/v1/me", headers={"Authorization": f"Bearer {document['apiKey']}"}
    )

    assert answer.status_code == 200
    assert set(answer.json()["data"]["scopes"]) == {"read", "write", "support", "admin"}
    assert document["apiKey"] in stack.process.log()


def test_stack_json_is_its_owners_alone(stack: RunningStack) -> None:
    for name in ("stack.json", "credentials.json"):
        assert (stack.run_dir / name).stat().st_mode & 0o777 == 0o600


def test_a_killed_supervisor_leaves_nothing_running_and_the_next_one_goes_on(
    session_folder: Path,
) -> None:
    folder = session_folder / "killed"
    with running_stack(folder) as first:
        document = first.document
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.stop()
        wait_for(lambda: not any(map(is_alive, document["pids"].values())), seconds=60)
        left = state.was_killed(first.run_dir)
        ports = [int(url.rpartition(":")[2]) for url in (document["url"], document["natsUrl"])]
        listening = [port for port in ports if answers(port)]

    assert left
    assert listening == []
    assert not (folder / "run" / "postgres").exists()


def test_a_restart_keeps_key_and_data(session_folder: Path) -> None:
    folder = session_folder / "restarted"
    body = {"externalUserId": "kept", "id": "kept", "type": "BUYER"}
    try:
        with running_stack(folder, keep=True) as first:
            key = first.document["apiKey"]
            headers = {"Authorization": f"Bearer {key}"}
            made = httpx.post(f"{first.url}/api/v1/users", json=body, headers=headers, timeout=60)
            assert made.status_code == 201, made.text
        assert first.process.exit_code() == 0, first.process.log_tail()

        with running_stack(folder, keep=True) as second:
            found = httpx.get(f"{second.url}/api/v1/users/kept", headers=headers, timeout=60)
            assert found.json()["data"]["externalUserId"] == "kept"
            assert second.document["apiKey"] == key
    finally:
        postgres.remove(folder / "run" / "postgres")


def test_a_wrong_setting_of_a_part_is_the_one_line_that_it_said(session_folder: Path) -> None:
    folder = session_folder / "wrong"
    with contextlib.suppress(Exception), running_stack(folder, PROVIDER_FEES="banana") as refused:
        assert refused.document == {}, "the stack started"

    log = (folder / "stack.log").read_text()
    named = [line for line in log.splitlines() if "PROVIDER_FEES" in line]
    assert len(named) == 1
    assert named[0].startswith("escrow: setting PROVIDER_FEES: ")
    assert "banana" not in log
