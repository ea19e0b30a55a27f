"""The wheel contains the operator's command, and declares exactly its dependencies."""

import re
import tomllib
from typing import Any

from deploy.local.settings import ROOT
from deploy.operator.__main__ import DEVELOPERS, DEVELOPERS_ROOMS, ROOMS
from kernel.version import VERSION
from tests.architecture.reach import missing, normal, reached

# The modules that `orchestrator` runs: its own, and the gateway program that it starts.
PROGRAMS = (
    "deploy.operator.__main__",
    *(f"deploy.operator.{room}" for room, _ in ROOMS.values()),
    *(f"{DEVELOPERS}.{room}" for room, _ in DEVELOPERS_ROOMS.values()),
    "gateway.keytool",
    "chassis.migrations.env",
)
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
WHEEL: dict[str, Any] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def _name(requirement: str) -> str:
    found = _NAME.match(requirement)
    assert found is not None, requirement
    return normal(found[0])


def _is_in_it(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in WHEEL["only-include"])


def test_code_of_the_command_is_in_the_wheel() -> None:
    _, files = reached(PROGRAMS)
    migrations = ROOT.glob("*/migrations/0*.py"), ROOT.glob("services/*/migrations/0*.py")

    paths = [path.relative_to(ROOT).as_posix() for path in (*files, *migrations[0], *migrations[1])]

    # A package with only an `__init__.py` may be missing.
    left = [path for path in paths if not _is_in_it(path)]
    assert [path for path in left if not path.startswith("services/")] == []
    assert [path for path in left if not path.endswith("__init__.py")] == []


def test_libraries_of_the_command_are_declared_and_pinned() -> None:
    libraries, _ = reached(PROGRAMS)
    named = {_name(one) for one in PROJECT["project"]["dependencies"]}
    run = {
        _name(line)
        for line in (ROOT / "requirements-run.in").read_text().splitlines()
        if line and not line.startswith("#")
    }

    # Only a program with tracing enabled loads opentelemetry; the command never enables tracing.
    assert missing(libraries, distributions=named) == {"opentelemetry"}
    assert named <= run


def test_all_code_in_the_wheel_is_below_one_package() -> None:
    places = {*WHEEL["sources"].values(), *WHEEL["force-include"].values()}

    assert {place.partition("/")[0] for place in places} == {"orchestrator"}
    tops = {path.partition("/")[0] for path in WHEEL["only-include"]}
    assert {source.partition("/")[0] for source in WHEEL["sources"]} == tops


def test_version_is_defined_in_one_place() -> None:
    assert "version" in PROJECT["project"]["dynamic"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "kernel/version.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
