"""A wasm contract: each call runs a fresh instance of its module."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import wasmtime
from stellar_sdk import xdr

from devnet.chain.instances import Instance
from devnet.soroban.errors import Code, HostError, Kind, host_error
from devnet.soroban.host import ContractCode, Contracts, Host
from devnet.wasm.imports import Guest
from devnet.wasm.vals import MASK, Tag, signed

FUEL = 10**9


class UnreadableWasmError(Exception):
    """The file is missing, is not a module, or imports something that the devnet lacks."""


class WasmContract:
    """The rules of a build, given by its own code."""

    def __init__(self, wasm: bytes) -> None:
        """Compile a module. Raises: UnreadableWasmError."""
        config = wasmtime.Config()
        config.consume_fuel = True
        self._engine = wasmtime.Engine(config)
        self.sha256 = hashlib.sha256(wasm).digest()
        try:
            self._module = wasmtime.Module(self._engine, wasm)
        except wasmtime.WasmtimeError as error:
            raise UnreadableWasmError(str(error)) from error

    def __call__(self, host: Host, function: str, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
        """Run an exported function. Raises: HostError."""
        guest, store = Guest(host), wasmtime.Store(self._engine)
        store.set_fuel(FUEL)
        linker = wasmtime.Linker(self._engine)
        self._link(linker, store, guest)
        exports = linker.instantiate(store, self._module).exports(store)
        memory = exports.get("memory")
        guest.memory = memory if isinstance(memory, wasmtime.Memory) else None
        guest.store = store
        called = exports.get(function)
        if not isinstance(called, wasmtime.Func):
            note = "trying to invoke non-existent contract function"
            raise host_error(Kind.SCE_WASM_VM, Code.SCEC_MISSING_VALUE, note)
        if len(called.type(store).params) != len(args):
            raise host_error(Kind.SCE_WASM_VM, Code.SCEC_UNEXPECTED_SIZE, "wrong argument count")
        try:
            answer = called(store, *(signed(guest.objects.put(value)) for value in args))
        except HostError:
            raise
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            note = str(error).splitlines()[0]
            raise host_error(Kind.SCE_WASM_VM, Code.SCEC_INVALID_ACTION, note) from error
        val = int(answer) & MASK
        if val & 0xFF == Tag.ERROR:
            raise _error(val)
        return guest.objects.get(val)

    def _link(self, linker: wasmtime.Linker, store: wasmtime.Store, guest: Guest) -> None:
        functions = guest.functions()
        for wanted in self._module.imports:
            name = f"{wanted.module}.{wanted.name}"
            if name not in functions or not isinstance(wanted.type, wasmtime.FuncType):
                raise UnreadableWasmError(f"the host has no function {name}")
            body = wasmtime.Func(store, wanted.type, _wrapped(functions[name]))
            linker.define(store, wanted.module, wanted.name or "", body)


def _wrapped(function: Callable[..., int | None]) -> Callable[..., int]:
    def run(*args: int) -> int:
        answer = function(*(arg & MASK for arg in args))
        return signed((Tag.VOID if answer is None else answer) & MASK)

    return run


def _error(val: int) -> HostError:
    """Return the error that a contract returned."""
    kind, code = Kind(val >> 8 & 0xFFFFFF), val >> 32
    if kind == Kind.SCE_CONTRACT:
        return HostError(xdr.SCError(kind, contract_code=xdr.Uint32(code)), "contract error")
    return host_error(kind, Code(code), "an error that the contract returned")


class WasmContracts:
    """Contracts with one wasm build; all others follow the devnet's own rules."""

    def __init__(self, contract: WasmContract, others: Contracts) -> None:
        self._contract = contract
        self._others = others

    def find(self, instance: Instance) -> ContractCode | None:
        """Return the code or the rules of an instance."""
        if instance.wasm_hash == self._contract.sha256:
            return self._contract
        return self._others.find(instance)


def read(path: Path) -> WasmContract:
    """Read a module. Raises: UnreadableWasmError."""
    try:
        return WasmContract(path.read_bytes())
    except OSError as error:
        raise UnreadableWasmError(f"{path}: {error}") from error
