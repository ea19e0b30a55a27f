"""The vault: a sealed key opens only for its own wallet, and no secret is ever printed."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import Keypair
from stellar_sdk.exceptions import BadSignatureError

from services.escrow.wallets.vault import (
    KeyFileRefused,
    KeyOwner,
    KeyUnusable,
    LocalFileKeyProvider,
    SealedKey,
    Vault,
)

PAYLOAD = b"\x11" * 32
OLD, NEW = b"\x01" * 32, b"\x02" * 32


def a_vault(**keys: bytes) -> Vault:
    return Vault(provider=LocalFileKeyProvider(read=lambda: keys or {"k1": OLD}))


async def a_key(vault: Vault, *, wallet_id: str = "w1") -> tuple[KeyOwner, SealedKey]:
    return await vault.create(marketplace_id="m1", wallet_id=wallet_id)


def flipped(data: bytes, *, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def with_bytes(sealed: SealedKey, name: str, data: bytes) -> SealedKey:
    fields: dict[str, Any] = {name: data}
    return replace(sealed, **fields)


async def test_a_signature_verifies_under_the_wallets_address() -> None:
    vault = a_vault()
    owner, sealed = await a_key(vault)

    signature = await vault.signer(sealed, owner=owner).sign(payload=PAYLOAD)

    Keypair.from_public_key(owner.address).verify(PAYLOAD, signature)


async def test_an_imported_secret_keeps_its_address() -> None:
    keypair = Keypair.random()
    vault = a_vault()

    owner, sealed = await vault.import_secret(keypair.secret, marketplace_id="", wallet_id="p")
    signature = await vault.sign(sealed, owner=owner, payload=PAYLOAD)

    assert owner.address == keypair.public_key
    assert signature == keypair.sign(PAYLOAD)


@pytest.mark.parametrize("change", ["last", "empty", "address", "junk"])
async def test_text_that_is_no_secret_is_refused_without_printing_it(change: str) -> None:
    secret = Keypair.random().secret
    wrong = {
        "last": secret[:-1] + ("A" if secret[-1] != "A" else "B"),
        "empty": "",
        "address": Keypair.random().public_key,
        "junk": "ß" * 56,
    }[change]

    with pytest.raises(ValueError, match="not a secret key"):
        await a_vault().import_secret(wrong, marketplace_id="", wallet_id="p")


async def test_sealed_keys_with_swapped_ciphertexts_do_not_open() -> None:
    vault = a_vault()
    one, sealed_one = await a_key(vault, wallet_id="w1")
    two, sealed_two = await a_key(vault, wallet_id="w2")

    for sealed, owner in ((sealed_one, two), (sealed_two, one)):
        with pytest.raises(KeyUnusable):
            await vault.sign(sealed, owner=owner, payload=PAYLOAD)
    mixed = replace(sealed_one, ciphertext=sealed_two.ciphertext, nonce=sealed_two.nonce)
    with pytest.raises(KeyUnusable):
        await vault.sign(mixed, owner=one, payload=PAYLOAD)


@pytest.mark.parametrize("field", ["marketplace_id", "wallet_id", "address"])
async def test_sealed_key_of_another_owner_does_not_open(field: str) -> None:
    vault = a_vault()
    owner, sealed = await a_key(vault)
    other = replace(owner, **{field: Keypair.random().public_key})

    with pytest.raises(KeyUnusable):
        await vault.sign(sealed, owner=other, payload=PAYLOAD)


async def test_owner_fields_with_shifted_boundaries_do_not_open() -> None:
    vault = a_vault()
    owner, sealed = await vault.create(marketplace_id="m1", wallet_id="2w")
    shifted = replace(owner, marketplace_id="m12", wallet_id="w")

    with pytest.raises(KeyUnusable):
        await vault.sign(sealed, owner=shifted, payload=PAYLOAD)


async def test_sealed_key_with_another_version_or_wrapping_key_does_not_open() -> None:
    vault = a_vault(k1=OLD, k2=OLD)
    owner, sealed = await a_key(vault)

    for changed in (
        replace(sealed, version=2),
        replace(sealed, kek_id="k1"),
        replace(sealed, kek_id="gone"),
    ):
        with pytest.raises(KeyUnusable):
            await vault.sign(changed, owner=owner, payload=PAYLOAD)


async def test_sealed_key_with_any_changed_byte_does_not_open() -> None:
    vault = a_vault()
    owner, sealed = await a_key(vault)
    changed = [
        with_bytes(sealed, name, flipped(data, at=at))
        for name in ("wrapped_data_key", "nonce", "ciphertext")
        for data in [getattr(sealed, name)]
        for at in range(len(data))
    ]

    for each in changed:
        with pytest.raises(KeyUnusable):
            await vault.sign(each, owner=owner, payload=PAYLOAD)

    # 12 + 32 + 16 bytes wrapped, 12 of nonce, 32 + 16 of ciphertext.
    assert len(changed) == 120


async def test_sealed_key_with_an_empty_field_does_not_open() -> None:
    vault = a_vault()
    owner, sealed = await a_key(vault)

    for name in ("wrapped_data_key", "nonce", "ciphertext"):
        with pytest.raises(KeyUnusable):
            await vault.sign(with_bytes(sealed, name, b""), owner=owner, payload=PAYLOAD)


async def test_rewrap_changes_the_wrapped_data_key_and_keeps_the_ciphertext() -> None:
    owner, sealed = await a_key(a_vault(k1=OLD))
    rotating = a_vault(k1=OLD, k2=NEW)

    rewrapped = await rotating.rewrap(sealed, owner=owner)
    signature = await a_vault(k2=NEW).sign(rewrapped, owner=owner, payload=PAYLOAD)

    assert (rewrapped.kek_id, sealed.kek_id) == ("k2", "k1")
    assert (rewrapped.ciphertext, rewrapped.nonce) == (sealed.ciphertext, sealed.nonce)
    assert rewrapped.wrapped_data_key != sealed.wrapped_data_key
    Keypair.from_public_key(owner.address).verify(PAYLOAD, signature)


async def test_signature_is_valid_for_its_payload_only() -> None:
    vault = a_vault()
    owner, sealed = await a_key(vault)

    signature = await vault.sign(sealed, owner=owner, payload=PAYLOAD)

    with pytest.raises(BadSignatureError):
        Keypair.from_public_key(owner.address).verify(b"\x12" * 32, signature)


async def test_nothing_prints_a_seed(caplog: pytest.LogCaptureFixture) -> None:
    keypair = Keypair.random()
    seed = keypair.raw_secret_key()
    provider = LocalFileKeyProvider(read=lambda: {"k1": OLD})
    vault = Vault(provider=provider)
    owner, sealed = await vault.import_secret(keypair.secret, marketplace_id="", wallet_id="p")
    signer = vault.signer(sealed, owner=owner)
    with pytest.raises(KeyUnusable) as refusal:
        await vault.sign(replace(sealed, version=9), owner=owner, payload=PAYLOAD)

    shown = " ".join(
        [repr(x) for x in (provider, vault, owner, sealed, signer, refusal.value)]
        + [str(refusal.getrepr(showlocals=False)), caplog.text]
    )

    for secret in (keypair.secret, seed.hex(), repr(seed)[2:-1], OLD.hex(), repr(OLD)[2:-1]):
        assert secret not in shown


def test_key_file_is_created_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "escrow.key"

    with ThreadPoolExecutor(max_workers=8) as pool:
        starts = [pool.submit(LocalFileKeyProvider.open, path, production=False) for _ in range(8)]
    first, last = (Vault(provider=start.result()) for start in (starts[0], starts[-1]))
    owner, sealed = asyncio.run(a_key(first))
    signature = asyncio.run(last.sign(sealed, owner=owner, payload=PAYLOAD))

    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["escrow.key"]
    Keypair.from_public_key(owner.address).verify(PAYLOAD, signature)


def test_a_key_file_is_refused_in_production(tmp_path: Path) -> None:
    with pytest.raises(KeyFileRefused, match="ENV=prod"):
        LocalFileKeyProvider.open(tmp_path / "escrow.key", production=True)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "k1 00", f"k1 {'zz' * 32}", f" {'00' * 32}"])
def test_a_broken_key_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "escrow.key"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(KeyFileRefused, match="KEY_FILE: "):
        LocalFileKeyProvider.open(path, production=False)


def test_a_key_file_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "escrow.key"
    LocalFileKeyProvider.open(path, production=False)
    path.chmod(0o640)

    with pytest.raises(KeyFileRefused, match="0600"):
        LocalFileKeyProvider.open(path, production=False)
