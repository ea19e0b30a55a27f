"""nats-server from its wheel; JetStream acknowledges only what is on disk.

With users it refuses all others; without, it is a server for tests, open to this machine.
"""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.authority import Files
from deploy.local.credentials import write_private
from deploy.local.nats_users import NatsUser
from deploy.local.nats_users import configuration as users_of
from deploy.local.ports import HOST, greeting
from deploy.local.process import Command, Process

# JetStream syncs every two minutes by default, and loses acknowledged messages at a power cut.
_CONFIGURATION = """\
listen: "{host}:{port}"
{monitor}
max_payload: 1MB
jetstream {{
  store_dir: "{store}"
  sync_interval: always
}}
{tls}{users}"""
_TLS = """\
tls {{
  cert_file: "{files.certificate}"
  key_file: "{files.key}"
}}
"""


@dataclass(slots=True, kw_only=True)
class NatsServer:
    """One server. home: its configuration and store. monitor_port: None for no HTTP monitor.

    users: who may come, asked for at each start; None: anybody on this machine. tls: its
    certificate; None: plain text.
    """

    home: Path
    port: int
    log_folder: Path
    monitor_port: int | None = None
    users: Callable[[], Sequence[NatsUser]] | None = None
    tls: Files | None = None
    _process: Process | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """The URL for clients, without a user."""
        return f"{'nats' if self.tls is None else 'tls'}://{HOST}:{self.port}"

    @property
    def process(self) -> Process:
        """The running server.

        Raises: RuntimeError: it was not started.
        """
        if self._process is None:
            raise RuntimeError("nats-server was not started")
        return self._process

    def start(self) -> None:
        """Start or restart the server on its streams; does not wait until it is ready."""
        command = Command(
            name="nats",
            argv=[executable(), "-c", str(self.configure())],
            # Its threads look for each other's work, which takes an idle server more than the work.
            environment={"PATH": os.defpath, "GOMAXPROCS": "1"},
        )
        self._process = Process(command, self.log_folder / "nats.log")

    def configure(self) -> Path:
        """Write the configuration with the passwords; returns its path.

        A running server reads it again when it gets SIGHUP.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        monitor = "" if self.monitor_port is None else f'http: "{HOST}:{self.monitor_port}"'
        text = _CONFIGURATION.format(
            host=HOST,
            port=self.port,
            monitor=monitor,
            store=self.home / "jetstream",
            tls="" if self.tls is None else _TLS.format(files=self.tls),
            users="" if self.users is None else users_of(self.users()),
        )
        path = self.home / "nats.conf"
        write_private(path, text)
        return path

    def wait_ready(self, *, timeout_seconds: float = 60) -> None:
        """Wait until the server greets clients.

        Raises: NotReadyError.
        """
        self.process.wait_until(self.is_ready, timeout_seconds=timeout_seconds)

    def is_ready(self) -> bool:
        """Tell whether the server greets a client now."""
        return greeting(self.port).startswith(b"INFO ")

    def stop(self) -> int:
        """Stop the server and return its exit code."""
        return self.process.stop()

    def kill(self) -> int:
        """End the server as `kill -9` does."""
        return self.process.kill()


def executable() -> str:
    """Return the wheel's nats-server: beside the interpreter, else on the path."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise RuntimeError("nats-server is not installed; run `make setup`")
    return found
