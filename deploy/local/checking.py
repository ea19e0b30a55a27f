"""Checks the settings of every program before any program is started."""

import importlib
import sys
from collections.abc import Mapping

from chassis.settings import load
from deploy.local.wiring import Wiring

WRONG_SETTING = 2
# The settings class of each program. Given by name, because the stack does not import programs.
_CLASSES = {
    "orders": ("services.orders.settings", "OrdersSettings"),
    "ledger": ("services.ledger.settings", "LedgerSettings"),
    "escrow": ("services.escrow.settings", "EscrowSettings"),
    "disputes": ("services.disputes.settings", "DisputesSettings"),
    "webhooks": ("services.webhooks.settings", "WebhooksSettings"),
    "gateway": ("gateway.settings", "GatewaySettings"),
}
# Placeholders for settings that the devnet reports only after its start.
TOLD_LATER: Mapping[str, str] = {
    "STELLAR_RPC_URL": "http://127.0.0.1",
    "STELLAR_NETWORK_PASSPHRASE": "a network",
    "USDC_ISSUER": "G".ljust(56, "A"),
    "ESCROW_FACTORY_ID": "C".ljust(56, "A"),
    "ESCROW_WASM_HASH": "0" * 64,
    "TRUSTLESS_WORK_FEE_ADDRESS": "G".ljust(56, "A"),
    "TRUSTLESS_WORK_URL": "http://127.0.0.1",
}


def check(wiring: Wiring, *, network: Mapping[str, str], has_devnet: bool) -> None:
    """End this program with exit code 2 and one line if another program would refuse its settings.

    network: the settings of the chain that are known before the start.
    """
    for program, (module, name) in _CLASSES.items():
        cls = getattr(importlib.import_module(module), name)
        is_gateway = program == "gateway"
        given = wiring.gateway() if is_gateway else wiring.service(program, network=network)
        fields = {field.upper() for field in cls.model_fields}
        load(cls, program=program, given={key: given[key] for key in sorted(fields & given.keys())})
    if has_devnet:
        _check_devnet(wiring.devnet())


def _check_devnet(given: Mapping[str, str]) -> None:
    settings = importlib.import_module("devnet.settings")
    try:
        settings.load(given)
    except settings.SettingsError as error:
        sys.stderr.write(f"devnet: setting {error}\n")
        raise SystemExit(WRONG_SETTING) from None
