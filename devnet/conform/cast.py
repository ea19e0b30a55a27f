"""The participants of a vector, and the form in which vectors write contract values.

People's addresses follow from their names, and the network has the passphrase "vectors". So every
address, and with it the order of a map's keys, is the same as in the recording.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from stellar_sdk import Keypair, scval, xdr

from devnet.chain.addresses import from_sc_address, present
from devnet.chain.assets import AssetRef, contract_id
from devnet.soroban.deploy import contract_address
from devnet.soroban.profiles import REAL_PROVIDER

NETWORK = "vectors"
PEOPLE = ("buyer", "seller", "platform", "resolver", "stranger")
PROVIDER = REAL_PROVIDER
SALT = b"\x07" * 32
LONG_TEXT = 200
"""Texts from this length on are shown by their length."""


@cache
def person(name: str) -> str:
    """Return the address that follows from a person's name."""
    return Keypair.from_raw_ed25519_seed(name.encode().ljust(32, b".")).public_key


USDC = AssetRef("USDC", person("issuer"))
USDC_CONTRACT = contract_id(USDC, NETWORK)
FACTORY = contract_address(deployer=person("platform"), salt=b"\0" * 32, passphrase=NETWORK)
ESCROW = contract_address(deployer=FACTORY, salt=SALT, passphrase=NETWORK)

_OTHERS = {"F": FACTORY, "USDC": USDC_CONTRACT, "provider": PROVIDER, "C": ESCROW}
_NAMED = (*PEOPLE, "issuer", *(f"p{number:02d}" for number in range(51)))


def address(name: str) -> str:
    """Return the address that a vector's name stands for."""
    return _OTHERS.get(name) or person(name)


@cache
def name_of(found: str) -> str:
    """Return the name of an address, or the address itself."""
    names = {where: name for name, where in _OTHERS.items()}
    return names.get(found) or next((name for name in _NAMED if person(name) == found), found)


def shown(value: xdr.SCVal | None) -> Any:  # noqa: PLR0911  one line for each kind of value
    """Write a contract value in the recording's form: names for addresses, numbers as text."""
    if value is None or value.type == xdr.SCValType.SCV_VOID:
        return None
    if value.address is not None:
        return {"a": name_of(from_sc_address(value.address).account)}
    if value.vec is not None:
        return [shown(item) for item in value.vec.sc_vec]
    if value.map is not None:
        return {"{}": [[shown(item.key), shown(item.val)] for item in value.map.sc_map]}
    if value.bytes is not None:
        return {"hex": value.bytes.sc_bytes.hex()}
    if value.b is not None:
        return value.b
    if value.str is not None or value.sym is not None:
        text = present(value.str).sc_string if value.sym is None else value.sym.sc_symbol
        return text.decode("latin1") if len(text) < LONG_TEXT else f"<{len(text)} bytes>"
    return str(scval.to_native(value))


def sorted_map(pairs: Iterable[tuple[xdr.SCVal, xdr.SCVal]], *, backwards: bool) -> xdr.SCVal:
    """Return a map of addresses in the host's order, or in reverse; keys may be repeated."""
    ordered = sorted(pairs, key=lambda pair: _place(pair[0]), reverse=backwards)
    entries = [xdr.SCMapEntry(key, value) for key, value in ordered]
    return xdr.SCVal(xdr.SCValType.SCV_MAP, map=xdr.SCMap(entries))


def _place(key: xdr.SCVal) -> bytes:
    return present(key.address).to_xdr_bytes()
