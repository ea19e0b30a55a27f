"""The functions that a contract's wasm imports: the host functions that the escrow's build needs.

A function is named by the letters of its module and its own. Source: soroban-env-common, env.json.
"""

from collections.abc import Callable, Mapping, Sized

import wasmtime
from stellar_sdk import StrKey, scval, xdr

from devnet.chain.addresses import from_sc_address, present
from devnet.soroban.deploy import create_contract
from devnet.soroban.errors import Code, Kind, host_error
from devnet.soroban.host import Host
from devnet.wasm.vals import Objects, Tag, order, signed, wrong_type

PERSISTENT, INSTANCE = 1, 2
WORD = 8


class Guest:
    """One running contract: its memory, its objects, and the host it calls."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.objects = Objects()
        self.memory: wasmtime.Memory | None = None
        self.store: wasmtime.Store | None = None

    def functions(self) -> Mapping[str, Callable[..., int | None]]:
        """Return the functions by module and name. A result of None means void."""
        return {
            **self._containers(),
            "b.k": lambda text: self._length(text, Tag.STRING),
            "b.8": lambda raw: self._length(raw, Tag.BYTES),
            "b.i": lambda place, size: self._text(place, size, scval.to_string),
            "b.j": lambda place, size: self._text(
                place, size, lambda raw: scval.to_symbol(raw.decode("ascii"))
            ),
            "i.6": self._wide,
            "i.7": lambda number: self._number(number) & (2**64 - 1),
            "i.8": lambda number: self._number(number) >> 64,
            "x.0": self._compare,
            "x.1": self._emit,
            "x.7": lambda: self.objects.put(scval.to_address(self.host.contract)),
            "a.0": lambda who: self.host.require_auth(self._address(who)),
            "a.1": self._parse_address,
            "l._": self._write,
            "l.0": self._has,
            "l.1": self._read,
            "l.7": self._extend,
            "l.8": self._extend_instance,
            "l.e": self._create,
            "d._": self._call,
        }

    def _containers(self) -> Mapping[str, Callable[..., int | None]]:
        objects = self.objects
        return {
            "m.3": lambda found: len(objects.pairs(found)) << 32 | Tag.U32,
            "m.5": lambda found, place: self._pair(found, place)[0],
            "m.6": lambda found, place: self._pair(found, place)[1],
            "m.9": self._new_map,
            "m.a": self._unpack_map,
            "v._": lambda: objects.keep(Tag.VEC, []),
            "v.0": self._replace,
            "v.1": lambda found, place: objects.vec(found)[self._place(place, objects.vec(found))],
            "v.3": lambda found: len(objects.vec(found)) << 32 | Tag.U32,
            "v.6": lambda found, item: objects.keep(Tag.VEC, [*objects.vec(found), item]),
            "v.g": lambda place, size: objects.keep(Tag.VEC, self._words(place, size)),
            "v.h": self._unpack_vec,
        }

    # Memory.

    def _u32(self, val: int) -> int:
        if val & 0xFF != Tag.U32:
            raise wrong_type("U32")
        return val >> 32

    def _bytes(self, place: int, size: int) -> bytes:
        memory, store = present(self.memory), present(self.store)
        if place + size > memory.data_len(store):
            raise host_error(Kind.SCE_WASM_VM, Code.SCEC_INDEX_BOUNDS, "beyond the memory")
        return bytes(memory.read(store, place, place + size))

    def _words(self, place: int, size: int) -> list[int]:
        raw = self._bytes(self._u32(place), WORD * self._u32(size))
        return [int.from_bytes(raw[n : n + WORD], "little") for n in range(0, len(raw), WORD)]

    def _slices(self, place: int, size: int) -> list[bytes]:
        """Read texts by an array of their positions (the low half) and lengths."""
        words = self._words(place, size)
        return [self._bytes(word & 0xFFFFFFFF, word >> 32) for word in words]

    def _store_words(self, place: int, words: list[int]) -> None:
        raw = b"".join(word.to_bytes(WORD, "little") for word in words)
        present(self.memory).write(present(self.store), raw, self._u32(place))

    # Vectors, maps, texts, numbers.

    def _place(self, place: int, items: Sized) -> int:
        number = self._u32(place)
        if number >= len(items):
            raise host_error(Kind.SCE_OBJECT, Code.SCEC_INDEX_BOUNDS, "index out of bounds")
        return number

    def _pair(self, found: int, place: int) -> tuple[int, int]:
        pairs = self.objects.pairs(found)
        return pairs[self._place(place, pairs)]

    def _replace(self, found: int, place: int, item: int) -> int:
        items = self.objects.vec(found)
        items[self._place(place, items)] = item
        return self.objects.keep(Tag.VEC, items)

    def _new_map(self, names: int, values: int, size: int) -> int:
        found = self._slices(names, size)
        if sorted(set(found)) != found:
            raise host_error(Kind.SCE_OBJECT, Code.SCEC_INVALID_INPUT, "names are not sorted")
        symbols = [self.objects.put(scval.to_symbol(name.decode("ascii"))) for name in found]
        return self.objects.keep(
            Tag.MAP, list(zip(symbols, self._words(values, size), strict=True))
        )

    def _unpack_map(self, found: int, names: int, values: int, size: int) -> None:
        pairs = self.objects.pairs(found)
        if len(pairs) != self._u32(size):
            note = "differing host map and output slice lengths"
            raise host_error(Kind.SCE_OBJECT, Code.SCEC_UNEXPECTED_SIZE, note)
        for (key, _), name in zip(pairs, self._slices(names, size), strict=True):
            symbol = self.objects.get(key).sym
            if symbol is None or symbol.sc_symbol != name:
                raise host_error(Kind.SCE_OBJECT, Code.SCEC_INVALID_INPUT, f"no key {name!r}")
        self._store_words(values, [item for _, item in pairs])

    def _unpack_vec(self, found: int, place: int, size: int) -> None:
        items = self.objects.vec(found)
        if len(items) != self._u32(size):
            raise host_error(Kind.SCE_OBJECT, Code.SCEC_UNEXPECTED_SIZE, "another length")
        self._store_words(place, items)

    def _length(self, found: int, tag: Tag) -> int:
        value = self.objects.leaf(found, tag)
        raw = value.bytes.sc_bytes if value.bytes is not None else present(value.str).sc_string
        return len(raw) << 32 | Tag.U32

    def _text(self, place: int, size: int, build: Callable[[bytes], xdr.SCVal]) -> int:
        return self.objects.put(build(self._bytes(self._u32(place), self._u32(size))))

    def _wide(self, high: int, low: int) -> int:
        return self.objects.keep(Tag.I128, scval.to_int128(signed(high) << 64 | low))

    def _number(self, number: int) -> int:
        return scval.from_int128(self.objects.leaf(number, Tag.I128))

    def _compare(self, one: int, other: int) -> int:
        first, second = order(self.objects.get(one)), order(self.objects.get(other))
        return (first > second) - (first < second)

    # The host.

    def _address(self, val: int) -> str:
        address = present(self.objects.leaf(val, Tag.ADDRESS).address)
        return from_sc_address(address).account

    def _parse_address(self, text: int) -> int:
        spelt = present(self.objects.leaf(text, Tag.STRING).str).sc_string.decode("ascii")
        if not (StrKey.is_valid_ed25519_public_key(spelt) or StrKey.is_valid_contract(spelt)):
            raise host_error(Kind.SCE_VALUE, Code.SCEC_INVALID_INPUT, "not an address")
        return self.objects.put(scval.to_address(spelt))

    def _emit(self, topics: int, data: int) -> None:
        self.host.emit(
            [self.objects.get(item) for item in self.objects.vec(topics)], self.objects.get(data)
        )

    def _write(self, key: int, value: int, durability: int) -> None:
        _require_persistent(durability)
        self.host.write(self.objects.get(key), self.objects.get(value))

    def _has(self, key: int, durability: int) -> int:
        _require_persistent(durability)
        return Tag.FALSE if self.host.read(self.objects.get(key)) is None else Tag.TRUE

    def _read(self, key: int, durability: int) -> int:
        _require_persistent(durability)
        found = self.host.read(self.objects.get(key))
        if found is None:
            raise host_error(Kind.SCE_STORAGE, Code.SCEC_MISSING_VALUE, "nothing is stored")
        return self.objects.put(found)

    def _extend(self, key: int, durability: int, threshold: int, extend_to: int) -> None:
        _require_persistent(durability)
        self.host.extend(
            self.objects.get(key), threshold=self._u32(threshold), extend_to=self._u32(extend_to)
        )

    def _extend_instance(self, threshold: int, extend_to: int) -> None:
        self.host.extend_instance(threshold=self._u32(threshold), extend_to=self._u32(extend_to))

    def _create(self, deployer: int, wasm_hash: int, salt: int, arguments: int) -> int:
        if self._address(deployer) != self.host.contract:
            raise host_error(Kind.SCE_AUTH, Code.SCEC_INVALID_ACTION, "another deployer")
        address = create_contract(
            self.host,
            wasm_hash=scval.from_bytes(self.objects.leaf(wasm_hash, Tag.BYTES)),
            salt=scval.from_bytes(self.objects.leaf(salt, Tag.BYTES)),
            arguments=[self.objects.get(item) for item in self.objects.vec(arguments)],
        )
        return self.objects.put(scval.to_address(address))

    def _call(self, contract: int, function: int, arguments: int) -> int:
        name = present(self.objects.get(function).sym).sc_symbol.decode("ascii")
        values = [self.objects.get(item) for item in self.objects.vec(arguments)]
        return self.objects.put(self.host.call(self._address(contract), name, values))


def _require_persistent(durability: int) -> None:
    """Refuse kinds of storage that the escrow's build does not use."""
    if durability != PERSISTENT:
        note = "only persistent storage is there for wasm"
        raise host_error(Kind.SCE_STORAGE, Code.SCEC_INTERNAL_ERROR, note)
