"""Every file of the project keeps the code rules of CONTRIBUTING.md."""

import pathlib

from tests.architecture.tidy import python_findings, text_findings

ROOT = pathlib.Path(__file__).resolve().parents[2]
CODE = (
    "kernel",
    "chassis",
    "services",
    "gateway",
    "client",
    "devnet",
    "deploy",
    "tools",
    "bench",
    "tests",
)
OTHERS = ("protos", "docs", ".ci")


def files(*folders: str) -> list[pathlib.Path]:
    """List the files of the folders, without Python's caches."""
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def relative(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_module_keeps_the_rules_of_the_house() -> None:
    modules = [
        path
        for path in files(*CODE)
        if path.suffix == ".py" and "client/generated" not in path.as_posix()
    ]

    found = [
        finding
        for path in modules
        for finding in python_findings(relative(path), path.read_text(encoding="utf-8"))
    ]

    assert len(modules) > 50
    assert not found, "\n" + "\n".join(found)


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    # In a worktree of git, .git is a file that names the machine's folders: no part of the tree.
    beside = [path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]
    everything = [*files(*CODE, *OTHERS), *beside]
    found = []
    for path in everything:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += text_findings(relative(path), text)

    assert not found, "\n" + "\n".join(found)
