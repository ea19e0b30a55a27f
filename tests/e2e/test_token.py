"""`make token`: access tokens for a running stack."""

import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from deploy.local.credentials import load
from deploy.local.process import python_module
from deploy.local.settings import ROOT, StackSettings, child_environment
from deploy.local.wiring import Wiring
from kernel.ids import to_public
from tests.running_stack import RunningStack


def run(run_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        python_module("deploy.local.token", *arguments),
        env=child_environment(RUN_DIR=str(run_dir)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(("role", "seen"), [((), "user"), (("--role", "admin"), "admin")])
def test_issued_token_is_accepted(stack: RunningStack, role: tuple[str, ...], seen: str) -> None:
    subject = str(uuid.uuid4())

    done = run(stack.run_dir, "--sub", subject, *role)

    assert done.returncode == 0, done.stderr
    headers = {"Authorization": f"Bearer {done.stdout.strip()}"}
    found = httpx.get(f"{stack.url}/api/v1/me", headers=headers, timeout=60).json()
    assert (found["id"], found["role"]) == (subject, seen)


def test_issued_token_of_support_is_accepted(stack: RunningStack) -> None:
    subject = str(uuid.uuid4())

    done = run(stack.run_dir, "--sub", subject, "--role", "support", "--name", "Ann Lee")

    assert done.returncode == 0, done.stderr
    headers = {"Authorization": f"Bearer {done.stdout.strip()}"}
    found = httpx.get(f"{stack.url}/api/v1/me", headers=headers, timeout=60).json()["data"]
    assert (found["supportId"], found["name"]) == (f"support:{subject}", "Ann Lee")
    assert (found["marketplace"], found["environment"]) == ("demo", "live")


def test_subject_that_is_not_a_uuid_is_always_the_same_user(stack: RunningStack) -> None:
    document, now = stack.document, int(time.time())
    said = {"iss": document["jwtIssuer"], "aud": document["jwtAudience"], "iat": now}

    def me(subject: str) -> dict[str, Any]:
        claims = said | {"sub": subject, "exp": now + 600, "azp": "web", "scope": "openid"}
        headers = {"Authorization": f"Bearer {jwt.encode(claims, document['jwtSecret'], 'HS256')}"}
        answer = httpx.get(f"{stack.url}/api/v1/me", headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    name = f"auth0|{uuid.uuid4().hex}"
    first, again, other = me(name), me(name), me(name.upper())

    assert first == again
    assert len({first["id"], other["id"], me(first["id"])["id"]}) == 3
    assert first["public_id"] == to_public("usr", uuid.UUID(first["id"]))


def test_token_needs_a_running_stack(tmp_path: Path) -> None:
    done = run(tmp_path, "--sub", str(uuid.uuid4()))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == ["token: no stack is running here: `make run` starts one"]


@pytest.mark.parametrize("arguments", [(), ("--sub", ""), ("--sub", "alice")])
def test_subject_must_be_a_uuid(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(tmp_path, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert "--sub" in done.stderr


def test_stack_with_configured_issuers_issues_no_tokens(tmp_path: Path) -> None:
    def wiring(environment: dict[str, str]) -> Wiring:
        settings = StackSettings(
            run_dir=tmp_path,
            port_base=8080,
            database_url="",
            nats_url="",
            stellar_rpc_url="",
            environment=environment,
        )
        return Wiring(
            settings=settings,
            credentials=load(tmp_path),
            database_url="postgresql://postgres@127.0.0.1/postgres",
            nats_url="nats://127.0.0.1",
        )

    own, replaced = wiring({}), wiring({"JWT_ISSUERS": "[]"})

    assert own.tokens()["jwtSecret"] in own.gateway()["JWT_ISSUERS"]
    assert own.tokens()["jwtSecret"] == wiring({}).tokens()["jwtSecret"]
    assert replaced.tokens() == {}
    assert replaced.gateway()["JWT_ISSUERS"] == "[]"
