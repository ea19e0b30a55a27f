"""What a parser can see of a tree: functions, names, and files that one change touches.

A tree is a folder with the project in it. Pure, apart from reading the tree's files.
"""

import ast
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

PROGRAMS = ("kernel", "chassis", "services", "gateway")
# A field of an order that is stored and shown, and decides nothing.
PLAIN_FIELD = ("contract_template_id",)
RPC = ("AddEvidence", "add_evidence")
# The modules of orders that contain its rules.
RULES = ("domain", "endings", "settlement", "postings", "intake", "use_cases", "kinds", "rules")
# Words of this project that a reader cannot know unless the glossary explains them.
HOUSE_WORDS = re.findall(
    r"\w+",
    """
    abandonment attention blueprint crowd difference ending epoch evidence finding flow grant
    hold holding hot intake intent keyring landing lane milestone outside party patience
    pepper posting principal profile proposal recognise ruling saga seal settlement share side
    suspense timer wording
    """,
)
_NEXT_EPOCH = re.compile(r"epoch\w*\}?\s*\+\s*1\b")
_PART_OF_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Tree:
    """The project in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def texts(self) -> dict[str, str]:
        """Contents of the programs and their contracts by path, without migrations."""
        return self._read("*.py", *PROGRAMS) | self._read("*.proto", "protos")

    @cached_property
    def modules(self) -> dict[str, ast.Module]:
        """The programs' modules by path."""
        return {path: ast.parse(text) for path, text in self.texts.items() if path.endswith(".py")}

    @cached_property
    def unit_tests(self) -> dict[str, str]:
        """The tests of orders that need no database."""
        return self._read("*.py", "tests/unit/orders")

    @property
    def glossary(self) -> str:
        """The glossary; empty if there is none."""
        path = self._root / "docs/glossary.md"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def _read(self, pattern: str, *folders: str) -> dict[str, str]:
        return {
            path.relative_to(self._root).as_posix(): path.read_text(encoding="utf-8")
            for folder in folders
            for path in sorted((self._root / folder).rglob(pattern))
            if "migrations" not in path.parts
        }


def measures(tree: Tree) -> dict[str, int]:
    """Return every figure that needs no running program, by the name of its row."""
    lengths = sorted((node.end_lineno or 0) - node.lineno + 1 for node in functions(tree))
    once = len(used_once(tree))
    return {
        "functions": len(lengths),
        "median": round(statistics.median(lengths)),
        "p90": lengths[len(lengths) * 9 // 10],
        "longest": lengths[-1],
        "once": once,
        "once_percent": round(100 * once / len(lengths)),
        "field": len(naming(tree, PLAIN_FIELD)),
        "rpc": len(naming(tree, RPC)),
        "withdrawals": sum("withdrawals" in text.lower() for text in tree.texts.values()),
        "shape": sum(not path.startswith("services/") for path in naming(tree, PLAIN_FIELD)),
        "owners": len(owned_twice(tree)),
        "words": len(unexplained(tree)),
        "engines": len(sql_engines(tree)),
        "run_time_sql": len(run_time_sql(tree)),
        "leases": sum(bool(_NEXT_EPOCH.search(text)) for text in tree.texts.values()),
        "rule_tests": sum(
            len(re.findall(r"^\s*(?:async )?def test_", text, re.MULTILINE))
            for text in tree.unit_tests.values()
        ),
        "untested_rules": len(untested_rules(tree)),
    }


def functions(tree: Tree) -> Iterator[Function]:
    """Yield every function and method."""
    for module in tree.modules.values():
        for node in ast.walk(module):
            if isinstance(node, Function):
                yield node


def used_once(tree: Tree) -> list[str]:
    """List private functions that their module names at most once, apart from their definition."""
    found = []
    for path, module in tree.modules.items():
        nodes = list(ast.walk(module))
        uses = Counter(node.id for node in nodes if isinstance(node, ast.Name))
        uses.update(node.attr for node in nodes if isinstance(node, ast.Attribute))
        found += [
            f"{path}:{node.name}"
            for node in nodes
            if isinstance(node, Function)
            and node.name.startswith("_")
            and not node.name.startswith("__")
            and uses[node.name] <= 1
        ]
    return found


def naming(tree: Tree, names: Sequence[str]) -> list[str]:
    """List the files that contain one of the names."""
    word = re.compile(rf"\b_?({'|'.join(names)})\b")
    return [path for path, text in tree.texts.items() if word.search(text)]


def owned_twice(tree: Tree) -> dict[str, list[str]]:
    """Return public names of classes that several modules define, and those modules."""
    owners: dict[str, list[str]] = defaultdict(list)
    for path, module in tree.modules.items():
        for name in {node.name for node in ast.walk(module) if isinstance(node, ast.ClassDef)}:
            if not name.startswith("_"):
                owners[name].append(path)
    return {name: found for name, found in sorted(owners.items()) if len(found) > 1}


def unexplained(tree: Tree) -> list[str]:
    """List the house words in the code's names that the glossary does not explain."""
    explained = " ".join(
        line.split("|")[1].lower() for line in tree.glossary.splitlines() if line.startswith("|")
    )
    used = set()
    for path, module in tree.modules.items():
        for name in (Path(path).stem, *defined(module)):
            used |= {part.lower().removesuffix("s") for part in _PART_OF_NAME.findall(name)}
    return [
        word
        for word in HOUSE_WORDS
        if word in used and not re.search(rf"\b{word}(s|ed|d)?\b", explained)
    ]


def defined(module: ast.Module) -> Iterator[str]:
    """Yield the names of a module's classes and functions."""
    for node in ast.walk(module):
        if isinstance(node, Function | ast.ClassDef):
            yield node.name


def sql_engines(tree: Tree) -> list[str]:
    """List the modules that create a SQLAlchemy engine."""
    makers = {"create_engine", "create_async_engine", "async_engine_from_config"}
    found = []
    for path, module in tree.modules.items():
        calls = [node.func for node in ast.walk(module) if isinstance(node, ast.Call)]
        if any(getattr(f, "id", getattr(f, "attr", "")) in makers for f in calls):
            found.append(path)
    return found


def run_time_sql(tree: Tree) -> list[str]:
    """List the modules that use SQLAlchemy for more than tables and statements compiled once."""
    found = []
    for path, module in tree.modules.items():
        if Path(path).stem == "tables" or path == "chassis/sql.py":
            continue
        nodes = list(ast.walk(module))
        imported = {
            name.split(".")[0]
            for node in nodes
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        compiles = any(isinstance(node, ast.Name) and node.id == "compiled" for node in nodes)
        if "sqlalchemy" in imported and not compiles:
            found.append(path)
    return found


def untested_rules(tree: Tree) -> list[str]:
    """List public functions of orders' rules that no test without a database reaches.

    A test reaches the rules that it names, and the rules that these call.
    """
    rules = [
        (path, node)
        for path, module in tree.modules.items()
        if path.startswith("services/orders/") and Path(path).stem in RULES
        for node in module.body
        if isinstance(node, Function)
    ]
    reached = set(re.findall(r"\w+", "\n".join(tree.unit_tests.values())))
    called: set[str] = set()
    while called != reached:
        called = set(reached)
        for _, node in rules:
            if node.name in reached:
                reached |= {
                    getattr(found, "id", getattr(found, "attr", "")) for found in ast.walk(node)
                }
    return [
        f"{path}:{node.name}"
        for path, node in rules
        if not node.name.startswith("_") and node.name not in reached
    ]
