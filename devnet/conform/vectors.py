"""A file of vectors: cases of steps, each with the answer of the real contract.

Format `soroban-escrow-vectors/1`, JSON. `{"times": n, "of": x}` stands for n equal items of a list,
or for a text of n equal characters.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = "soroban-escrow-vectors/1"

Json = dict[str, Any]


class UnreadableVectorsError(Exception):
    """The file is missing, is not JSON, or is not of the format."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the ledger, as the file describes it. want: its results, line by line."""

    given: Mapping[str, Any]
    want: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """Steps that are played on a fresh ledger."""

    id: str
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class Vectors:
    """A file's content. defaults: the escrow that is deployed unless a step says otherwise.

    wasm_sha256: of the build that gave these answers; "" if the file does not say.
    """

    defaults: Mapping[str, Any]
    cases: Sequence[Case]
    wasm_sha256: str = ""


def read(path: Path) -> Vectors:
    """Read a file. Raises: UnreadableVectorsError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableVectorsError(f"{path}: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise UnreadableVectorsError(f"{path}: the format is not {FORMAT}")
    try:
        cases = [_case(case) for case in found["cases"]]
        sha256 = str(found.get("contract", {}).get("wasm_sha256", ""))
        return Vectors(defaults=dict(found["defaults"]), cases=cases, wasm_sha256=sha256)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableVectorsError(f"{path}: {type(error).__name__}: {error}") from error


def _case(case: Json) -> Case:
    steps = []
    for step in case["steps"]:
        given = {name: _expanded(part) for name, part in step.items() if name != "want"}
        if "do" not in given:
            raise ValueError(f"a step of {case['id']} does nothing")
        steps.append(Step(given=given, want=dict(step["want"])))
    return Case(id=str(case["id"]), steps=steps)


def _expanded(part: Any) -> Any:
    if isinstance(part, list):
        items = []
        for item in part:
            if _is_repeated(item):
                items.extend([_expanded(item["of"])] * item["times"])
            else:
                items.append(_expanded(item))
        return items
    if _is_repeated(part):
        return part["of"] * part["times"]
    if isinstance(part, dict):
        return {name: _expanded(value) for name, value in part.items()}
    return part


def _is_repeated(part: Any) -> bool:
    return isinstance(part, dict) and part.keys() == {"times", "of"}
