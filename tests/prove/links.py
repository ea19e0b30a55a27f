"""Every link between two parts of a stack, each through a proxy that can be made faulty."""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from deploy.local.ports import HOST
from deploy.local.process import python_module
from deploy.local.settings import PORTS, ROOT, child_environment
from tests.prove.proxy import Mode

# The calls between programs in ARCHITECTURE.md, and the servers that each program needs.
LINKS: tuple[tuple[str, str], ...] = (
    ("gateway", "orders"),
    ("gateway", "ledger"),
    ("gateway", "escrow"),
    ("gateway", "disputes"),
    ("gateway", "webhooks"),
    ("gateway", "postgres"),
    ("gateway", "nats"),
    ("orders", "ledger"),
    ("orders", "escrow"),
    ("orders", "disputes"),
    ("orders", "postgres"),
    ("orders", "nats"),
    ("ledger", "postgres"),
    ("ledger", "nats"),
    ("escrow", "postgres"),
    ("escrow", "nats"),
    ("escrow", "devnet"),
    ("disputes", "postgres"),
    ("disputes", "nats"),
    ("webhooks", "postgres"),
    ("webhooks", "nats"),
)


def name_of(link: tuple[str, str]) -> str:
    """Spell a link as the setting LINKS does."""
    return ">".join(link)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The running proxies. addresses: where each link listens, by its name."""

    addresses: Mapping[str, str]
    _input: IO[bytes] = field(repr=False)
    _output: IO[bytes] = field(repr=False)

    @property
    def setting(self) -> str:
        """The value of LINKS that makes a stack use them."""
        return ",".join(f"{name}={address}" for name, address in self.addresses.items())

    def turn(self, link: str, mode: Mode, *, milliseconds: float = 0.0) -> None:
        """Make a link good or bad."""
        order = {"link": link, "mode": mode, "milliseconds": milliseconds}
        self._input.write(json.dumps(order).encode() + b"\n")
        self._input.flush()
        self._output.readline()

    def heal(self) -> None:
        """Make every link good."""
        for name in self.addresses:
            self.turn(name, Mode.PASS)


@contextlib.contextmanager
def proxies(
    *, port_base: int, more: Mapping[str, int], also: Mapping[str, list[str]] | None = None
) -> Iterator[Proxies]:
    """Run a proxy for every link of the stack at a row of ports, for the block.

    more: the ports of second replicas, by part. also: further links by name, with their targets.
    """
    targets = {
        name_of((caller, peer)): [
            f"{HOST}:{port_base + PORTS.index(peer)}",
            *([f"{HOST}:{more[peer]}"] if peer in more else []),
        ]
        for caller, peer in LINKS
    } | dict(also or {})
    with subprocess.Popen(
        python_module("tests.prove.proxy", json.dumps(targets)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=child_environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Proxies(json.loads(process.stdout.readline()), process.stdin, process.stdout)
        finally:
            process.stdin.close()
            process.wait(10)
