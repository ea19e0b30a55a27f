"""The stack passes each program exactly the settings that the program reads."""

import ast
import importlib

import pytest

from chassis.setting_names import unknown
from chassis.settings import StreamSettings
from deploy.developer.settings import READS as DEVELOPER_READS
from deploy.local.environment import READS
from deploy.local.settings import OWN, ROOT
from deploy.operator.__main__ import commands
from deploy.operator.settings import READS as OPERATOR_READS

CLASSES = {
    "orders": ("services.orders.settings", "OrdersSettings"),
    "ledger": ("services.ledger.settings", "LedgerSettings"),
    "escrow": ("services.escrow.settings", "EscrowSettings"),
    "disputes": ("services.disputes.settings", "DisputesSettings"),
    "webhooks": ("services.webhooks.settings", "WebhooksSettings"),
    "gateway": ("gateway.settings", "GatewaySettings"),
}


@pytest.mark.parametrize("program", CLASSES)
def test_stack_passes_each_program_exactly_the_settings_it_reads(program: str) -> None:
    module, name = CLASSES[program]
    fields = getattr(importlib.import_module(module), name).model_fields

    assert {field.upper() for field in fields} == READS[program], (
        "deploy/local/environment.py says what each program of the stack inherits"
    )


def test_setting_of_another_program_is_not_taken_for_a_misspelling() -> None:
    everything = dict.fromkeys(OWN.union(*READS.values()), "x")
    everything |= {
        f"{program.upper()}_{what}": "x"
        for program in READS
        for what in ("ADDRESS", "DATABASE_URL", "NATS_URL")
    }

    for program, known in READS.items():
        assert unknown(everything, programs=(program,), known=known) is None


def test_stack_passes_the_devnet_its_settings_except_the_providers_key() -> None:
    tree = ast.parse((ROOT / "devnet/settings.py").read_text())
    read = {
        node.args[1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and len(node.args) > 2
        and isinstance(node.args[1], ast.Constant)
        and str(node.args[1].value).isupper()
    }

    assert read - {"TRUSTLESS_WORK_API_KEY"} == READS["devnet"]


def test_settings_of_the_operators_command_are_listed() -> None:
    read = _read_by("deploy/operator/settings.py")
    options = {
        option.envvar
        for one in commands().values()
        for option in one.params
        if option.envvar is not None
    }

    of_streams = {name.upper() for name in StreamSettings.model_fields}
    assert read | options | of_streams == OPERATOR_READS


def test_settings_of_the_developers_command_are_listed_and_documented() -> None:
    assert _read_by("deploy/developer/settings.py") == DEVELOPER_READS
    page = (ROOT / "docs/cli.md").read_text()
    assert {name for name in DEVELOPER_READS if f"`{name}`" not in page} == set()


def _read_by(path: str) -> set[str]:
    """Return the names of the variables that a module reads."""
    return {
        str(node.args[0].value)
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"_read", "_secret"}
        and isinstance(node.args[0], ast.Constant)
    }
