"""`make conform`: the output for a file of vectors, and the exit code."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from devnet.conform.__main__ import main
from devnet.conform.replay import differences, digest
from devnet.conform.vectors import Case, Step, read

FILE = Path(__file__).parents[2] / "conformance" / "escrow_vectors.json"
DEFAULTS = read(FILE).defaults


def document(*ids: str) -> dict[str, Any]:
    """Return a copy of the vectors with these cases only."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    found["cases"] = [case for case in found["cases"] if case["id"] in ids]
    return copy.deepcopy(found)


def conform(tmp_path: Path, content: dict[str, Any]) -> int:
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return main([str(path)])


def lines(*steps: dict[str, Any]) -> list[str]:
    """Play steps for which nothing is wanted, and return the lines that differ."""
    case = Case("case", [Step(step, {}) for step in steps])
    return [found.line for found in differences(case, DEFAULTS)]


def deployment(**changes: Any) -> dict[str, Any]:
    return {"do": "deploy", "escrow": {}, "signer": "platform", "auth": ["platform"], **changes}


def refused(*steps: dict[str, Any]) -> object:
    """Play steps and return how the last one is refused."""
    case = Case("case", [Step(step, {}) for step in steps])
    found = [found for found in differences(case, DEFAULTS) if found.step == len(steps)]
    return next((item.came for item in found if item.line == "refused"), None)


def test_matching_cases_exit_with_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert conform(tmp_path, document("init-ok", "fund-ok")) == 0

    assert capsys.readouterr().out == "2 of 2 cases hold; 0 differ\n"


def test_each_differing_line_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = document("init-ok", "fund-ok")
    want = content["cases"][1]["steps"][1]["want"]
    want["moved"]["buyer"][1] = "1"
    want["ro"].remove("code")

    assert conform(tmp_path, content) == 1

    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("fund-ok, step 2, moved: wanted {'buyer': ['10000000000', '1']")
    assert told[1].startswith("fund-ok, step 2, ro: wanted ['data:C:Escrow', 'instance:C'")
    assert told[2:] == ["1 of 2 cases hold; 1 differ"]


@pytest.mark.parametrize("line", ["value", "events", "auth", "stored", "ttl", "rw", "ro"])
def test_every_line_of_a_success_is_compared(line: str) -> None:
    case = document("init-ok")["cases"][0]
    want = {**case["steps"][0]["want"], line: "something else"}
    given = {name: part for name, part in case["steps"][0].items() if name != "want"}

    found = list(differences(Case("case", [Step(given, want)]), DEFAULTS))

    assert [(item.line, item.wanted) for item in found] == [(line, "something else")]


def test_a_refusal_instead_of_a_success_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = document("init-ok", "init-amount-zero")
    content["cases"][0]["steps"][0]["escrow"] = {"amount": "0"}
    content["cases"][1]["steps"][0]["escrow"] = {"amount": "1"}

    assert conform(tmp_path, content) == 1

    assert capsys.readouterr().out.splitlines() == [
        "init-ok, step 1, refused: wanted nothing, came Contract/1",
        "init-amount-zero, step 1, refused: wanted Contract/1, came nothing",
        "0 of 2 cases hold; 2 differ",
    ]


def test_refusing_contract_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = document("release-receiver-no-line")
    content["cases"][0]["steps"][-1]["want"]["at"] = "escrow"

    assert conform(tmp_path, content) == 1

    assert "at: wanted escrow, came USDC" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "soroban-escrow-vectors/2"}', '{"format": 1, "cases": []}']
)
def test_file_of_another_format_exits_with_two(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vectors.json"
    path.write_text(text, encoding="utf-8")

    assert main([str(path)]) == 2


@pytest.mark.parametrize("part", ["cases", "defaults", "want", "do"])
def test_file_with_a_missing_part_exits_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    content = document("init-ok")
    (content if part in content else content["cases"][0]["steps"][0]).pop(part)

    assert conform(tmp_path, content) == 2
    assert capsys.readouterr().err.startswith("conform: ")


def test_missing_file_exits_with_two(tmp_path: Path) -> None:
    assert main([str(tmp_path / "none.json")]) == 2


@pytest.mark.parametrize(
    "step",
    [
        {"do": "dance"},
        {"do": "call", "on": "F", "fn": "get_escrow", "args": [{"u256": 1}], "auth": []},
        {"do": "call", "on": "F", "fn": "get_escrow", "args": []},
    ],
)
def test_a_case_ends_at_a_step_that_cannot_be_played(step: dict[str, Any]) -> None:
    assert lines(step, step) == ["step"]


def test_equal_items_are_written_once(tmp_path: Path) -> None:
    content = document("init-50-milestones", "init-long-texts", "balances-21")
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps(content), encoding="utf-8")

    cases = {case.id: case.steps for case in read(path).cases}

    assert len(cases["init-50-milestones"][0].given["escrow"]["milestones"]) == 50
    assert cases["init-long-texts"][0].given["escrow"]["description"] == "x" * 40_000
    assert cases["balances-21"][1].given["args"] == [{"contracts": ["C"] * 21}]


def test_a_digest_is_of_canonical_json() -> None:
    assert digest({"b": [1], "a": None}) == digest({"a": None, "b": [1]})
    assert digest(None) == "74234e98afe7498f"


def test_rare_parts_of_steps_are_played() -> None:
    raw = {"init_fn": "initialize_escrow", "init_args": [{"escrow": {}}], "ctor": []}
    approve = {"do": "call", "on": "C", "fn": "approve_milestone", "auth": ["buyer"]}
    other_signer = {**approve, "args": [{"u32": 0}, {"who": "buyer"}], "auth": ["seller"]}

    assert refused(deployment(salt_hex="08" * 32)) is None
    assert refused(deployment(salt_hex="08" * 31)) == "WasmVm/InvalidAction"
    assert refused(deployment(), deployment(salt_hex="07" * 32)) == "Storage/ExistingValue"
    assert refused(deployment(**raw)) is None
    assert refused(deployment(init_fn="nothing")) == "WasmVm/MissingValue"
    assert refused(deployment(escrow={"roles_contract": {"receiver": "F"}})) is None
    assert refused(deployment(escrow={"roles": {"witness": "buyer"}})) == "Object/UnexpectedSize"
    assert refused(deployment(), other_signer) == "Auth/InvalidAction"


def test_steps_freeze_limit_and_remove_trustlines() -> None:
    pay = {"do": "call", "on": "USDC", "fn": "transfer", "auth": ["buyer"]}
    to_seller = {**pay, "args": [{"who": "buyer"}, {"who": "seller"}, {"i128": "5"}]}
    to_contract = {**pay, "args": [{"who": "buyer"}, {"contract": "C"}, {"i128": "5"}]}

    assert refused(to_seller) is None
    assert refused({"do": "freeze", "who": "buyer"}, to_seller) == "Contract/11"
    assert refused({"do": "freeze", "who": "seller"}, to_seller) == "Contract/11"
    assert refused({"do": "limit", "who": "seller", "limit": "10000000000"}, to_seller) == (
        "Contract/10"
    )
    assert refused({"do": "unline", "who": "seller"}, to_seller) == "Contract/13"
    frozen = (to_contract, {"do": "freeze", "who": "C"}, to_contract)
    assert refused(*frozen) == "Contract/11"
