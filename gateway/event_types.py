"""The events that the contracts declare: their types, their aggregates, and their payloads.

A payload is a message of a service's events.proto. Its name gives the type: OrderCreatedEvent is
order.created.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FileDescriptor
from orchestrator.disputes.v1 import events_pb2 as disputes
from orchestrator.escrow.v1 import events_pb2 as escrow
from orchestrator.ledger.v1 import events_pb2 as ledger
from orchestrator.orders.v1 import events_pb2 as orders
from orchestrator.webhooks.v1 import events_pb2 as webhooks

from chassis.events import is_typed

# The aggregate type of each family of events.
_AGGREGATES: Mapping[str, str] = {
    "order": "Order",
    "escrow": "Escrow",
    "balance": "Balance",
    "dispute": "Dispute",
    "offer": "Offer",
    "user": "User",
    "wallet": "Wallet",
    "withdrawal": "Withdrawal",
    "webhook": "Webhook",
}
# Types whose aggregate differs from that of their family.
_OTHERS: Mapping[str, str] = {"escrow.deposit_confirmed": "Deposit"}
_CONTRACTS: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR for module in (orders, escrow, ledger, disputes, webhooks)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A type of events. aggregate_type: what its events are about."""

    type: str
    aggregate_type: str
    payload: Descriptor

    @property
    def family(self) -> str:
        """The first token of the type, which filters use."""
        return self.type.partition(".")[0]


def _declared(contract: FileDescriptor) -> list[Declared]:
    """Read a contract. A name that starts with no family belongs to its service's own family."""
    found = []
    for message in contract.message_types_by_name.values():
        words = re.sub(r"(?<!^)([A-Z])", r"_\1", message.name.removesuffix("Event")).lower()
        family, _, rest = words.partition("_")
        if family not in _AGGREGATES:
            family, rest = contract.package.split(".")[1], words
        name = f"{family}.{rest}"
        about = _OTHERS.get(name, _AGGREGATES[family])
        found.append(Declared(type=name, aggregate_type=about, payload=message))
    return found


DECLARED: Mapping[str, Declared] = {
    one.type: one for contract in _CONTRACTS for one in _declared(contract)
}
AGGREGATE_TYPES = tuple(dict.fromkeys([*_AGGREGATES.values(), *_OTHERS.values()]))


def names(patterns: Collection[str], aggregate_types: Collection[str]) -> tuple[str, ...] | None:
    """Return the types that match the patterns (names, family.*) and the aggregate types.

    An empty collection matches all. A pattern that is not declared here is kept, because a service
    may be newer than this program. None: every type matches, declared or not.
    """
    if not patterns and not aggregate_types:
        return None
    found = {
        one.type
        for one in DECLARED.values()
        if is_typed(one.type, patterns)
        and (not aggregate_types or one.aggregate_type in aggregate_types)
    }
    if not aggregate_types:
        found |= {one for one in patterns if not one.endswith(".*")}
    return tuple(sorted(found))
