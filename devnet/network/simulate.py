"""Simulation: what a contract transaction would do on top of the last ledger, and what it needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from stellar_sdk import xdr

from devnet.chain import keys
from devnet.chain.addresses import contract_text, present
from devnet.chain.envelope import Envelope, operation_source
from devnet.chain.state import Readable
from devnet.chain.validity import SOROBAN
from devnet.soroban.errors import HostError, spell
from devnet.soroban.invoke import Environment, Invocation, enforce, record

BASE_RESOURCE_FEE = 20_000
FEE_PER_KEY_READ = 2_000
FEE_PER_KEY_WRITTEN = 8_000
INSTRUCTIONS = 2_000_000


class SimulationError(ValueError):
    """The transaction is not one that can be simulated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The answer.

    error and failure: the host's text and what it is about; then only events are set besides.
    resource_fee: stroops. value: None for operations that answer nothing.
    """

    error: str | None = None
    failure: HostError | None = None
    data: xdr.SorobanTransactionData | None = None
    resource_fee: int = 0
    value: xdr.SCVal | None = None
    auth: Sequence[xdr.SorobanAuthorizationEntry] = ()
    events: Sequence[xdr.DiagnosticEvent] = ()


def simulate(
    envelope: Envelope,
    *,
    ledger: Readable,
    sequence: int,
    environment: Environment,
    auth_mode: str | None,
) -> Simulation:
    """Simulate a transaction of one contract operation.

    sequence: the ledger it would be in. auth_mode: None decides by whether entries are present.
    Raises: SimulationError: no contract operation, or not exactly one.
    """
    operations = envelope.tx.operations
    if len(operations) != 1 or operations[0].body.type not in SOROBAN:
        raise SimulationError("Transaction contains more than one operation or is not a contract's")
    call = operations[0].body.invoke_host_function_op
    if call is None:
        footprint = present(envelope.soroban_data).resources.footprint
        return _of_footprint(footprint)
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
    return _failed(done) if done.error is not None else _succeeded(done)


def _failed(done: Invocation) -> Simulation:
    lines = [f"HostError: {done.error}", "", "Event log (newest first):"]
    for number, item in enumerate(reversed(done.diagnostics)):
        lines.append(f"   {number}: {_describe(item.event)}")
    text = "\n".join(lines) + "\n"
    return Simulation(error=text, failure=done.error, events=done.diagnostics)


def _describe(event: xdr.ContractEvent) -> str:
    body = present(event.body.v0)
    contract = contract_text(present(event.contract_id).contract_id.hash)
    error = spell(present(body.topics[1].error))
    note = present(body.data.str).sc_string.decode()
    return f'[Diagnostic Event] contract:{contract}, topics:[error, {error}], data:"{note}"'


def _succeeded(done: Invocation) -> Simulation:
    written, restored = list(done.view.written), done.view.restored
    read = [key for key in done.view.read if key not in done.view.written]
    footprint = xdr.LedgerFootprint(
        read_only=[keys.parse(key) for key in read],
        read_write=[keys.parse(key) for key in written],
    )
    data = _data(footprint)
    if restored:
        # CAP-66: what is archived is named by its place among what is written.
        places = [xdr.Uint32(place) for place, key in enumerate(written) if key in restored]
        extension = xdr.SorobanResourcesExtV0(places)
        data.ext = xdr.SorobanTransactionDataExt(1, resource_ext=extension)
    return Simulation(
        data=data,
        resource_fee=data.resource_fee.int64,
        value=done.value,
        auth=done.auth,
        events=[xdr.DiagnosticEvent(True, event) for event in done.events],
    )


def _of_footprint(footprint: xdr.LedgerFootprint) -> Simulation:
    data = _data(footprint)
    return Simulation(data=data, resource_fee=data.resource_fee.int64)


def _data(footprint: xdr.LedgerFootprint) -> xdr.SorobanTransactionData:
    read, written = len(footprint.read_only), len(footprint.read_write)
    fee = BASE_RESOURCE_FEE + read * FEE_PER_KEY_READ + written * FEE_PER_KEY_WRITTEN
    resources = xdr.SorobanResources(
        footprint=footprint,
        instructions=xdr.Uint32(INSTRUCTIONS),
        disk_read_bytes=xdr.Uint32(1_000 * (read + written)),
        write_bytes=xdr.Uint32(1_000 * written),
    )
    return xdr.SorobanTransactionData(xdr.SorobanTransactionDataExt(0), resources, xdr.Int64(fee))
