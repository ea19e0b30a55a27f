"""Simulation: what a contract transaction would do on the last ledger, and what it needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from stellar_sdk import xdr

from devnet.chain import fees, keys
from devnet.chain.addresses import contract_text, present
from devnet.chain.envelope import Envelope, operation_source
from devnet.chain.events import encoded
from devnet.chain.joining import number
from devnet.chain.state import Readable, View
from devnet.chain.validity import SOROBAN
from devnet.network.contracts import change_lifetimes, disk_bytes, rent_of
from devnet.soroban.errors import HostError, spell
from devnet.soroban.invoke import Environment, Invocation, enforce, record

INSTRUCTIONS = 2_000_000
"""What every call declares: nothing is metered here."""
TRANSACTION_BYTES_RESERVE = 500
SUCCEEDS = number(1)
"""Stands before the event in a diagnostic event."""


class SimulationError(ValueError):
    """The transaction cannot be simulated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The answer.

    error and failure: the host's message and its error; if they are set, only events are set too.
    resource_fee: stroops. answer and events are XDR; footprint operations have no answer.
    """

    error: str | None = None
    failure: HostError | None = None
    data: xdr.SorobanTransactionData | None = None
    resource_fee: int = 0
    answer: bytes | None = None
    auth: Sequence[xdr.SorobanAuthorizationEntry] = ()
    events: Sequence[bytes] = ()


def simulate(
    envelope: Envelope,
    *,
    ledger: Readable,
    sequence: int,
    environment: Environment,
    auth_mode: str | None,
) -> Simulation:
    """Simulate a transaction of one contract operation.

    sequence: the ledger that would include it. auth_mode: None decides by whether entries are
    present.
    Raises: SimulationError: it has no contract operation, or more than one operation.
    """
    operations = envelope.tx.operations
    if len(operations) != 1 or operations[0].body.type not in SOROBAN:
        raise SimulationError("Transaction contains more than one operation or is not a contract's")
    call = operations[0].body.invoke_host_function_op
    if call is None:
        return _of_footprint(envelope, ledger, sequence, environment)
    enforcing = auth_mode == "enforce" or (auth_mode is None and bool(call.auth))
    if auth_mode is not None and not enforcing and call.auth:
        raise SimulationError("cannot set authMode to record with existing authorization entries")
    source = operation_source(operations[0], envelope)
    if enforcing:
        done = enforce(
            call,
            source=source,
            ledger=ledger,
            sequence=sequence,
            environment=environment,
            declared=None,
        )
    else:
        done = record(
            call, source=source, ledger=ledger, sequence=sequence, environment=environment
        )
    if done.error is not None:
        return _failed(done)
    return _succeeded(done, envelope, ledger, environment)


def _failed(done: Invocation) -> Simulation:
    lines = [f"HostError: {done.error}", "", "Event log (newest first):"]
    for place, item in enumerate(reversed(done.diagnostics)):
        lines.append(f"   {place}: {_describe(item.event)}")
    text = "\n".join(lines) + "\n"
    events = [event.to_xdr_bytes() for event in done.diagnostics]
    return Simulation(error=text, failure=done.error, events=events)


def _describe(event: xdr.ContractEvent) -> str:
    body = present(event.body.v0)
    contract = contract_text(present(event.contract_id).contract_id.hash)
    error = spell(present(body.topics[1].error))
    note = present(body.data.str).sc_string.decode()
    return f'[Diagnostic Event] contract:{contract}, topics:[error, {error}], data:"{note}"'


def _succeeded(
    done: Invocation, envelope: Envelope, ledger: Readable, environment: Environment
) -> Simulation:
    written, restored = list(done.view.written), done.view.restored
    read = [key for key in done.view.read if key not in done.view.written]
    entries = [done.view.changes.get(key) for key in written]
    data = _data(
        xdr.LedgerFootprint(
            read_only=[keys.parse(key) for key in read],
            read_write=[keys.parse(key) for key in written],
        ),
        disk_bytes=disk_bytes(done.view, ledger),
        write_bytes=sum(fees.size(entry) for entry in entries if entry is not None),
    )
    if restored:
        # CAP-66: an archived entry is named by its index among the written entries.
        places = [xdr.Uint32(place) for place, key in enumerate(written) if key in restored]
        extension = xdr.SorobanResourcesExtV0(places)
        data.ext = xdr.SorobanTransactionDataExt(1, resource_ext=extension)
    answer = present(done.value).to_xdr_bytes()
    # Each as a diagnostic event of a successful call.
    events = [SUCCEEDS + encoded(event) for event in done.events]
    told = len(answer) + sum(len(event) - len(SUCCEEDS) for event in events)
    fee = _price(
        data,
        envelope,
        extra_bytes=sum(len(entry.to_xdr_bytes()) for entry in done.auth),
        refundable=rent_of(done.view, ledger, environment) + fees.of_events(told),
    )
    return Simulation(
        data=data,
        resource_fee=fee,
        answer=answer,
        auth=done.auth,
        events=events,
    )


def _of_footprint(
    envelope: Envelope, ledger: Readable, sequence: int, environment: Environment
) -> Simulation:
    """Simulate an extension or a restoration of the entries that the transaction declares."""
    footprint = present(envelope.soroban_data).resources.footprint
    view = View(ledger, sequence=sequence)
    body = envelope.tx.operations[0].body
    change_lifetimes(body, footprint, view, environment.lifetimes)
    restored = 0
    if body.extend_footprint_ttl_op is None:
        restored = sum(fees.size(entry) for entry in view.changes.values() if entry is not None)
    data = _data(footprint, disk_bytes=restored, write_bytes=restored)
    fee = _price(data, envelope, extra_bytes=0, refundable=rent_of(view, ledger, environment))
    return Simulation(data=data, resource_fee=fee)


def _data(
    footprint: xdr.LedgerFootprint, *, disk_bytes: int, write_bytes: int
) -> xdr.SorobanTransactionData:
    resources = xdr.SorobanResources(
        footprint=footprint,
        instructions=xdr.Uint32(INSTRUCTIONS),
        disk_read_bytes=xdr.Uint32(disk_bytes),
        write_bytes=xdr.Uint32(write_bytes),
    )
    return xdr.SorobanTransactionData(xdr.SorobanTransactionDataExt(0), resources, xdr.Int64(0))


def _price(
    data: xdr.SorobanTransactionData, envelope: Envelope, *, extra_bytes: int, refundable: int
) -> int:
    """Store the fee in the data, with the reserves that a simulation adds, and return it.

    extra_bytes: how much the transaction will grow besides the data. Source: soroban-simulation,
    simulation.rs, `SimulationAdjustmentConfig`.
    """
    size = envelope.inner_bytes + len(data.to_xdr_bytes()) + extra_bytes
    size = size * 11 // 10 + TRANSACTION_BYTES_RESERVE
    fixed = fees.non_refundable(fees.declared(data, transaction_bytes=size))
    fee = fixed + -(-refundable * 115 // 100)
    data.resource_fee = xdr.Int64(fee)
    return fee
