"""The tests' settings from the environment: sizes of long runs, and the folder of reports."""

import os
from dataclasses import dataclass
from pathlib import Path

from deploy.local.settings import ROOT


def race_rounds() -> int:
    """Return the number of runs of each race: RACE_ROUNDS."""
    return int(os.environ.get("RACE_ROUNDS", "8"))


def fuzz_examples() -> int:
    """Return how many requests are generated for each operation, at most: FUZZ_EXAMPLES."""
    return int(os.environ.get("FUZZ_EXAMPLES", "2"))


def reports_folder() -> Path | None:
    """Return the folder of reports: REPORTS, relative to the root; None: no reports."""
    name = os.environ.get("REPORTS", "")
    return ROOT / name if name else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofSize:
    """The size of a run under disturbances. seed: of all random choices.

    copy_seconds: the age of the backup that the database is restored from.
    """

    seed: int
    clients: int
    orders: int
    kills: int
    pauses: int
    network_faults: int
    chain_faults: int
    lies: int
    restores: int
    copy_seconds: int


def proof_size() -> ProofSize:
    """Return the size of the run under disturbances: PROVE_ORDERS, PROVE_KILLS and so on."""

    def number(name: str, usual: int) -> int:
        return int(os.environ.get(f"PROVE_{name}", usual))

    return ProofSize(
        seed=number("SEED", 1),
        clients=number("CLIENTS", 6),
        orders=number("ORDERS", 12),
        kills=number("KILLS", 4),
        pauses=number("PAUSES", 0),
        network_faults=number("NETWORK_FAULTS", 0),
        chain_faults=number("CHAIN_FAULTS", 10),
        lies=number("LIES", 0),
        restores=number("RESTORES", 0),
        copy_seconds=number("COPY_SECONDS", 10),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingSize:
    """The size of a run that restarts and kills replicas: its seconds, and requests a second."""

    seconds: int
    per_second: int


def rolling_size() -> RollingSize:
    """Return the size of the run with restarts: ROLLING_SECONDS, ROLLING_PER_SECOND."""
    return RollingSize(
        seconds=int(os.environ.get("ROLLING_SECONDS", "0")),
        per_second=int(os.environ.get("ROLLING_PER_SECOND", "20")),
    )


def earlier_checkout() -> Path:
    """Return the folder of the version to update from: FROM. Raises: KeyError: it is not set."""
    return Path(os.environ["FROM"]).resolve()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhooksSize:
    """The size of a run of webhooks: events to three endpoints, and replicas killed meanwhile."""

    events: int
    kills: int


def webhooks_size() -> WebhooksSize:
    """Return the size of the proof of webhooks: WEBHOOK_EVENTS, WEBHOOK_KILLS."""
    return WebhooksSize(
        events=int(os.environ.get("WEBHOOK_EVENTS", "400")),
        kills=int(os.environ.get("WEBHOOK_KILLS", "2")),
    )
