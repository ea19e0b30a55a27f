"""What programs import: the project's files, and libraries."""

import ast
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

from deploy.local.settings import ROOT

GENERATED = ("orchestrator",)
OURS = ("services", "gateway", "chassis", "kernel", "devnet", "deploy", "client", *GENERATED)


def reached(programs: Iterable[str]) -> tuple[set[str], set[Path]]:
    """Return the libraries that programs import, and the project's files that they need."""
    libraries: set[str] = set()
    files: set[Path] = set()
    todo = list(programs)
    while todo:
        module = todo.pop()
        if module.partition(".")[0] not in OURS:
            libraries.add(module)
            continue
        path = _file_of(module)
        if path is not None and path not in files:
            files.add(path)
            todo += _imports(path)
    return {name for name in libraries if _top(name) not in sys.stdlib_module_names}, files


def missing(libraries: Iterable[str], *, distributions: Iterable[str]) -> set[str]:
    """Return the libraries that no distribution contains. distributions: normal names."""
    there, known = packages_distributions(), set(distributions)
    return {
        library
        for library in map(_top, libraries)
        if not {normal(one) for one in there.get(library, [])} & known
    }


def normal(distribution: str) -> str:
    """Spell the name of a distribution as lock files do."""
    return distribution.lower().replace("_", "-").replace(".", "-")


def _top(module: str) -> str:
    return module.partition(".")[0]


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
        elif isinstance(node, ast.ImportFrom):
            module = _whole(node, path)
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def _whole(node: ast.ImportFrom, path: Path) -> str:
    """Return the absolute name of the imported module; relative imports are resolved."""
    if node.level == 0:
        return node.module or ""
    folder = path.relative_to(ROOT).parents[node.level - 1].parts
    return ".".join([*folder, *filter(None, [node.module])])
