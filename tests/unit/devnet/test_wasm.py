"""Wasm in the devnet's host: the functions it imports, with a small module made by hand.

Source of the functions' numbers and names: soroban-env-common, env.json.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import wasmtime
from stellar_sdk import scval, xdr

from devnet.chain import keys
from devnet.chain.instances import encode_instance
from devnet.chain.state import Entry
from devnet.conform.__main__ import main
from devnet.soroban.deploy import contract_address
from devnet.wasm.contract import UnreadableWasmError, WasmContract, WasmContracts, read
from devnet.wasm.vals import Objects, order
from tests.unit.devnet.world import IDENTITY, Answer, World, address

VECTORS = Path(__file__).parents[2] / "conformance" / "escrow_vectors.json"
MODULE = """(module
  (import "m" "9" (func $new_map (param i64 i64 i64) (result i64)))
  (import "m" "a" (func $unpack_map (param i64 i64 i64 i64) (result i64)))
  (import "m" "3" (func $map_len (param i64) (result i64)))
  (import "m" "5" (func $map_key (param i64 i64) (result i64)))
  (import "m" "6" (func $map_val (param i64 i64) (result i64)))
  (import "v" "_" (func $new_vec (result i64)))
  (import "v" "0" (func $vec_put (param i64 i64 i64) (result i64)))
  (import "v" "1" (func $vec_get (param i64 i64) (result i64)))
  (import "v" "3" (func $vec_len (param i64) (result i64)))
  (import "v" "6" (func $vec_push (param i64 i64) (result i64)))
  (import "v" "g" (func $vec_of (param i64 i64) (result i64)))
  (import "v" "h" (func $unpack_vec (param i64 i64 i64) (result i64)))
  (import "b" "k" (func $string_len (param i64) (result i64)))
  (import "b" "8" (func $bytes_len (param i64) (result i64)))
  (import "b" "i" (func $string_of (param i64 i64) (result i64)))
  (import "b" "j" (func $symbol_of (param i64 i64) (result i64)))
  (import "i" "6" (func $wide (param i64 i64) (result i64)))
  (import "i" "7" (func $low (param i64) (result i64)))
  (import "i" "8" (func $high (param i64) (result i64)))
  (import "x" "0" (func $compare (param i64 i64) (result i64)))
  (import "x" "1" (func $emit (param i64 i64) (result i64)))
  (import "x" "7" (func $self (result i64)))
  (import "a" "0" (func $auth (param i64) (result i64)))
  (import "a" "1" (func $parse (param i64) (result i64)))
  (import "l" "_" (func $write (param i64 i64 i64) (result i64)))
  (import "l" "0" (func $has (param i64 i64) (result i64)))
  (import "l" "1" (func $read (param i64 i64) (result i64)))
  (import "l" "7" (func $extend (param i64 i64 i64 i64) (result i64)))
  (import "l" "8" (func $extend_instance (param i64 i64) (result i64)))
  (import "l" "e" (func $create (param i64 i64 i64 i64) (result i64)))
  (import "d" "_" (func $call (param i64 i64 i64) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\40\\00\\00\\00\\01\\00\\00\\00\\41\\00\\00\\00\\01\\00\\00\\00")
  (data (i32.const 64) "ab")
  (func $u32 (param $n i64) (result i64)
    (i64.or (i64.shl (local.get $n) (i64.const 32)) (i64.const 4)))
  (func (export "echo") (param i64) (result i64) (local.get 0))
  (func (export "fail") (result i64) (i64.const 0x0700000003))
  (func (export "fail_as_host") (result i64) (i64.const 0x0300000303))
  (func (export "spin") (result i64) (loop (br 0)) (i64.const 2))
  (func (export "auth") (param i64) (result i64) (call $auth (local.get 0)))
  (func (export "keep") (param i64 i64) (result i64)
    (call $write (local.get 0) (local.get 1) (i64.const 1)))
  (func (export "kept") (param i64) (result i64)
    (call $read (local.get 0) (i64.const 1)))
  (func (export "has") (param i64) (result i64) (call $has (local.get 0) (i64.const 1)))
  (func (export "instance") (param i64) (result i64) (call $has (local.get 0) (i64.const 2)))
  (func (export "extend") (param i64 i64 i64) (result i64)
    (drop (call $extend_instance (local.get 1) (local.get 2)))
    (call $extend (local.get 0) (i64.const 1) (local.get 1) (local.get 2)))
  (func (export "pair") (param i64 i64) (result i64)
    (i64.store (i32.const 128) (local.get 0))
    (i64.store (i32.const 136) (local.get 1))
    (call $new_map (call $u32 (i64.const 0)) (call $u32 (i64.const 128)) (call $u32 (i64.const 2))))
  (func (export "unpair") (param i64) (result i64)
    (drop (call $unpack_map (local.get 0) (call $u32 (i64.const 0)) (call $u32 (i64.const 256))
      (call $u32 (i64.const 2))))
    (call $vec_of (call $u32 (i64.const 256)) (call $u32 (i64.const 2))))
  (func (export "first") (param i64) (result i64)
    (call $vec_push
      (call $vec_push (call $new_vec) (call $map_key (local.get 0) (call $u32 (i64.const 0))))
      (call $map_val (local.get 0) (call $u32 (i64.const 0)))))
  (func (export "map_len") (param i64) (result i64) (call $map_len (local.get 0)))
  (func (export "vec_len") (param i64) (result i64) (call $vec_len (local.get 0)))
  (func (export "vec_get") (param i64 i64) (result i64) (call $vec_get (local.get 0) (local.get 1)))
  (func (export "vec_put") (param i64 i64 i64) (result i64)
    (call $vec_put (local.get 0) (local.get 1) (local.get 2)))
  (func (export "swap") (param i64) (result i64)
    (drop (call $unpack_vec (local.get 0) (call $u32 (i64.const 512)) (call $u32 (i64.const 2))))
    (call $vec_push (call $vec_push (call $new_vec) (i64.load (i32.const 520)))
      (i64.load (i32.const 512))))
  (func (export "string_len") (param i64) (result i64) (call $string_len (local.get 0)))
  (func (export "bytes_len") (param i64) (result i64) (call $bytes_len (local.get 0)))
  (func (export "text") (result i64)
    (call $string_of (call $u32 (i64.const 64)) (call $u32 (i64.const 2))))
  (func (export "word") (result i64)
    (call $symbol_of (call $u32 (i64.const 64)) (call $u32 (i64.const 2))))
  (func (export "beyond") (result i64)
    (call $string_of (call $u32 (i64.const 65535)) (call $u32 (i64.const 2))))
  (func (export "rebuilt") (param i64) (result i64)
    (call $wide (call $high (local.get 0)) (call $low (local.get 0))))
  (func (export "compare") (param i64 i64) (result i64)
    (call $u32 (i64.add (call $compare (local.get 0) (local.get 1)) (i64.const 1))))
  (func (export "tell") (param i64 i64) (result i64)
    (call $emit (call $vec_push (call $new_vec) (local.get 0)) (local.get 1)))
  (func (export "self") (result i64) (call $self))
  (func (export "parse") (param i64) (result i64) (call $parse (local.get 0)))
  (func (export "create") (param i64 i64) (result i64)
    (call $create (call $self) (local.get 0) (local.get 1) (call $new_vec)))
  (func (export "call") (param i64 i64 i64) (result i64)
    (call $call (local.get 0) (local.get 1) (local.get 2))))"""
CODE = WasmContract(bytes(wasmtime.wat2wasm(MODULE)))
SELF = contract_address(
    deployer=IDENTITY.factory, salt=b"\x01" * 32, passphrase=IDENTITY.passphrase
)
BIG = scval.to_int128(-(2**100) + 3)


@pytest.fixture
def world() -> World:
    """A ledger on which the module is deployed at SELF."""
    world = World()
    contracts = WasmContracts(CODE, world.environment.contracts)
    world.environment = replace(world.environment, contracts=contracts)
    data = encode_instance(contract=SELF, wasm_hash=CODE.sha256)
    for key in (keys.instance(SELF), keys.code(CODE.sha256)):
        world.view.put(key, Entry(data, live_until=10**6))
    return world


def ask(world: World, function: str, *args: xdr.SCVal) -> Answer:
    return world.call(SELF, function, list(args))


def answered(world: World, function: str, *args: xdr.SCVal) -> xdr.SCVal:
    answer = ask(world, function, *args)
    assert answer.error is None
    assert answer.value is not None
    return answer.value


def u32(number: int) -> xdr.SCVal:
    return scval.to_uint32(number)


VALUES = [
    scval.to_bool(True),
    scval.to_bool(False),
    scval.to_void(),
    u32(2**32 - 1),
    scval.to_int32(-7),
    scval.to_uint64(3),
    scval.to_uint64(2**64 - 1),
    scval.to_int64(-3),
    scval.to_int64(-(2**63)),
    scval.to_uint128(2**127),
    scval.to_int128(2**55 - 1),
    scval.to_int128(-(2**55)),
    scval.to_int128(2**55),
    BIG,
    scval.to_symbol("short_9az"),
    scval.to_symbol("a_longer_symbol"),
    scval.to_string("text"),
    scval.to_bytes(b"\x00\xff"),
    scval.to_address(address("buyer")),
    scval.to_vec([u32(1), scval.to_vec([])]),
    scval.to_map({scval.to_symbol("a"): BIG, scval.to_symbol("b"): scval.to_void()}),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.type.name)
def test_values_pass_the_host_unchanged(world: World, value: xdr.SCVal) -> None:
    assert answered(world, "echo", value) == value
    objects = Objects()
    assert objects.get(objects.put(value)) == value


def test_errors_of_a_contract_are_returned_unchanged(world: World) -> None:
    assert ask(world, "fail").error == "Error(Contract, #7)"
    assert ask(world, "fail_as_host").error == "Error(Storage, MissingValue)"


def test_endless_or_mismatched_call_is_refused(world: World) -> None:
    assert ask(world, "spin").error == "Error(WasmVm, InvalidAction)"
    assert ask(world, "nothing").error == "Error(WasmVm, MissingValue)"
    assert ask(world, "memory").error == "Error(WasmVm, MissingValue)"
    assert ask(world, "echo").error == "Error(WasmVm, UnexpectedSize)"
    assert ask(world, "beyond").error == "Error(WasmVm, IndexBounds)"


def test_values_are_stored_and_extended(world: World) -> None:
    key = scval.to_vec([scval.to_symbol("Key")])
    assert answered(world, "has", key) == scval.to_bool(False)
    assert ask(world, "kept", key).error == "Error(Storage, MissingValue)"

    answered(world, "keep", key, BIG)

    assert answered(world, "kept", key) == BIG
    assert answered(world, "has", key) == scval.to_bool(True)
    answered(world, "extend", key, u32(2_500_000), u32(3_000_000))
    for stored in (keys.contract_data(SELF, key, keys.PERSISTENT), keys.instance(SELF)):
        entry = world.view.get(stored)
        assert entry is not None
        assert entry.live_until == world.view.sequence + 3_000_000
    assert ask(world, "instance", key).error == "Error(Storage, InternalError)"


def test_maps_and_vectors_work_like_on_the_host(world: World) -> None:
    pair = answered(world, "pair", u32(1), BIG)
    assert pair == scval.to_map({scval.to_symbol("a"): u32(1), scval.to_symbol("b"): BIG})
    assert answered(world, "unpair", pair) == scval.to_vec([u32(1), BIG])
    assert answered(world, "first", pair) == scval.to_vec([scval.to_symbol("a"), u32(1)])
    assert answered(world, "map_len", pair) == u32(2)
    other = scval.to_map({scval.to_symbol("a"): u32(1), scval.to_symbol("c"): BIG})
    assert ask(world, "unpair", other).error == "Error(Object, InvalidInput)"
    small = scval.to_map({scval.to_symbol("a"): u32(1)})
    assert ask(world, "unpair", small).error == "Error(Object, UnexpectedSize)"
    items = scval.to_vec([u32(1), u32(2)])
    assert answered(world, "vec_len", items) == u32(2)
    assert answered(world, "vec_get", items, u32(1)) == u32(2)
    assert ask(world, "vec_get", items, u32(2)).error == "Error(Object, IndexBounds)"
    assert answered(world, "vec_put", items, u32(0), u32(9)) == scval.to_vec([u32(9), u32(2)])
    assert answered(world, "swap", items) == scval.to_vec([u32(2), u32(1)])
    assert ask(world, "swap", scval.to_vec([])).error == "Error(Object, UnexpectedSize)"
    assert ask(world, "vec_len", pair).error == "Error(Value, UnexpectedType)"


def test_texts_and_numbers_work_like_on_the_host(world: World) -> None:
    assert answered(world, "text") == scval.to_string("ab")
    assert answered(world, "word") == scval.to_symbol("ab")
    assert answered(world, "string_len", scval.to_string("text")) == u32(4)
    assert answered(world, "bytes_len", scval.to_bytes(b"abc")) == u32(3)
    assert answered(world, "rebuilt", BIG) == BIG
    assert answered(world, "compare", u32(1), u32(2)) == u32(0)
    assert answered(world, "compare", BIG, BIG) == u32(1)
    buyer, seller = (scval.to_address(address(name)) for name in ("buyer", "seller"))
    first, second = sorted((buyer, seller), key=order)
    assert answered(world, "compare", second, first) == u32(2)


def test_contracts_require_auth_emit_events_and_know_their_address(world: World) -> None:
    done = ask(world, "auth", scval.to_address(address("buyer")))
    assert len(done.invocation.auth) == 1
    told = ask(world, "tell", scval.to_symbol("hello"), BIG).invocation.events
    assert [event.body.v0.data for event in told if event.body.v0 is not None] == [BIG]
    assert answered(world, "self") == scval.to_address(SELF)
    spelt = scval.to_string(address("buyer"))
    assert answered(world, "parse", spelt) == scval.to_address(address("buyer"))
    assert ask(world, "parse", scval.to_string("G")).error == "Error(Value, InvalidInput)"


def test_contracts_create_and_call_others(world: World) -> None:
    salt = b"\x02" * 32
    created = answered(world, "create", scval.to_bytes(CODE.sha256), scval.to_bytes(salt))
    expected = contract_address(deployer=SELF, salt=salt, passphrase=IDENTITY.passphrase)
    assert created == scval.to_address(expected)
    echo = [created, scval.to_symbol("echo"), scval.to_vec([BIG])]
    assert answered(world, "call", *echo) == BIG
    token = scval.to_address(IDENTITY.usdc_contract)
    balance = [scval.to_address(address("buyer"))]
    asked = [token, scval.to_symbol("balance"), scval.to_vec(balance)]
    assert answered(world, "call", *asked) == scval.to_int128(1_000 * 10**7)
    fail = [created, scval.to_symbol("fail"), scval.to_vec([])]
    assert ask(world, "call", *fail).error == "Error(Contract, #7)"


def test_other_builds_run_the_devnets_own_rules(world: World) -> None:
    assert world.fund(world.deploy(), 1).error is None


def test_a_module_that_imports_something_else_is_refused(world: World) -> None:
    strange = WasmContract(bytes(wasmtime.wat2wasm('(module (import "z" "9" (func)))')))
    world.environment = replace(
        world.environment, contracts=WasmContracts(strange, world.environment.contracts)
    )
    data = encode_instance(contract=SELF, wasm_hash=strange.sha256)
    world.view.put(keys.instance(SELF), Entry(data, live_until=10**6))

    with pytest.raises(UnreadableWasmError, match=r"z\.9"):
        ask(world, "echo", u32(1))


def test_invalid_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableWasmError):
        WasmContract(b"not wasm")
    with pytest.raises(UnreadableWasmError):
        read(tmp_path / "none.wasm")


def test_conform_takes_only_the_build_of_the_vectors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The module is no escrow, so every call on it is reported as different."""
    wasm = tmp_path / "escrow.wasm"
    wasm.write_bytes(wasmtime.wat2wasm(MODULE))
    assert main([str(VECTORS), "--wasm", str(wasm)]) == 2
    assert "SHA-256" in capsys.readouterr().err
    content = json.loads(VECTORS.read_text(encoding="utf-8"))
    content["contract"]["wasm_sha256"] = CODE.sha256.hex()
    content["cases"] = content["cases"][:1]
    vectors = tmp_path / "vectors.json"
    vectors.write_text(json.dumps(content), encoding="utf-8")

    assert main([str(vectors), "--wasm", str(wasm)]) == 1

    told = capsys.readouterr().out.splitlines()
    assert told[0] == "wasm: init-ok, step 1, refused: wanted nothing, came WasmVm/MissingValue"
    assert told[-1] == "0 of 1 cases hold; 1 differ"
