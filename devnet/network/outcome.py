"""The effects of applying one transaction: its result, its events, its fees."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from stellar_sdk import xdr

from devnet.chain import fees
from devnet.chain.envelope import Envelope
from devnet.chain.events import encoded as encoded_event
from devnet.network.meta import transaction_events, transaction_meta


@dataclass(slots=True)
class Bill:
    """The resource fee of a contract transaction, in stroops.

    refundable: the most that rent and events may cost; the unused part is refunded.
    """

    non_refundable: int
    refundable: int
    rent: int = 0
    events: int = 0

    @classmethod
    def of(cls, envelope: Envelope) -> "Bill":
        """Begin the bill of a valid contract transaction."""
        fixed = fees.non_refundable(fees.of_envelope(envelope))
        return cls(fixed, envelope.resource_fee - fixed)

    def take(self, *, rent: int, events: int) -> bool:
        """Charge rent and events. Returns: whether the declared fee is enough."""
        self.rent, self.events = rent, events
        return rent + events <= self.refundable

    @property
    def refund(self) -> int:
        """The part of the fee that is refunded."""
        return self.refundable - self.rent - self.events

    def meta(self) -> xdr.SorobanTransactionMetaExt:
        """Return the bill in the form of a transaction's meta."""
        paid = xdr.SorobanTransactionMetaExtV1(
            ext=xdr.ExtensionPoint(0),
            total_non_refundable_resource_fee_charged=xdr.Int64(self.non_refundable),
            total_refundable_resource_fee_charged=xdr.Int64(self.rent + self.events),
            rent_fee_charged=xdr.Int64(self.rent),
        )
        return xdr.SorobanTransactionMetaExt(1, v1=paid)


@dataclass(kw_only=True)
class Outcome:
    """The effects of applying a transaction.

    value: what the contract call returned, as XDR. operation_events: one list per operation. bid:
    what each operation was charged for inclusion. refund_event: about the refunded part of the
    bill. The changes of entries are empty unless the network shows them.
    """

    envelope: Envelope
    result: xdr.TransactionResult
    successful: bool = False
    value: bytes | None = None
    operation_events: Sequence[Sequence[xdr.ContractEvent]] = ()
    fee_event: xdr.ContractEvent | None = None
    refund_event: xdr.ContractEvent | None = None
    diagnostics: Sequence[xdr.DiagnosticEvent] = ()
    bill: Bill | None = None
    bid: int = 0
    fee_changes: list[xdr.LedgerEntryChange] = field(default_factory=list)
    operation_changes: Sequence[list[xdr.LedgerEntryChange]] = ()
    refund_changes: list[xdr.LedgerEntryChange] = field(default_factory=list)

    def give_back(self, refund: int) -> None:
        """Subtract a refund from the fee that the result shows."""
        charged = self.result.fee_charged.int64 - refund
        self.result.fee_charged = xdr.Int64(charged)

    def meta(self) -> bytes:
        """Build the transaction's meta, version 4, as XDR."""
        return transaction_meta(
            value=self.value,
            fee_changes=self.fee_changes,
            operation_changes=self.operation_changes,
            refund_changes=self.refund_changes,
            operation_events=self.encoded_events,
            transaction_events=self.transaction_events,
            diagnostics=[event.to_xdr_bytes() for event in self.diagnostics],
            bill=None if self.bill is None else self.bill.meta(),
        )

    @cached_property
    def encoded_events(self) -> Sequence[Sequence[bytes]]:
        """The operations' events as XDR."""
        return [encoded(emitted) for emitted in self.operation_events]

    @cached_property
    def transaction_events(self) -> Sequence[bytes]:
        """The events of the transaction as a whole as XDR."""
        return transaction_events(self.fee_event, self.refund_event)


def encoded(events: Sequence[xdr.ContractEvent]) -> list[bytes]:
    """Return events as XDR."""
    return [encoded_event(event) for event in events]
