"""The devnet's settings, read once from the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devnet.chain.rules import LIFETIMES, Lifetimes

NETWORK_NAME = "Orchestrator Devnet ; November 2026"
PORT_MAX = 65_535
# All settings begin with DEVNET_, and so do variables that Kubernetes sets for a service "devnet".
NAMES = frozenset(
    {
        "DEVNET_DATA_DIR",
        "DEVNET_ESCROW_WASM",
        "DEVNET_HOST",
        "DEVNET_LEDGER_SECONDS",
        "DEVNET_LANE_SIZE",
        "DEVNET_META",
        "DEVNET_PORT",
        "DEVNET_RENT",
        "DEVNET_TTL",
        "DEVNET_TW_RATE_LIMIT",
    }
)
LINK = re.compile(r"DEVNET_SERVICE_(HOST|PORT).*|DEVNET_PORT_[0-9]+_.*")
SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?")


class SettingsError(ValueError):
    """A setting is wrong; the message is one line that names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """port: 0 picks a free one. rate_limit: REST requests per key and minute, 0 for no limit.

    lifetimes: those of the main network or of the test network. rent: stroops a kilobyte.
    escrow_wasm: a file with the escrow contract's code, which runs instead of the devnet's rules.
    lane_size: how many operations each lane of a ledger holds. has_full_meta: whether metas of
    contract transactions contain the state of every entry before and after.
    """

    host: str
    port: int
    data_dir: Path
    ledger_seconds: float
    passphrase: str
    api_key: str
    rate_limit: int
    lifetimes: Lifetimes
    rent: int
    lane_size: int
    has_full_meta: bool
    escrow_wasm: Path | None = None


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises: SettingsError."""
    for name in sorted(environment):
        if name.startswith("DEVNET_") and name not in NAMES and not LINK.fullmatch(name):
            raise SettingsError(f"{name} is unknown")
    return Settings(
        # An IPv6 address may be in brackets.
        host=_text(environment, "DEVNET_HOST", "127.0.0.1").strip("[]"),
        port=_whole(environment, "DEVNET_PORT", 8000, most=PORT_MAX),
        data_dir=Path(_text(environment, "DEVNET_DATA_DIR", ".run/devnet")),
        ledger_seconds=_seconds(environment, "DEVNET_LEDGER_SECONDS", "1.0"),
        passphrase=_text(environment, "STELLAR_NETWORK_PASSPHRASE", NETWORK_NAME),
        api_key=_text(environment, "TRUSTLESS_WORK_API_KEY", "devnet-key"),
        rate_limit=_whole(environment, "DEVNET_TW_RATE_LIMIT", 50, most=1_000_000),
        lifetimes=_lifetimes(environment),
        rent=_whole(environment, "DEVNET_RENT", 1_000, most=1_000_000),
        lane_size=_whole(environment, "DEVNET_LANE_SIZE", 1_000, most=1_000_000),
        has_full_meta=_meta(environment),
        escrow_wasm=_path(environment, "DEVNET_ESCROW_WASM", None),
    )


def _path(environment: Mapping[str, str], name: str, default: Path | None) -> Path | None:
    return Path(environment[name]) if environment.get(name) else default


def _meta(environment: Mapping[str, str]) -> bool:
    name = _text(environment, "DEVNET_META", "classic")
    if name not in {"classic", "full"}:
        raise SettingsError(f"DEVNET_META must be classic or full, not {name!r}")
    return name == "full"


def _lifetimes(environment: Mapping[str, str]) -> Lifetimes:
    name = _text(environment, "DEVNET_TTL", "main")
    if name not in LIFETIMES:
        raise SettingsError(f"DEVNET_TTL must be one of {', '.join(LIFETIMES)}, not {name!r}")
    return LIFETIMES[name]


def _text(environment: Mapping[str, str], name: str, default: str) -> str:
    value = environment.get(name, default)
    if not value.strip():
        raise SettingsError(f"{name} must not be empty")
    return value


def _whole(environment: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    value = environment.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) > most:
        raise SettingsError(f"{name} must be a whole number from 0 to {most}, not {value!r}")
    return int(value)


def _seconds(environment: Mapping[str, str], name: str, default: str) -> float:
    value = environment.get(name, default)
    if SECONDS.fullmatch(value) is None or float(value) == 0:
        raise SettingsError(f"{name} must be seconds between 0.001 and 9999, not {value!r}")
    return float(value)
