"""One contract operation, simulated or applied: connects operations to the host."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from stellar_sdk import scval, xdr

from devnet.chain.addresses import from_sc_address, present
from devnet.chain.rules import Lifetimes
from devnet.chain.state import Readable
from devnet.soroban.authorization import Enforcer, Recorder
from devnet.soroban.errors import Code, HostError, Kind, host_error
from devnet.soroban.host import (
    ArchivedError,
    Authority,
    Contracts,
    Declared,
    Footprint,
    Host,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What all invocations on this network share.

    rent_per_kilobyte: stroops. has_full_meta: whether metas of contract transactions contain the
    state of every entry before and after, as those of classic transactions do.
    """

    passphrase: str
    network_id: bytes
    contracts: Contracts
    lifetimes: Lifetimes
    rent_per_kilobyte: int = 1_000
    has_full_meta: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """The effects of a call. error: why it failed; then `view` must not be merged."""

    view: Footprint
    auth: Sequence[xdr.SorobanAuthorizationEntry]
    value: xdr.SCVal | None = None
    error: HostError | None = None
    events: Sequence[xdr.ContractEvent] = ()
    diagnostics: Sequence[xdr.DiagnosticEvent] = ()


def record(
    operation: xdr.InvokeHostFunctionOp,
    *,
    source: str,
    ledger: Readable,
    sequence: int,
    environment: Environment,
) -> Invocation:
    """Run a call as `source`, allow everything, and record what must be signed and declared."""
    recorder = Recorder(source=source)
    done = run(
        operation, authority=recorder, ledger=ledger, sequence=sequence, environment=environment
    )
    entries = recorder.entries() if done.error is None else []
    return Invocation(
        view=done.view,
        value=done.value,
        error=done.error,
        events=done.events,
        diagnostics=done.diagnostics,
        auth=entries,
    )


def enforce(
    operation: xdr.InvokeHostFunctionOp,
    *,
    source: str,
    ledger: Readable,
    sequence: int,
    environment: Environment,
    declared: xdr.SorobanTransactionData | None,
) -> Invocation:
    """Run a call as `source` with its own authorisation, inside the declared footprint."""
    enforcer = Enforcer(operation.auth, source=source, network_id=environment.network_id)
    return run(
        operation,
        authority=enforcer,
        ledger=ledger,
        sequence=sequence,
        environment=environment,
        declared=declared,
    )


def run(
    operation: xdr.InvokeHostFunctionOp,
    *,
    authority: Authority,
    ledger: Readable,
    sequence: int,
    environment: Environment,
    declared: xdr.SorobanTransactionData | None = None,
) -> Invocation:
    """Run a call that the authority allows or refuses, inside the declared footprint if any."""
    bounds = None if declared is None else _declared(declared)
    try:
        view = Footprint(
            ledger, sequence=sequence, lifetimes=environment.lifetimes, declared=bounds
        )
    except ArchivedError as error:
        view = Footprint(ledger, sequence=sequence, lifetimes=environment.lifetimes)
        return Invocation(view=view, error=error, auth=operation.auth)
    host = Host(
        view=view,
        passphrase=environment.passphrase,
        contracts=environment.contracts,
        authority=authority,
    )
    value, failure = None, None
    try:
        contract, function, args = _target(operation)
        value = host.call(contract, function, args)
    except HostError as error:
        failure = error
    return Invocation(
        view=view,
        value=value,
        error=failure,
        events=host.events if failure is None else [],
        diagnostics=host.diagnostics,
        auth=operation.auth,
    )


def _target(operation: xdr.InvokeHostFunctionOp) -> tuple[str, str, list[xdr.SCVal]]:
    call = operation.host_function.invoke_contract
    if call is None:
        note = "devnet runs contract calls only"
        raise host_error(Kind.SCE_CONTEXT, Code.SCEC_INVALID_ACTION, note)
    for value in call.args:
        _check_maps(value)
    function = call.function_name.sc_symbol.decode("ascii", "replace")
    return from_sc_address(call.contract_address).account, function, list(call.args)


def _check_maps(value: xdr.SCVal) -> None:
    """Refuse maps with repeated keys or keys out of the host's order, as the host does."""
    if value.vec is not None:
        for item in value.vec.sc_vec:
            _check_maps(item)
    if value.map is None:
        return
    if not (_is_struct(value.map.sc_map) or _is_ordered(value)):
        note = "map keys are not unique and sorted"
        raise host_error(Kind.SCE_OBJECT, Code.SCEC_INVALID_INPUT, note)
    for entry in value.map.sc_map:
        _check_maps(entry.val)


def _is_struct(entries: Sequence[xdr.SCMapEntry]) -> bool:
    """Tell whether the keys of a map are symbols in rising order."""
    names = [entry.key.sym.sc_symbol for entry in entries if entry.key.sym is not None]
    rising = all(before < after for before, after in itertools.pairwise(names))
    return rising and len(names) == len(entries)


def _is_ordered(value: xdr.SCVal) -> bool:
    try:
        pairs = scval.from_map(value)
    except TypeError as error:
        note = "devnet: maps with vectors as keys are not supported"
        raise host_error(Kind.SCE_OBJECT, Code.SCEC_INVALID_INPUT, note) from error
    given = [entry.key for entry in present(value.map).sc_map]
    return given == [entry.key for entry in present(scval.to_map(pairs).map).sc_map]


def _declared(data: xdr.SorobanTransactionData) -> Declared:
    footprint, extension = data.resources.footprint, data.ext.resource_ext
    written = [key.to_xdr_bytes() for key in footprint.read_write]
    places = extension.archived_soroban_entries if extension is not None else []
    return Declared(
        read_only=frozenset(key.to_xdr_bytes() for key in footprint.read_only),
        read_write=frozenset(written),
        archived=frozenset(written[place.uint32] for place in places),
    )
