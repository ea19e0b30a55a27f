"""The project's own programs as parts of the stack, and probes of their readiness."""

import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.ports import HOST
from deploy.local.process import Command, Process
from deploy.local.settings import ROOT

PROBE_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class Program:
    """`python -m <module>` with its settings. ready: returns whether the program can serve.

    is_forked: see `Command`. folder: the checkout that it runs from. python: its interpreter.
    """

    name: str
    module: str
    environment: Mapping[str, str]
    log_folder: Path
    ready: Callable[[], bool]
    is_forked: bool = False
    folder: Path = ROOT
    python: str = sys.executable
    _process: Process | None = field(default=None, init=False)

    @property
    def process(self) -> Process:
        """The running program.

        Raises: RuntimeError: it was not started.
        """
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    def start(self) -> None:
        """Start the program. Does not wait until it is ready."""
        command = Command(
            name=self.name,
            argv=[self.python, "-m", self.module],
            environment=self.environment,
            folder=self.folder,
            is_forked=self.is_forked,
        )
        self._process = Process(command, self.log_folder / f"{self.name}.log")

    def wait_ready(self, *, timeout_seconds: float = 60) -> None:
        """Wait until the program serves.

        Raises: NotReadyError.
        """
        self.process.wait_until(self.ready, timeout_seconds=timeout_seconds)

    def is_ready(self) -> bool:
        """Return whether the program can serve now."""
        return self.ready()


def grpc_ready(port: int) -> Callable[[], bool]:
    """Return a probe of the standard gRPC health service."""

    def probe() -> bool:
        with grpc.insecure_channel(f"{HOST}:{port}") as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(), timeout=PROBE_SECONDS
                )
            except grpc.RpcError:
                return False
        serving: bool = answer.status == health_pb2.HealthCheckResponse.SERVING
        return serving

    return probe


def http_ready(url: str) -> Callable[[], bool]:
    """Return a probe that expects status 200 from a URL."""

    def probe() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=PROBE_SECONDS) as answer:  # noqa: S310 - http
                return bool(answer.status == 200)  # noqa: PLR2004 - OK
        except (urllib.error.URLError, HTTPException, OSError):
            return False

    return probe
