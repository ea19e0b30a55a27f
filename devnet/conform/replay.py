"""Plays a case and compares every line of the results with the wanted one."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stellar_sdk import xdr

from devnet.chain import keys
from devnet.chain.addresses import contract_text, from_account_id, from_sc_address, present
from devnet.chain.keys import Key
from devnet.conform import cast
from devnet.conform.stage import Played, Stage
from devnet.conform.values import UnknownPartError
from devnet.conform.vectors import Case
from devnet.soroban.errors import HostError, spell
from devnet.wasm.contract import WasmContract

WATCHED = (*cast.PEOPLE, "provider", "C", "F")
MISSING = "nothing"

Lines = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of one step that differs from the wanted one. step: counted from 1."""

    case: str
    step: int
    line: str
    wanted: object
    came: object

    def __str__(self) -> str:
        return f"{self.case}, step {self.step}, {self.line}: wanted {self.wanted}, came {self.came}"


def differences(
    case: Case, defaults: Mapping[str, Any], code: WasmContract | None = None
) -> Iterator[Difference]:
    """Play a case on a fresh ledger, and yield each line that differs.

    code: the escrow's wasm, which runs instead of the devnet's rules.
    """
    stage = Stage(defaults, code)
    before: dict[str, str] = {}
    for number, step in enumerate(case.steps, start=1):
        try:
            played = stage.play(step.given)
        except (UnknownPartError, LookupError, TypeError, ValueError) as error:
            told = f"{type(error).__name__}: {error}"
            yield Difference(case.id, number, "step", "something that can be played", told)
            return
        if played is None:
            continue
        came = came_of(played, stage)
        if played.done.error is None:
            now = {name: stage.balance(name) for name in WATCHED}
            if before:
                came["moved"] = {
                    name: [before[name], held] for name, held in now.items() if held != before[name]
                }
            before = now
        lines = step.want.keys() | came.keys()
        if ("refused" in step.want) != ("refused" in came):
            lines = {"refused"}
        for line in sorted(lines):
            pair = step.want.get(line, MISSING), came.get(line, MISSING)
            if pair[0] != pair[1]:
                yield Difference(case.id, number, line, *pair)


def came_of(played: Played, stage: Stage) -> Lines:
    """Return the results of a call, line by line."""
    if played.done.error is not None:
        return _refusal(played.done.error, at=_innermost(played))
    return _lines(played, stage)


def digest(value: Any) -> str:
    """Return sixteen hex digits that represent a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _refusal(error: HostError, *, at: str) -> Lines:
    if error.error.contract_code is not None:
        return {"refused": f"Contract/{error.error.contract_code.uint32}", "at": at}
    kind, code = spell(error.error).removeprefix("Error(").removesuffix(")").split(", ")
    return {"refused": f"{kind}/{code}"}


def _innermost(played: Played) -> str:
    """Name the contract that raised the error: the asset's, or an escrow."""
    if not played.done.diagnostics:
        return ""
    raw = present(played.done.diagnostics[0].event.contract_id).contract_id.hash
    return "USDC" if contract_text(raw) == cast.USDC_CONTRACT else "escrow"


def _lines(played: Played, stage: Stage) -> Lines:
    done = played.done
    written = _names(done.view.written)
    return {
        "value": digest(cast.shown(done.value)),
        "events": [_event(event) for event in done.events],
        "auth": [
            "/".join(demand)
            for demand in sorted(
                (cast.name_of(who), cast.name_of(contract), function)
                for who, contract, function in played.demanded
            )
        ],
        "stored": digest(cast.shown(stage.stored())),
        "ttl": stage.lifetimes(),
        "rw": sorted(written),
        "ro": sorted(_names(done.view.read) - written),
    }


def _event(event: xdr.ContractEvent) -> str:
    body = present(event.body.v0)
    contract = contract_text(present(event.contract_id).contract_id.hash)
    topics = [cast.shown(topic) for topic in body.topics]
    told = "/".join(topic if isinstance(topic, str) else json.dumps(topic) for topic in topics)
    return f"{cast.name_of(contract)}:{told}#{digest(cast.shown(body.data))}"


def _names(footprint: Iterable[Key]) -> set[str]:
    """Name the entries of a footprint, except the issuer's account.

    The recording does not have it: its host knows the issuer's flags without the ledger.
    """
    issuer = keys.account(cast.address("issuer"))
    return {_name(keys.parse(key)) for key in footprint if key != issuer}


def _name(key: xdr.LedgerKey) -> str:
    if key.contract_code is not None:
        return "code"
    if key.account is not None:
        return f"account:{cast.name_of(from_account_id(key.account.account_id))}"
    if key.trust_line is not None:
        return f"line:{cast.name_of(from_account_id(key.trust_line.account_id))}"
    data = present(key.contract_data)
    contract = cast.name_of(from_sc_address(data.contract).account)
    if data.key.type == xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE:
        return f"instance:{contract}"
    parts = present(data.key.vec).sc_vec
    label = present(parts[0].sym).sc_symbol.decode()
    if label == "Balance":
        return f"balance:{cast.name_of(from_sc_address(present(parts[1].address)).account)}"
    return f"data:{contract}:{label}"
