"""Contract values in the form that contracts write: symbols, texts, structs with sorted fields."""

from collections.abc import Mapping
from functools import lru_cache

from stellar_sdk import scval, xdr

from devnet.chain.packed import PackedValue


@lru_cache(maxsize=1024)
def symbol(name: str) -> xdr.SCVal:
    """Return a symbol; callers must not change it."""
    return PackedValue(scval.to_symbol(name))


@lru_cache(maxsize=1024)
def text(content: str) -> xdr.SCVal:
    """Return a text; callers must not change it."""
    return PackedValue(scval.to_string(content))


def struct(fields: Mapping[str, xdr.SCVal]) -> xdr.SCVal:
    """Return a struct: a map whose keys are sorted symbols."""
    entries = [xdr.SCMapEntry(symbol(name), fields[name]) for name in sorted(fields)]
    return xdr.SCVal(xdr.SCValType.SCV_MAP, map=xdr.SCMap(entries))
