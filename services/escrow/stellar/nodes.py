"""Several nodes of one network, in order: the first one that is well is asked.

A node that fails rests for some seconds, and so does a node of another network or one that lags
behind the others. Each node is checked from time to time, so that the first one is used again when
it is well.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chassis.telemetry import logger
from chassis.watched import Watched

LOOK_SECONDS = 10.0
REST_SECONDS = 10.0
# How many ledgers a node may lag behind the newest before another node is preferred.
LAG_LEDGERS_MAX = 3
# The newest protocol whose XDR our SDK parses in full.
NEWEST_PROTOCOL = 28
Headers = Mapping[str, Mapping[str, str]]
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a node reports about itself. oldest, latest: the ledgers that it keeps."""

    passphrase: str
    protocol: int
    oldest: int
    latest: int


@dataclass(slots=True, eq=False, kw_only=True)
class Node:
    """A node, and what is known of it. why: why it is not asked, "" if it may be asked."""

    url: str
    why: str = ""
    rests_until: float = 0.0
    oldest: int = 0
    latest: int = 0


class Nodes:
    """Chooses the node to ask.

    look: asks a node for its health; raises ChainUnavailable or others.
    """

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
        """Tell whether there is more than one node."""
        return len(self._nodes) > 1

    def of_network(self) -> Sequence[Node]:
        """Return the nodes that are not known to be of another network, in order."""
        return [node for node in self._nodes if not node.why]

    def headers_of(self, node: Node) -> Mapping[str, str]:
        """Return the headers that a node requires, such as a key. No other node gets them."""
        return self._headers().get(node.url, {})

    async def choose(self, *, ledger: int | None = None) -> Node:
        """Return the first node that is well; ledger: preferably a node that still keeps it.

        Before the first choice all nodes are checked, so that one of another network is never
        asked.
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
        # If no node is well, take the node of this network that has rested longest.
        resting = [node for node in self._nodes if not node.why] or self._nodes
        return min(resting, key=lambda node: node.rests_until)

    def failed(self, node: Node) -> None:
        """Let a node rest because it did not answer."""
        node.rests_until = asyncio.get_running_loop().time() + REST_SECONDS

    def read(self, node: Node, health: Health) -> None:
        """Record what a node reports about itself; log changes."""
        before, node.why = node.why, ""
        node.oldest, node.latest = health.oldest, health.latest
        if health.passphrase != self._passphrase:
            node.why = f"it is of the network {health.passphrase[:60]!r}"
            if node.why != before:
                log.error("node.not_used", node=node.url, why=node.why)
        self.check_protocol(health.protocol)

    def check_protocol(self, protocol: int) -> None:
        """Log once if the network uses a newer protocol than our SDK knows.

        Most of a newer protocol can be parsed. What cannot be parsed waits.
        """
        if protocol > max(NEWEST_PROTOCOL, self._newer_protocol):
            self._newer_protocol = protocol
            log.error("node.newer_protocol", protocol=protocol, known=NEWEST_PROTOCOL)

    async def look(self) -> None:
        """Check all nodes at the same time; log changes."""
        await asyncio.gather(*(self._look_at_one(node) for node in self._nodes))

    async def _look_at_one(self, node: Node) -> None:
        try:
            self.read(node, await self._look(node))
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are asked
            self.failed(node)
            log.warning("node.not_well", node=node.url, why=str(error)[:200])


def no_headers() -> Headers:
    """Return the headers for nodes that require none."""
    return {}


def headers_in(path: Path) -> Callable[[], Headers]:
    """Read headers from a file, again when it changes: lines of `URL Name: value`.

    Raises: OSError; ValueError: a line has another form.
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
            # The message leaves out the line, because it holds a key.
            raise ValueError(f"line {number} must be a URL, a space, and a header `Name: value`")
        found.setdefault(url, {})[name.strip()] = value.strip()
    return found
