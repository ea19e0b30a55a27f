"""The ledger that a case is played on: five people with 1,000 USDC, the provider, the factory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from stellar_sdk import Network, scval, xdr

from devnet.chain import keys, rules
from devnet.chain.addresses import present, sc_address
from devnet.chain.entries import (
    Account,
    Trustline,
    decode_contract_data,
    encode_code,
    encode_contract_data,
    read_trustline,
    write_account,
    write_trustline,
)
from devnet.chain.instances import deploy_asset_contract, encode_instance
from devnet.chain.state import Entries, Entry, View
from devnet.conform import cast
from devnet.conform.values import FUNCTION, UnknownPartError, Values
from devnet.soroban import escrow_storage
from devnet.soroban.errors import Code, Kind, host_error
from devnet.soroban.host import Frame, Host
from devnet.soroban.invoke import Environment, Invocation, run
from devnet.soroban.profiles import PROFILE_B
from devnet.soroban.registry import Registry
from devnet.wasm.contract import WasmContract, WasmContracts

FIRST_LEDGER = 1_000
HELD = 1_000 * 10**7
ENVIRONMENT = Environment(
    passphrase=cast.NETWORK,
    network_id=Network(cast.NETWORK).network_id(),
    contracts=Registry(fee_address=cast.PROVIDER),
    # The recording's host does not archive.
    lifetimes=replace(rules.LIFETIMES["main"], archives=False),
)


@dataclass(slots=True)
class Granted:
    """An authority for tests: the signers allow every demand; all others allow none."""

    signers: frozenset[str]
    demanded: list[tuple[str, str, str]] = field(default_factory=list)

    def push(self, frame: Frame) -> None:
        """Enter a call."""

    def pop(self) -> None:
        """Leave a call."""

    def require(self, _host: Host, address: str, frame: Frame) -> None:
        """Record the demand. Raises: HostError: the address did not sign."""
        self.demanded.append((address, frame.contract, frame.function))
        if address not in self.signers:
            note = f"Unauthorized function call for address {address}"
            raise host_error(Kind.SCE_AUTH, Code.SCEC_INVALID_ACTION, note)


@dataclass(frozen=True, slots=True)
class Played:
    """A call that ran, and what it demanded: address, contract, function."""

    done: Invocation
    demanded: Sequence[tuple[str, str, str]]


class Stage:
    """One case's ledger. defaults: the escrow of the file.

    code: the escrow's wasm, which runs instead of the devnet's rules.
    """

    def __init__(self, defaults: Mapping[str, Any], code: WasmContract | None = None) -> None:
        wasm_hash = PROFILE_B.wasm_hash if code is None else code.sha256
        self.view = View(_first_ledger(wasm_hash), sequence=FIRST_LEDGER)
        self._environment = ENVIRONMENT
        if code is not None:
            contracts = WasmContracts(code, ENVIRONMENT.contracts)
            self._environment = replace(ENVIRONMENT, contracts=contracts)
        self._values = Values(defaults, wasm_hash=wasm_hash, stored=lambda: present(self.stored()))

    def play(self, step: Mapping[str, Any]) -> Played | None:
        """Carry out a step. A successful call is kept; a failed one leaves nothing.

        Returns: None for a step that is not a call. Raises: UnknownPartError.
        """
        match step["do"]:
            case "advance":
                self.view.sequence += step["ledgers"]
            case "unline":
                self.view.delete(keys.trustline(cast.address(step["who"]), cast.USDC))
            case "limit":
                line = present(read_trustline(self.view, cast.address(step["who"]), cast.USDC))
                write_trustline(self.view, replace(line, limit=int(step["limit"])))
            case "freeze":
                self._freeze(cast.address(step["who"]))
            case "deploy":
                on = cast.address(step.get("on", "F"))
                return self._call(on, FUNCTION, self._values.deployment(step), step["auth"])
            case "call":
                args = [self._values.argument(item) for item in step["args"]]
                return self._call(cast.address(step["on"]), step["fn"], args, step["auth"])
            case other:
                raise UnknownPartError(f"step {other}")
        return None

    def stored(self) -> xdr.SCVal | None:
        """Return the escrow that contract C stores."""
        entry = self.view.get(keys.contract_data(cast.ESCROW, escrow_storage.KEY, keys.PERSISTENT))
        return None if entry is None else decode_contract_data(entry.data)

    def balance(self, name: str) -> str:
        """Return minor units of USDC as text; "None" without a trustline."""
        where = cast.address(name)
        if where.startswith("G"):
            line = read_trustline(self.view, where, cast.USDC)
            return str(None if line is None else line.balance)
        entry = self.view.get(keys.balance(cast.USDC_CONTRACT, where))
        if entry is None:
            return "0"
        return str(scval.from_int128(scval.from_struct(decode_contract_data(entry.data))["amount"]))

    def lifetimes(self) -> dict[str, int]:
        """Return how many ledgers each entry of contract C will still live."""
        watched = {
            "instance": keys.instance(cast.ESCROW),
            "escrow": keys.contract_data(cast.ESCROW, escrow_storage.KEY, keys.PERSISTENT),
            "balance": keys.balance(cast.USDC_CONTRACT, cast.ESCROW),
        }
        found = {label: self.view.get(key) for label, key in watched.items()}
        return {
            label: present(entry.live_until) - self.view.sequence
            for label, entry in found.items()
            if entry is not None
        }

    def _call(
        self, on: str, function: str, args: Sequence[xdr.SCVal], signers: Sequence[str]
    ) -> Played:
        invoked = xdr.InvokeContractArgs(
            sc_address(on), xdr.SCSymbol(function.encode()), list(args)
        )
        host_function = xdr.HostFunction(
            xdr.HostFunctionType.HOST_FUNCTION_TYPE_INVOKE_CONTRACT, invoke_contract=invoked
        )
        authority = Granted(frozenset(cast.address(name) for name in signers))
        done = run(
            xdr.InvokeHostFunctionOp(host_function, []),
            authority=authority,
            ledger=self.view,
            sequence=self.view.sequence,
            environment=self._environment,
        )
        if done.error is None:
            self.view.merge(done.view)
        return Played(done, authority.demanded)

    def _freeze(self, where: str) -> None:
        """Withdraw the issuer's authorization from a holder."""
        if where.startswith("G"):
            line = present(read_trustline(self.view, where, cast.USDC))
            write_trustline(self.view, replace(line, authorized=False))
            return
        key = keys.balance(cast.USDC_CONTRACT, where)
        entry = present(self.view.get(key))
        held = {
            **scval.from_struct(decode_contract_data(entry.data)),
            "authorized": scval.to_bool(False),
        }
        data = encode_contract_data(
            contract=cast.USDC_CONTRACT,
            key=present(keys.parse(key).contract_data).key,
            durability=keys.PERSISTENT,
            value=scval.to_struct(held),
        )
        self.view.put(key, replace(entry, data=data))


@cache
def _first_ledger(wasm_hash: bytes) -> Entries:
    view = View(Entries(), sequence=FIRST_LEDGER)
    balances = {**dict.fromkeys(cast.PEOPLE, HELD), "provider": 0}
    for name, held in balances.items():
        where = cast.address(name)
        account = Account(address=where, balance=10**10, sequence=0, sub_entries=1)
        write_account(view, account)
        line = Trustline(address=where, asset=cast.USDC, balance=held, limit=rules.INT64_MAX)
        write_trustline(view, line)
    issuer = Account(address=cast.address("issuer"), balance=10**10, sequence=0)
    write_account(view, issuer)
    deploy_asset_contract(
        view, asset=cast.USDC, passphrase=cast.NETWORK, lifetimes=ENVIRONMENT.lifetimes
    )
    forever = 10**9
    code = encode_code(wasm_hash=wasm_hash, wasm=PROFILE_B.wasm)
    view.put(keys.code(wasm_hash), Entry(code, live_until=forever))
    factory = encode_instance(contract=cast.FACTORY, wasm_hash=wasm_hash)
    view.put(keys.instance(cast.FACTORY), Entry(factory, live_until=forever))
    entries = Entries()
    entries.apply(view.changes)
    return entries
