"""nats-server from its wheel. JetStream acknowledges a message only when it is on disk.

With users, the server refuses everybody else. Without users, it is a server for tests that
everybody on this machine can use.
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

# By default JetStream syncs every two minutes, and a power cut loses acknowledged messages.
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
    """One server. home: the folder of its configuration and store. monitor_port: None: no monitor.

    users: returns the users, called at each start; None: everybody on this machine is admitted.
    tls: the server's certificate; None: no TLS.
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
        """Start or restart the server on its streams. Does not wait until it is ready."""
        command = Command(
            name="nats",
            argv=[executable(), "-c", str(self.configure())],
            # One thread: in an idle server, threads that look for work would cost more than the
            # work.
            environment={"PATH": os.defpath, "GOMAXPROCS": "1"},
        )
        self._process = Process(command, self.log_folder / "nats.log")

    def configure(self) -> Path:
        """Write the configuration with the passwords; returns its path.

        A running server reads the configuration again when it gets SIGHUP.
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
        """Return whether the server greets a client now."""
        return greeting(self.port).startswith(b"INFO ")

    def stop(self) -> int:
        """Stop the server and return its exit code."""
        return self.process.stop()

    def kill(self) -> int:
        """Kill the server at once (SIGKILL)."""
        return self.process.kill()


def executable() -> str:
    """Return the wheel's nats-server: beside the interpreter, or else on the PATH."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise RuntimeError("nats-server is not installed; run `make setup`")
    return found
