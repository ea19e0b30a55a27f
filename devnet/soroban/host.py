"""The host that a contract runs in: frames, storage with its footprint, events, authorisation.

One host serves one invocation. Its storage is a view that the caller merges or drops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from stellar_sdk import scval, xdr

from devnet.chain import keys, rules
from devnet.chain.addresses import is_contract, present
from devnet.chain.entries import decode_contract_data, encode_contract_data
from devnet.chain.events import contract_event
from devnet.chain.instances import Instance, decode_instance
from devnet.chain.keys import Key
from devnet.chain.rules import Lifetimes
from devnet.chain.state import Entry, Readable, View
from devnet.soroban.errors import Code, HostError, Kind, host_error, topics

MAX_DEPTH = 10
RESERVED = "__"
"""How the names of functions begin that only the host calls."""

ContractCode = Callable[["Host", str, Sequence[xdr.SCVal]], xdr.SCVal]


class Contracts(Protocol):
    """Finds the rules behind an instance."""

    def find(self, instance: Instance) -> ContractCode | None:
        """Return the rules, or None if the code is unknown."""
        ...


@dataclass(slots=True)
class Frame:
    """One contract call on the stack, and the calls it made."""

    contract: str
    function: str
    args: Sequence[xdr.SCVal]
    authorized: list[str] = field(default_factory=list)
    calls: list[Frame] = field(default_factory=list)


class Authority(Protocol):
    """Answers `require_auth`: the recorder in a simulation, or the enforcer when applying."""

    def push(self, frame: Frame) -> None:
        """Enter a call."""
        ...

    def pop(self) -> None:
        """Leave a call."""
        ...

    def require(self, host: Host, address: str, frame: Frame) -> None:
        """Require that an account authorised this call. Raises: HostError."""
        ...


@dataclass(frozen=True, slots=True)
class Declared:
    """A transaction's footprint.

    archived: the written entries that it marks as archived (CAP-66).
    """

    read_only: frozenset[Key]
    read_write: frozenset[Key]
    archived: frozenset[Key]

    def has(self, key: Key) -> bool:
        """Tell whether the transaction may read the entry."""
        return key in self.read_only or key in self.read_write


class Footprint(View):
    """A view that records the keys that are read and written, and may enforce declared ones.

    restored: the archived entries that were found and restored, in that order.
    """

    def __init__(
        self,
        parent: Readable,
        *,
        sequence: int,
        lifetimes: Lifetimes,
        declared: Declared | None = None,
    ) -> None:
        super().__init__(parent, sequence=sequence)
        self.read: dict[Key, None] = {}
        self.written: dict[Key, None] = {}
        self.restored: dict[Key, None] = {}
        self._lifetimes = lifetimes
        self._declared = declared
        if declared is not None:
            self._restore(declared)

    def get(self, key: Key) -> Entry | None:
        """Read an entry, which must be declared. An archived entry is restored, and so written.

        Source: soroban-env-host, storage.rs, `handle_maybe_expired_entry` (protocol 23).
        """
        declared = self._declared
        if declared is not None and not declared.has(key):
            raise _outside_footprint()
        self.read[key] = None
        entry = super().get(key)
        if entry is None or not self._lifetimes.is_over(entry.live_until, self.sequence):
            return entry
        if not keys.is_persistent(key):
            return None
        renewed = replace(entry, live_until=self.first_life())
        self.restored[key] = None
        self.put(key, renewed)
        return renewed

    def put(self, key: Key, entry: Entry) -> None:
        """Write an entry, which must be declared as written."""
        if self._declared is not None and key not in self._declared.read_write:
            raise _outside_footprint()
        self.written[key] = None
        super().put(key, entry)

    def first_life(self) -> int:
        """Return the last ledger of data that is written now."""
        return self._lifetimes.first(self.sequence)

    def _restore(self, declared: Declared) -> None:
        """Restore the entries that the transaction marks as archived. Raises: ArchivedError.

        Source: CAP-66; stellar-core, InvokeHostFunctionOpFrame.cpp, `handleArchivedEntry`.
        """
        for key in declared.read_only | declared.read_write:
            entry = super().get(key)
            if entry is None or not self._lifetimes.is_over(entry.live_until, self.sequence):
                continue
            if key in declared.archived:
                self.get(key)
            elif keys.is_persistent(key):
                raise ArchivedError


class ArchivedError(HostError):
    """A declared entry is archived, but the transaction does not mark it as archived."""

    def __init__(self) -> None:
        archived = host_error(
            Kind.SCE_STORAGE, Code.SCEC_INVALID_INPUT, "trying to access an archived entry"
        )
        super().__init__(archived.error, archived.note)


def _outside_footprint() -> HostError:
    note = "trying to access contract data key outside of the footprint"
    return host_error(Kind.SCE_STORAGE, Code.SCEC_EXCEEDED_LIMIT, note)


class Host:
    """The environment of one invocation."""

    def __init__(
        self, *, view: Footprint, passphrase: str, contracts: Contracts, authority: Authority
    ) -> None:
        self.view = view
        self.passphrase = passphrase
        self.events: list[xdr.ContractEvent] = []
        self.diagnostics: list[xdr.DiagnosticEvent] = []
        self.error: HostError | None = None
        self._contracts = contracts
        self._authority = authority
        self._frames: list[Frame] = []
        self._keys: dict[tuple[str, int], tuple[xdr.SCVal, Key]] = {}

    def call(self, contract: str, function: str, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
        """Call a contract's function.

        Raises: HostError: the call failed; its diagnostics name the innermost contract first.
        """
        if not is_contract(contract):
            raise host_error(Kind.SCE_STORAGE, Code.SCEC_MISSING_VALUE, "an account has no code")
        frame = Frame(contract, function, args)
        if any(item.contract == contract for item in self._frames):
            raise host_error(Kind.SCE_CONTEXT, Code.SCEC_INVALID_ACTION, "re-entry is not allowed")
        if len(self._frames) >= MAX_DEPTH:
            raise host_error(Kind.SCE_CONTEXT, Code.SCEC_EXCEEDED_LIMIT, "call stack is too deep")
        if self._frames:
            self._frames[-1].calls.append(frame)
        self._frames.append(frame)
        self._authority.push(frame)
        try:
            code = self._code(contract)
            if function.startswith(RESERVED):
                note = "can't invoke a reserved function directly"
                raise host_error(Kind.SCE_CONTEXT, Code.SCEC_INVALID_ACTION, note)
            return code(self, function, args)
        except HostError as error:
            self._diagnose(frame, error)
            raise
        finally:
            self._authority.pop()
            self._frames.pop()

    @property
    def contract(self) -> str:
        """The contract that is running."""
        return self._frames[-1].contract

    def require_auth(self, address: str) -> None:
        """Require that `address` authorised the running call.

        A contract authorises its own calls. Raises: HostError.
        """
        if len(self._frames) > 1 and self._frames[-2].contract == address:
            return
        if address.startswith("C"):
            raise host_error(Kind.SCE_AUTH, Code.SCEC_INVALID_ACTION, "contract has not authorized")
        self._authority.require(self, address, self._frames[-1])

    def emit(self, topic_values: list[xdr.SCVal], data: xdr.SCVal) -> None:
        """Publish an event of the running contract."""
        self.publish(contract_event(contract=self.contract, topics=topic_values, data=data))

    def publish(self, event: xdr.ContractEvent) -> None:
        """Publish an event that was built elsewhere."""
        self.events.append(event)

    def read(self, key: xdr.SCVal) -> xdr.SCVal | None:
        """Return a value that the running contract stored, or None."""
        entry = self.view.get(self._key(key))
        return None if entry is None else decode_contract_data(entry.data)

    def write(self, key: xdr.SCVal, value: xdr.SCVal) -> None:
        """Store a value of the running contract; a value that exists keeps its lifetime."""
        stored = self._key(key)
        before = self.view.get(stored)
        live_until = self.view.first_life()
        if before is not None:
            live_until = present(before.live_until)
        data = encode_contract_data(
            contract=self.contract, key=key, durability=keys.PERSISTENT, value=value
        )
        self.view.put(stored, Entry(data, live_until=live_until))

    def _key(self, key: xdr.SCVal) -> Key:
        """Return the ledger key of a value of the running contract, encoded once."""
        place = (self.contract, id(key))
        known = self._keys.get(place)
        if known is None:
            encoded = keys.contract_data(self.contract, key, keys.PERSISTENT)
            # Keeping a reference to the value keeps its id unique.
            known = self._keys[place] = (key, encoded)
        return known[1]

    def extend(self, key: xdr.SCVal, *, threshold: int, extend_to: int) -> None:
        """Let a stored value live `extend_to` more ledgers, if at most `threshold` are left.

        Raises: HostError: nothing is stored, or the threshold is above the extension.
        """
        stored = self._key(key)
        self._extend(stored, threshold=threshold, extend_to=extend_to)

    def extend_instance(self, *, threshold: int, extend_to: int) -> None:
        """Extend the life of the running contract's instance, like a stored value.

        Raises: HostError.
        """
        self._extend(keys.instance(self.contract), threshold=threshold, extend_to=extend_to)

    def _extend(self, key: Key, *, threshold: int, extend_to: int) -> None:
        if threshold > extend_to:
            note = "threshold must be <= extend_to"
            raise host_error(Kind.SCE_STORAGE, Code.SCEC_INVALID_INPUT, note)
        entry = self.view.get(key)
        if entry is None:
            note = "trying to extend a missing entry"
            raise host_error(Kind.SCE_STORAGE, Code.SCEC_MISSING_VALUE, note)
        left = present(entry.live_until) - self.view.sequence
        wanted = min(extend_to, rules.MAX_TTL - 1)
        if left <= threshold and left < wanted:
            self.view.extend(key, entry, live_until=self.view.sequence + wanted)

    def _code(self, contract: str) -> ContractCode:
        entry = self.view.get(keys.instance(contract))
        if entry is None:
            raise host_error(Kind.SCE_STORAGE, Code.SCEC_MISSING_VALUE, "contract does not exist")
        instance = decode_instance(entry.data)
        if instance.wasm_hash is not None:
            self.view.get(keys.code(instance.wasm_hash))
        code = self._contracts.find(instance)
        if code is None:
            raise host_error(Kind.SCE_STORAGE, Code.SCEC_MISSING_VALUE, "code does not exist")
        return code

    def _diagnose(self, frame: Frame, error: HostError) -> None:
        innermost = self.error is None
        self.error = error
        note = error.note
        if not innermost:
            note = "escalating error to VM trap from failed host function call: call"
        event = contract_event(
            contract=frame.contract, topics=topics(error.error), data=scval.to_string(note)
        )
        event.type = xdr.ContractEventType.DIAGNOSTIC
        self.diagnostics.append(xdr.DiagnosticEvent(False, event))
