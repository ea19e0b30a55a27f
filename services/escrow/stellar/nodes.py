"""Several nodes of one network, in order: the first that is well is asked.

A node that fails rests for some seconds, and so does one that is of another network or lags behind
the others. Each is looked at from time to time, so that the first is used again when it is well.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chassis.telemetry import logger
from chassis.watched import Watched

LOOK_SECONDS = 10.0
REST_SECONDS = 10.0
# How many ledgers behind the newest a node may be before another is preferred.
LAG_LEDGERS_MAX = 3
# The newest protocol whose XDR our SDK reads in full.
NEWEST_PROTOCOL = 28
Headers = Mapping[str, Mapping[str, str]]
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a node says of itself. oldest, latest: the ledgers that it keeps."""

    passphrase: str
    protocol: int
    oldest: int
    latest: int


@dataclass(slots=True, eq=False, kw_only=True)
class Node:
    """A node, and what is known of it. why: it is not asked, "" where it is well."""

    url: str
    why: str = ""
    rests_until: float = 0.0
    oldest: int = 0
    latest: int = 0


class Nodes:
    """Chooses the node to ask. look: asks a node how it is; raises ChainUnavailable or others."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        passphrase: str,
        look: Callable[[Node], Awaitable[Health]],
        headers: Callable[[], Headers],
    ) -> None:
        self._nodes = [Node(url=url) for url in urls]
        self._passphrase = passphrase
        self._look = look
        self._headers = headers
        self._look_at = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._newer_protocol = 0

    @property
    def has_several(self) -> bool:
        """Tell whether there is a choice."""
        return len(self._nodes) > 1

    def of_network(self) -> Sequence[Node]:
        """Return the nodes that are not known to be of another network, in order."""
        return [node for node in self._nodes if not node.why]

    def headers_of(self, node: Node) -> Mapping[str, str]:
        """Return what a node must be shown, such as a key; no other node sees it."""
        return self._headers().get(node.url, {})

    async def choose(self, *, ledger: int | None = None) -> Node:
        """Return the first node that is well; ledger: preferably one that still keeps it.

        Before the first choice all are looked at: one of another network is never asked.
        """
        now, is_first = asyncio.get_running_loop().time(), self._looking is None
        if self.has_several and now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._looking = asyncio.create_task(self.look(), name="nodes")
        if is_first and self._looking is not None:
            await asyncio.shield(self._looking)
        well = [node for node in self._nodes if not node.why and node.rests_until <= now]
        newest = max((node.latest for node in well), default=0)
        fresh = [node for node in well if newest - node.latest <= LAG_LEDGERS_MAX]
        keeping = [node for node in fresh if ledger is None or 0 < node.oldest <= ledger]
        if keeping or fresh:
            return (keeping or fresh)[0]
        # None is well: the one of this network that has rested longest.
        resting = [node for node in self._nodes if not node.why] or self._nodes
        return min(resting, key=lambda node: node.rests_until)

    def failed(self, node: Node) -> None:
        """Let a node rest that did not answer."""
        node.rests_until = asyncio.get_running_loop().time() + REST_SECONDS

    def read(self, node: Node, health: Health) -> None:
        """Note what a node says of itself; changes are logged."""
        before, node.why = node.why, ""
        node.oldest, node.latest = health.oldest, health.latest
        if health.passphrase != self._passphrase:
            node.why = f"it is of the network {health.passphrase[:60]!r}"
            if node.why != before:
                log.error("node.not_used", node=node.url, why=node.why)
        self.check_protocol(health.protocol)

    def check_protocol(self, protocol: int) -> None:
        """Say once if the network speaks a newer protocol than we know.

        Most of it is as before; what is not cannot be read, and waits.
        """
        if protocol > max(NEWEST_PROTOCOL, self._newer_protocol):
            self._newer_protocol = protocol
            log.error("node.newer_protocol", protocol=protocol, known=NEWEST_PROTOCOL)

    async def look(self) -> None:
        """Look at every node at once; changes are logged."""
        await asyncio.gather(*(self._look_at_one(node) for node in self._nodes))

    async def _look_at_one(self, node: Node) -> None:
        try:
            self.read(node, await self._look(node))
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are asked
            self.failed(node)
            log.warning("node.not_well", node=node.url, why=str(error)[:200])


def no_headers() -> Headers:
    """Return the headers of nodes that want none."""
    return {}


def headers_in(path: Path) -> Callable[[], Headers]:
    """Read headers from a file, again when it changes: lines of `URL Name: value`.

    Raises: OSError; ValueError: a line is none.
    """
    return Watched([path], _headers_of).current


def _headers_of(contents: Sequence[bytes]) -> Headers:
    [raw] = contents
    found: dict[str, dict[str, str]] = {}
    for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), start=1):
        if not line.strip():
            continue
        url, _, header = line.partition(" ")
        name, colon, value = header.partition(":")
        if not colon or not name.strip() or not value.strip() or not value.strip().isprintable():
            # Without the line: it holds a key.
            raise ValueError(f"line {number} must be a URL, a space, and a header `Name: value`")
        found.setdefault(url, {})[name.strip()] = value.strip()
    return found
