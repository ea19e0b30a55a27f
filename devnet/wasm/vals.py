"""Values of a wasm contract: 64-bit numbers, or handles of objects that the host keeps.

The facts are those of soroban-env-common: env.json, val.rs and symbol.rs.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum

from stellar_sdk import scval, xdr

from devnet.chain.addresses import present
from devnet.soroban.errors import Code, Kind, host_error

MASK = 2**64 - 1
LETTERS = "_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SHORT_SYMBOL = 9
BODY_BITS = 56
HANDLE_SHIFT, HANDLE_MARK = 33, 1 << 32


class Tag(IntEnum):
    """The last byte of a value."""

    FALSE = 0
    TRUE = 1
    VOID = 2
    ERROR = 3
    U32 = 4
    I32 = 5
    U64_SMALL = 6
    I64_SMALL = 7
    U128_SMALL = 10
    I128_SMALL = 11
    SYMBOL_SMALL = 14
    U64 = 64
    I64 = 65
    U128 = 68
    I128 = 69
    BYTES = 72
    STRING = 73
    SYMBOL = 74
    VEC = 75
    MAP = 76
    ADDRESS = 77


Pairs = Sequence[tuple[int, int]]
Kept = xdr.SCVal | Sequence[int] | Pairs
WIDE = {Tag.U64: Tag.U64_SMALL, Tag.U128: Tag.U128_SMALL}
SIGNED = {Tag.I64: Tag.I64_SMALL, Tag.I128: Tag.I128_SMALL}
PLAIN = {
    xdr.SCValType.SCV_BYTES: Tag.BYTES,
    xdr.SCValType.SCV_STRING: Tag.STRING,
    xdr.SCValType.SCV_ADDRESS: Tag.ADDRESS,
}


def signed(value: int, bits: int = 64) -> int:
    """Interpret a number of the given bits as a signed one."""
    return value - (1 << bits) if value >> (bits - 1) else value


def wrong_type(wanted: str) -> Exception:
    """Build the host's refusal of a value of another type."""
    return host_error(Kind.SCE_VALUE, Code.SCEC_UNEXPECTED_TYPE, f"{wanted} is needed")


class Objects:
    """The objects of one running contract, by their handles."""

    def __init__(self) -> None:
        self._kept: list[tuple[Tag, Kept]] = []

    def keep(self, tag: Tag, content: Kept) -> int:
        """Keep an object and return its handle."""
        self._kept.append((tag, content))
        return (len(self._kept) - 1) << HANDLE_SHIFT | HANDLE_MARK | tag

    def leaf(self, handle: int, tag: Tag) -> xdr.SCVal:
        """Return a kept text, number or address. Raises: HostError."""
        found = self._at(handle, tag)
        if not isinstance(found, xdr.SCVal):
            raise wrong_type(tag.name)
        return found

    def vec(self, handle: int) -> list[int]:
        """Return a vector's items. Raises: HostError."""
        return list(self._at(handle, Tag.VEC))  # type: ignore[arg-type]  # what the tag says

    def pairs(self, handle: int) -> Pairs:
        """Return a map's keys and values. Raises: HostError."""
        return self._at(handle, Tag.MAP)  # type: ignore[return-value]  # what the tag says

    def _at(self, handle: int, tag: Tag) -> Kept:
        if handle & 0xFF != tag or handle >> HANDLE_SHIFT >= len(self._kept):
            raise wrong_type(tag.name)
        return self._kept[handle >> HANDLE_SHIFT][1]

    def put(self, value: xdr.SCVal) -> int:  # noqa: PLR0911  one line for each kind of value
        """Return a value in the contract's form."""
        if value.type == xdr.SCValType.SCV_BOOL:
            return Tag.TRUE if value.b else Tag.FALSE
        if value.type == xdr.SCValType.SCV_VOID:
            return Tag.VOID
        if value.u32 is not None:
            return value.u32.uint32 << 32 | Tag.U32
        if value.i32 is not None:
            return (value.i32.int32 & 0xFFFFFFFF) << 32 | Tag.I32
        if value.sym is not None:
            return self._put_symbol(value)
        if value.vec is not None:
            return self.keep(Tag.VEC, [self.put(item) for item in value.vec.sc_vec])
        if value.map is not None:
            pairs = [(self.put(item.key), self.put(item.val)) for item in value.map.sc_map]
            return self.keep(Tag.MAP, pairs)
        if value.type in PLAIN:
            return self.keep(PLAIN[value.type], value)
        return self._put_number(value)

    def _put_symbol(self, value: xdr.SCVal) -> int:
        text = present(value.sym).sc_symbol.decode("ascii")
        if len(text) > SHORT_SYMBOL:
            return self.keep(Tag.SYMBOL, value)
        body = 0
        for letter in text:
            body = body << 6 | LETTERS.index(letter) + 1
        return body << 8 | Tag.SYMBOL_SMALL

    def _put_number(self, value: xdr.SCVal) -> int:
        tag = Tag[value.type.name.removeprefix("SCV_")]
        number = int(scval.to_native(value))  # type: ignore[arg-type]  # a number of these types
        if tag in WIDE and number < 1 << BODY_BITS:
            return number << 8 | WIDE[tag]
        half = 1 << (BODY_BITS - 1)
        if tag in SIGNED and -half <= number < half:
            return (number & ((1 << BODY_BITS) - 1)) << 8 | SIGNED[tag]
        return self.keep(tag, value)

    def get(self, val: int) -> xdr.SCVal:
        """Return a contract's value as XDR. Raises: HostError."""
        tag = val & 0xFF
        if tag in SMALL:
            return SMALL[Tag(tag)](val)
        if tag == Tag.VEC:
            return scval.to_vec([self.get(item) for item in self.vec(val)])
        if tag == Tag.MAP:
            entries = [
                xdr.SCMapEntry(self.get(key), self.get(item)) for key, item in self.pairs(val)
            ]
            return xdr.SCVal(xdr.SCValType.SCV_MAP, map=xdr.SCMap(entries))
        if tag not in LEAVES:
            raise wrong_type("a value that is no error")
        return self.leaf(val, Tag(tag))


def _letters(body: int) -> str:
    text = ""
    while body:
        text = LETTERS[(body & 63) - 1] + text
        body >>= 6
    return text


SMALL: Mapping[Tag, Callable[[int], xdr.SCVal]] = {
    Tag.FALSE: lambda _: scval.to_bool(False),
    Tag.TRUE: lambda _: scval.to_bool(True),
    Tag.VOID: lambda _: scval.to_void(),
    Tag.U32: lambda val: scval.to_uint32(val >> 32),
    Tag.I32: lambda val: scval.to_int32(signed(val >> 32, 32)),
    Tag.U64_SMALL: lambda val: scval.to_uint64(val >> 8),
    Tag.I64_SMALL: lambda val: scval.to_int64(signed(val >> 8, BODY_BITS)),
    Tag.U128_SMALL: lambda val: scval.to_uint128(val >> 8),
    Tag.I128_SMALL: lambda val: scval.to_int128(signed(val >> 8, BODY_BITS)),
    Tag.SYMBOL_SMALL: lambda val: scval.to_symbol(_letters(val >> 8)),
}
"""The values that fit into a number."""
LEAVES = {*WIDE, *SIGNED, *PLAIN.values(), Tag.SYMBOL}


def order(value: xdr.SCVal) -> tuple[int, object]:
    """Return a sort key of values: their type, then their content.

    Source: soroban-env-host, host/comparison.rs.
    """
    content: object
    if value.vec is not None:
        content = tuple(order(item) for item in value.vec.sc_vec)
    elif value.map is not None:
        content = tuple((order(item.key), order(item.val)) for item in value.map.sc_map)
    elif value.address is not None:
        content = value.address.to_xdr_bytes()
    elif value.type == xdr.SCValType.SCV_VOID:
        content = 0
    else:
        content = scval.to_native(value)
    return int(value.type), content
