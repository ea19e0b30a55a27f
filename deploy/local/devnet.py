"""The local Stellar network as a child process, and the settings it reports."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from deploy.local.ports import HOST
from deploy.local.process import Command, Process, python_module
from deploy.local.settings import ROOT


@dataclass(slots=True, kw_only=True)
class Devnet:
    """One devnet. home: the folder of its ledger. environment: its other settings.

    is_forked: see `Command`.
    """

    home: Path
    port: int
    log_folder: Path
    environment: Mapping[str, str]
    is_forked: bool = False
    _process: Process | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """The base URL of all its APIs."""
        return f"http://{HOST}:{self.port}"

    @property
    def process(self) -> Process:
        """The running devnet.

        Raises: RuntimeError: it was not started.
        """
        if self._process is None:
            raise RuntimeError("devnet was not started")
        return self._process

    def command(self) -> Command:
        """Return the command that starts the process."""
        own = {
            "DEVNET_HOST": HOST,
            "DEVNET_PORT": str(self.port),
            "DEVNET_DATA_DIR": str(self.home),
        }
        return Command(
            name="devnet",
            argv=python_module("devnet"),
            environment={**self.environment, **own},
            folder=ROOT,
            is_forked=self.is_forked,
        )

    def start(self) -> None:
        """Start or restart the process on its ledger. Does not wait until it is ready."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._process = Process(self.command(), self.log_folder / "devnet.log")

    def wait_ready(self, *, timeout_seconds: float = 60) -> None:
        """Wait until the devnet answers.

        Raises: NotReadyError.
        """
        self.process.wait_until(self.is_ready, timeout_seconds=timeout_seconds)

    def is_ready(self) -> bool:
        """Return whether the devnet answers now."""
        return bool(network_info(self.url))

    def stop(self) -> int:
        """Stop the process and return its exit code."""
        return self.process.stop()

    def kill(self) -> int:
        """Kill the process at once (SIGKILL)."""
        return self.process.kill()


def network_info(url: str) -> dict[str, Any]:
    """Return `GET /network-info` of a devnet (issuer, factory …); empty if it does not answer."""
    try:
        with urllib.request.urlopen(f"{url}/network-info", timeout=2) as answer:  # noqa: S310 - http
            document: dict[str, Any] = json.load(answer)
            return document
    except (urllib.error.URLError, HTTPException, OSError, ValueError):
        # HTTPException: a connection to a free ephemeral port can connect to itself.
        return {}
