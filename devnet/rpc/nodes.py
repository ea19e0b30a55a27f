"""The network's nodes: the usual one, and others that lag, keep less, or differ otherwise."""

import re

from starlette.requests import Request
from starlette.responses import Response

from devnet.chain import rules
from devnet.faults import Faults
from devnet.network.identity import Identity
from devnet.network.ledger import Ledger
from devnet.network.node import LaggingNode, Node, ShortNode
from devnet.rpc.event_methods import EventMethods
from devnet.rpc.ledger_methods import LedgerMethods
from devnet.rpc.network_methods import NetworkMethods
from devnet.rpc.server import RpcServer
from devnet.rpc.transaction_methods import TransactionMethods

NAME = re.compile(r"(?P<kind>behind|short|protocol)-(?P<number>[1-9][0-9]{0,3})|quiet")
NODES_MAX = 8
NOT_FOUND = 404


class Nodes:
    """Answers for every node. A node is created at its first request."""

    def __init__(
        self, *, ledger: Ledger, identity: Identity, faults: Faults, friendbot_url: str
    ) -> None:
        self._ledger = ledger
        self._identity = identity
        self._faults = faults
        self._friendbot_url = friendbot_url
        self._others: dict[str, RpcServer] = {}
        self.usual = self._server(ledger)

    async def handle(self, request: Request) -> Response:
        """Answer for a node by its name.

        `behind-N` is N ledgers late, `short-N` keeps transactions and events of N ledgers,
        `protocol-N` reports that protocol of the network, `quiet` has no classic events.
        """
        name = request.path_params["name"]
        found = NAME.fullmatch(name)
        if found is None or (name not in self._others and len(self._others) == NODES_MAX):
            return Response("no such node", status_code=NOT_FOUND)
        if name not in self._others:
            number = int(found["number"] or 0)
            match found["kind"]:
                case "behind":
                    made = self._server(LaggingNode(self._ledger, behind=number))
                case "short":
                    made = self._server(ShortNode(self._ledger, retention=number))
                case "protocol":
                    made = self._server(self._ledger, protocol=number)
                case _:
                    made = self._server(self._ledger, has_classic_events=False)
            self._others[name] = made
        return await self._others[name].handle(request)

    def _server(
        self,
        node: Node,
        *,
        has_classic_events: bool = True,
        protocol: int = rules.PROTOCOL_VERSION,
    ) -> RpcServer:
        network = NetworkMethods(
            ledger=node,
            identity=self._identity,
            faults=self._faults,
            friendbot_url=self._friendbot_url,
            protocol=protocol,
        )
        transactions = TransactionMethods(ledger=node, faults=self._faults)
        events = EventMethods(ledger=node, has_classic_events=has_classic_events)
        # Short nodes read old ledgers from an archive. Source: stellar-rpc,
        # SERVE_LEDGERS_FROM_DATASTORE.
        is_short = isinstance(node, ShortNode)
        ledgers = LedgerMethods(ledger=self._ledger if is_short else node)
        methods = network.table() | ledgers.table() | transactions.table() | events.table()
        return RpcServer(methods=methods, faults=self._faults)
