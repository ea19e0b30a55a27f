"""Probes each node of a network by itself: what it is, what it keeps, what it reports."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from stellar_sdk import Asset, scval

from kernel.errors import DomainError
from services.escrow.contracts.evidence import NodeView
from services.escrow.ports import StellarOptions
from services.escrow.stellar.http import Http
from services.escrow.stellar.rpc import Rpc

# By CAP-67 every fee is an event, on nodes that also report events outside contract calls.
FEE_TOPICS = ((scval.to_symbol("fee").to_xdr(), "*"),)
# This many ledgers are searched for a transaction.
SEARCHED_LEDGERS = 1_000


class Probes:
    """Asks every node of a list, although other requests use only the first one that is well."""

    def __init__(self, *, options: StellarOptions, http: Http) -> None:
        urls = (options.rpc_url, *options.spare_rpc_urls)
        self._rpcs = {
            f"node {place} ({urlsplit(url).netloc.rpartition('@')[2]})": Rpc(
                options=replace(options, rpc_url=url, spare_rpc_urls=(), read_attempts=1),
                http=http,
            )
            for place, url in enumerate(urls, start=1)
        }

    async def nodes(self) -> Sequence[NodeView]:
        """Probe all nodes at the same time."""
        return await asyncio.gather(*(self._node(*each) for each in self._rpcs.items()))

    async def _node(self, name: str, rpc: Rpc) -> NodeView:
        try:
            network, health = await rpc.network(), await rpc.health()
            latest = await rpc.latest_ledger()
            # Not the oldest ledgers, which the node may forget meanwhile.
            searched = min(SEARCHED_LEDGERS, health.ledger_retention_window // 2)
            return NodeView(
                name=name,
                passphrase=network.passphrase,
                protocol=network.protocol_version,
                oldest=health.oldest_ledger,
                latest=latest.sequence,
                kept=health.ledger_retention_window,
                closed_at=latest.close_time,
                tells_payments=await _tells_payments(
                    rpc,
                    passphrase=network.passphrase,
                    first=max(health.oldest_ledger, latest.sequence - searched),
                ),
            )
        except DomainError as error:
            return NodeView(name=name, why=error.message)


async def _tells_payments(rpc: Rpc, *, passphrase: str, first: int) -> bool | None:
    """Tell whether a node reports the fees of its transactions, from a ledger on.

    Raises: ChainUnavailable; ChainRefused.
    """
    lumens = Asset.native().contract_id(passphrase)
    fees = await rpc.events(
        contract_id=lumens, topics=FEE_TOPICS, start_ledger=first, cursor=None, limit=1
    )
    if fees.events:
        return True
    landed = await rpc.transactions(start_ledger=first, cursor=None, limit=1)
    return False if landed.count else None
