"""Imports follow ARCHITECTURE.md: the import contracts hold and cover every room."""

import ast
import fnmatch

import pytest

from deploy.local.settings import ROOT
from tests.architecture.layers import contracts, lint
from tests.architecture.tidy import says_pure

SERVICES = sorted(p.name for p in (ROOT / "services").iterdir() if (p / "__init__.py").is_file())


def test_every_import_keeps_the_contracts() -> None:
    code, said = lint(ROOT)

    assert code == 0, said


@pytest.mark.parametrize(
    "room", ["kernel", "chassis", "gateway", *(f"services.{name}" for name in SERVICES)]
)
def test_every_room_has_an_exhaustive_layers_contract(room: str) -> None:
    covering = [
        contract
        for contract in contracts()
        if contract["type"] == "layers" and room in _names(contract.get("containers"))
    ]

    assert len(covering) == 1, f"{room} has no layers contract in pyproject.toml"
    assert covering[0].get("exhaustive") is True
    assert _names(covering[0].get("exhaustive_ignores", [])) <= {"migrations"}


def test_no_contract_ignores_an_import() -> None:
    excused = [line for contract in contracts() for line in _names(contract.get("ignore_imports"))]

    assert excused == []


@pytest.mark.parametrize("service", SERVICES)
def test_module_declared_pure_is_covered_by_the_pure_domain_contract(service: str) -> None:
    (contract,) = (one for one in contracts() if one["id"] == "pure-domain")
    held = _names(contract["source_modules"])
    saying = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "services" / service).rglob("*.py")
        if says_pure(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert saying
    # A contract that names a room covers its modules.
    covers = [*held, *(f"{name}.*" for name in held)]
    assert [name for name in saying if not any(fnmatch.fnmatch(name, one) for one in covers)] == []


def _names(value: object) -> set[str]:
    return {str(name) for name in value} if isinstance(value, list) else set()
