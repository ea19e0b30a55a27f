"""`make house` counts exactly the planted findings."""

from pathlib import Path

import pytest

from tools.house import __main__ as house
from tools.house.code import (
    Tree,
    measures,
    owned_twice,
    run_time_sql,
    sql_engines,
    unexplained,
    untested_rules,
    used_once,
)
from tools.house.requests import Passed, counted

Call = tuple[str, str, str]


def plant(root: Path, files: dict[str, str]) -> Tree:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return Tree(root)


def test_only_private_functions_with_one_use_are_listed(tmp_path: Path) -> None:
    source = (
        "def public():\n    _once()\n    _twice()\n    _twice()\n    self._method()\n\n"
        "def _once(): ...\n\ndef _twice(): ...\n\nclass A(B):\n"
        "    def _method(self): ...\n    def __enter__(self): ...\n"
    )

    tree = plant(tmp_path, {"kernel/a.py": source})

    assert used_once(tree) == ["kernel/a.py:_once", "kernel/a.py:_method"]


def test_lines_of_functions_are_measured_without_migrations(tmp_path: Path) -> None:
    tree = plant(
        tmp_path,
        {
            "chassis/a.py": "def a():\n    b = 1\n    return b\n",
            "chassis/migrations/b.py": "def b():\n" + "    x = 1\n" * 50,
        },
    )

    found = measures(tree)

    assert (found["functions"], found["median"], found["longest"]) == (1, 3, 3)


def test_a_field_is_found_in_code_and_contracts(tmp_path: Path) -> None:
    tree = plant(
        tmp_path,
        {
            "services/orders/domain.py": "contract_template_id: str\n",
            "gateway/party/orders.py": "contract_template_id = 1\n",
            "gateway/party/other.py": "contract_template_id_2 = 1\ndef AddEvidence(): ...\n",
            "protos/orders.proto": "string contract_template_id = 32;\n",
        },
    )

    found = measures(tree)

    assert (found["field"], found["shape"], found["rpc"]) == (3, 2, 1)


def test_a_class_name_with_two_owners_is_listed_with_both(tmp_path: Path) -> None:
    tree = plant(
        tmp_path,
        {
            "services/orders/a.py": "class Order: ...\nclass _Own: ...\nclass One: ...\n",
            "gateway/b.py": "class Order: ...\nclass _Own: ...\n",
        },
    )

    assert owned_twice(tree) == {"Order": ["services/orders/a.py", "gateway/b.py"]}


def test_a_house_word_in_a_name_needs_the_glossary(tmp_path: Path) -> None:
    files = {
        "services/escrow/patience.py": "class FairShares: ...\ndef pay_side(): ...\n",
        "docs/glossary.md": "| word | means |\n|---|---|\n| side | of an order; no share |\n",
    }

    assert unexplained(plant(tmp_path, files)) == ["patience", "share"]


def test_engines_and_modules_that_run_sqlalchemy_are_listed(tmp_path: Path) -> None:
    tree = plant(
        tmp_path,
        {
            "chassis/pool.py": "import sqlalchemy as sa\nE = sa.create_engine('')\n",
            "chassis/sql.py": "import sqlalchemy\n",
            "services/a/tables.py": "import sqlalchemy\n",
            "services/a/store.py": "import sqlalchemy as sa\nR = compiled(sa.select())\n",
            "services/b/store.py": "from sqlalchemy import select\n",
            "gateway/migrations/env.py": "import sqlalchemy as sa\nE = sa.create_engine('')\n",
        },
    )

    assert sql_engines(tree) == ["chassis/pool.py"]
    assert run_time_sql(tree) == ["chassis/pool.py", "services/b/store.py"]


def test_rule_is_tested_if_a_test_calls_it_directly_or_through_another_rule(tmp_path: Path) -> None:
    rules = "def pay():\n    domain.move()\ndef move(): ...\ndef close(): ...\ndef _own(): ...\n"
    tree = plant(
        tmp_path,
        {
            "services/orders/order/use_cases.py": rules,
            "services/orders/store.py": "def save(): ...\n",
            "tests/unit/orders/test_a.py": "async def test_it():\n    pay()\n",
        },
    )

    assert untested_rules(tree) == ["services/orders/order/use_cases.py:close"]
    assert measures(tree)["rule_tests"] == 1


def test_module_that_increments_an_epoch_counts_as_taking_leases(tmp_path: Path) -> None:
    tree = plant(
        tmp_path,
        {
            "services/a/store.py": "def f(): ...\nSQL = 'set lease_epoch = o.lease_epoch + 1'\n",
            "services/b/store.py": "SQL = 'where lease_epoch = %(epoch)s'\n",
        },
    )

    assert measures(tree)["leases"] == 1


def test_background_work_counts_only_if_a_request_added_work() -> None:
    poll: Call = ("relay.run", "chassis/relay.py", "poll")
    publish: Call = ("relay.run", "chassis/bus.py", "publish")
    sweep: Call = ("sweep", "services/orders/sweep.py", "sweep")
    serve: Call = ("serve", "services/orders/servicer.py", "Pay")

    found = counted(
        {
            "services.orders": frozenset({poll, publish, sweep, serve}),
            "services.ledger": frozenset({poll}),
        },
        {
            "services.orders": frozenset({poll, sweep}),
            "services.ledger": frozenset({poll}),
        },
    )

    assert found == Passed(files=3, most=1)


def test_table_has_eighty_columns_and_marks_the_goals_that_are_met() -> None:
    figures = {row.key: 12_345 for row in house.ROWS} | {"once_percent": 12}

    lines = house.table(figures, figures).splitlines()

    assert max(map(len, lines)) <= 80
    assert [line.split()[-1] for line in lines if "% of all" in line] == ["met"]
    assert sum(line.endswith("not met") for line in lines) == len(
        [row for row in house.ROWS if row.most is not None and row.key != "once_percent"]
    )


def test_a_clone_without_the_earlier_commit_uses_the_recorded_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without_it(_folder: Path) -> bool:
        return False

    monkeypatch.setattr(house, "extract", without_it)

    found = house.before()

    assert {row.key for row in house.ROWS} <= found.keys()
