"""The code rules that a parser can check. Pure: text in, findings out.

test_tidy.py applies them to every file of the project, test_planted.py to files that break them.
"""

import ast
import io
import pathlib
import re
import tokenize
from collections.abc import Iterator

FUNCTION_LINES = 60
MODULE_LINES = 400
LINE_LENGTH = 100
# Names that say nothing about the content.
REFUSED_NAMES = frozenset({"utils", "helpers", "common", "misc", "base", "manager"})
UNNUMBERED = re.compile(r"\b(FIXME|XXX|HACK)\b|\bTODO\b(?!\(#\d+\): \S)")
# A note to a tool, with its reason, may go beyond the line: the formatter cannot break it.
PRAGMA = re.compile(r"\s*# (noqa|type: ignore)\b.*")
# Folders of people's machines. The project's own paths are relative to its root.
MACHINE_PATH = re.compile(r"(?<![\w.~-])(/(home|root|Users|work|tmp)/\w|[A-Z]:\\\w)")
# Each machine configures its package registry; lock files hold names and hashes only. The names are
# written in pieces, so that this file passes its own rule.
REGISTRIES = (
    "py" + "pi.org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "crates" + ".io",
    "rubygems" + ".org",
    "proxy.golang" + ".org",
    "conda" + ".anaconda.org",
)
# Statements name their columns: a prepared `select *` fails after a column is added.
STARRED = re.compile(r"\b(select|returning)\s([^;]*?,)?\s*(distinct\s+)?(\w+\.)?\*", re.IGNORECASE)
PROGRAMS = ("services/", "chassis/", "gateway/", "deploy/operator/")
# Modules of services that hold amounts, whatever their docstring says.
COUNTS_MONEY = frozenset(
    {
        "domain.py",
        "endings.py",
        "holdings.py",
        "holds.py",
        "hot.py",
        "hot_several.py",
        "intake.py",
        "ports.py",
        "postings.py",
        "service.py",
        "settlement.py",
        "steps.py",
        "wire.py",
    }
)
# Services whose modules all count money, except TIMED, which count only seconds.
COUNTING_SERVICES = ("services/disputes/", "services/escrow/", "services/ledger/")
TIMED = frozenset(
    {
        "services/escrow/commands/own_worker.py",
        "services/escrow/commands/waiting.py",
        "services/escrow/deposits/watcher.py",
        "services/escrow/outgoing.py",
        "services/escrow/parts.py",
        "services/escrow/sending/bootstrap.py",
        "services/escrow/sending/channels.py",
        # Lumens that the network took, for a metric.
        "services/escrow/sending/landing.py",
        "services/escrow/sending/lifetimes.py",
        "services/escrow/sending/loading.py",
        "services/escrow/sending/pipeline.py",
        "services/escrow/sending/platform_sender.py",
        "services/escrow/sending/recovery.py",
        "services/escrow/sending/ledger_times.py",
        "services/escrow/sending/sender.py",
        "services/escrow/sending/worker.py",
        "services/escrow/settings.py",
        "services/escrow/stellar/nodes.py",
        "services/escrow/stellar/quota.py",
        "services/escrow/stellar/rpc.py",
        # A provider that takes amounts as JSON numbers: each is proved to be exact.
        "services/escrow/stellar/trustless_work.py",
        "services/escrow/wallets/keyring.py",
        "services/escrow/wallets/vault_login.py",
        "services/ledger/app.py",
        "services/ledger/batch.py",
    }
)
INDEX_OPTION = re.compile(r"(?<!no-emit-)\b(extra-)?index" + r"[-_]url\b", re.IGNORECASE)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_findings(path: str, source: str) -> list[str]:
    """List what breaks a rule in a Python file.

    path: relative to the root of the project, with slashes. Each finding is "path:line: what".
    """
    tree = ast.parse(source)
    rules = [_documented, _short, _named, _no_environment, _numbered, _named_columns]
    if is_exact(path, tree):
        rules.append(_exact)
    return [f"{path}:{line}: {what}" for rule in rules for line, what in rule(path, source, tree)]


def text_findings(path: str, text: str) -> list[str]:
    """List machine paths and package registries named in any file."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if MACHINE_PATH.search(line):
            found.append(f"{path}:{number}: a path of one machine")
        if any(host in line for host in REGISTRIES) or INDEX_OPTION.search(line):
            found.append(f"{path}:{number}: a package registry")
    return found


def is_exact(path: str, tree: ast.Module) -> bool:
    """Return whether a file counts money: the kernel, domains, stores, and the modules named here.

    A service's module with "Pure" in its docstring decides, so the same rule applies to it.
    """
    top, *_, name = pathlib.PurePosixPath(path).parts
    if top != "services":
        return top == "kernel"
    if path.startswith(COUNTING_SERVICES):
        return path not in TIMED
    is_store = name.removesuffix(".py").endswith("store")
    return is_store or name in COUNTS_MONEY or says_pure(tree)


def says_pure(tree: ast.Module) -> bool:
    """Return whether a module's docstring contains "Pure"."""
    return re.search(r"\bPure\b", ast.get_docstring(tree) or "") is not None


def _documented(_path: str, _source: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    if not ast.get_docstring(tree):
        yield 1, "no module docstring: say what room this is"


def _short(_path: str, source: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    lines = source.splitlines()
    if len(lines) > MODULE_LINES:
        yield len(lines), f"module of {len(lines)} lines, at most {MODULE_LINES}"
    for number, line in enumerate(lines, start=1):
        length = len(PRAGMA.sub("", line))
        if length > LINE_LENGTH:
            yield number, f"line of {length} characters, at most {LINE_LENGTH}"
    for node in ast.walk(tree):
        if isinstance(node, Function):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {length} lines, at most {FUNCTION_LINES}"


def _named(path: str, _source: str, _tree: ast.Module) -> Iterator[tuple[int, str]]:
    for part in pathlib.PurePosixPath(path).with_suffix("").parts:
        if part in REFUSED_NAMES:
            yield 1, f"the name {part!r} says nothing about the content"


def _no_environment(path: str, _source: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    if pathlib.PurePosixPath(path).name == "settings.py":
        return
    names = {"environ", "environb", "getenv", "getenvb", "putenv"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in names:
            reads = isinstance(node.value, ast.Name) and node.value.id == "os"
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            reads = any(alias.name in names for alias in node.names)
        else:
            continue
        if reads:
            yield node.lineno, "the environment is read in settings.py only"


def _numbered(_path: str, source: str, _tree: ast.Module) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and UNNUMBERED.search(token.string):
            yield token.start[0], "a TODO has a number: TODO(#12): what"


def _named_columns(path: str, _source: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    if not path.startswith(PROGRAMS):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if STARRED.search(text):
            yield node.lineno, "a statement names its columns: no *"


def _exact(_path: str, _source: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "float":
            yield node.lineno, "float where money is counted"
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node.lineno, f"float literal {node.value} where money is counted"
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield node.lineno, "a division that gives a float where money is counted"
