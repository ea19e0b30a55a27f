"""Keys under Vault's transit engine, against a server that answers as its HTTP API does."""

import base64
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pydantic
import pytest
from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from stellar_sdk import Keypair

from services.escrow.vault import KeyUnusable, Vault
from services.escrow.vault_transit import VaultTransitKeyProvider

TOKEN = "hvs.canary-token"
PAYLOAD = b"\x21" * 32


@dataclass
class TransitEngine:
    """The transit engine with one key of several versions."""

    versions: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    sealed: bool = False
    url: str = ""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/transit/encrypt/wallets", self.encrypt),
            web.post("/v1/transit/decrypt/wallets", self.decrypt),
        ]

    async def encrypt(self, request: web.Request) -> web.Response:
        body = await request.json()
        if (refusal := self._refusal(request)) is not None:
            return refusal
        nonce = os.urandom(12)
        plaintext, context = (base64.b64decode(body[n]) for n in ("plaintext", "associated_data"))
        sealed = nonce + AESGCM(self.versions[-1]).encrypt(nonce, plaintext, context)
        text = f"vault:v{len(self.versions)}:{base64.b64encode(sealed).decode()}"
        return web.json_response({"data": {"ciphertext": text}})

    async def decrypt(self, request: web.Request) -> web.Response:
        body = await request.json()
        if (refusal := self._refusal(request)) is not None:
            return refusal
        try:
            _, version, text = body["ciphertext"].split(":")
            raw, context = base64.b64decode(text), base64.b64decode(body["associated_data"])
            key = AESGCM(self.versions[int(version[1:]) - 1])
            plaintext = key.decrypt(raw[:12], raw[12:], context)
        except (ValueError, InvalidTag):
            return web.json_response({"errors": ["message authentication failed"]}, status=400)
        return web.json_response({"data": {"plaintext": base64.b64encode(plaintext).decode()}})

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.sealed:
            return web.json_response({"errors": ["Vault is sealed"]}, status=503)
        if request.headers.get("X-Vault-Token") != TOKEN:
            return web.json_response({"errors": ["permission denied"]}, status=403)
        return None


@pytest.fixture
async def engine() -> AsyncIterator[TransitEngine]:
    made = TransitEngine()
    application = web.Application()
    application.add_routes(made.routes())
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def provider(engine: TransitEngine) -> AsyncIterator[VaultTransitKeyProvider]:
    made = VaultTransitKeyProvider(
        url=engine.url, token=pydantic.SecretStr(TOKEN), key="wallets", timeout_seconds=2
    )
    yield made
    await made.close()


async def test_a_wallet_signs_with_a_key_that_vault_wrapped(
    provider: VaultTransitKeyProvider,
) -> None:
    vault = Vault(provider=provider)
    owner, sealed = await vault.create(marketplace_id="m1", wallet_id="w1")

    signature = await vault.sign(sealed, owner=owner, payload=PAYLOAD)

    Keypair.from_public_key(owner.address).verify(PAYLOAD, signature)
    assert sealed.kek_id == "transit:wallets"
    assert sealed.wrapped_data_key.startswith(b"vault:v1:")


async def test_vault_itself_refuses_a_key_of_another_wallet(
    provider: VaultTransitKeyProvider,
) -> None:
    vault = Vault(provider=provider)
    owner, sealed = await vault.create(marketplace_id="m1", wallet_id="w1")

    with pytest.raises(KeyUnusable, match="Vault refused to decrypt: 400"):
        await vault.sign(sealed, owner=replace(owner, wallet_id="w2"), payload=PAYLOAD)


async def test_a_rotated_key_wraps_anew_and_the_ciphertext_stays(
    engine: TransitEngine, provider: VaultTransitKeyProvider
) -> None:
    vault = Vault(provider=provider)
    owner, sealed = await vault.create(marketplace_id="m1", wallet_id="w1")
    engine.versions.append(os.urandom(32))

    rewrapped = await vault.rewrap(sealed, owner=owner)
    signature = await vault.sign(rewrapped, owner=owner, payload=PAYLOAD)

    assert rewrapped.wrapped_data_key.startswith(b"vault:v2:")
    assert rewrapped.ciphertext == sealed.ciphertext
    Keypair.from_public_key(owner.address).verify(PAYLOAD, signature)


async def test_a_sealed_vault_means_no_signature(
    engine: TransitEngine, provider: VaultTransitKeyProvider
) -> None:
    vault = Vault(provider=provider)
    owner, sealed = await vault.create(marketplace_id="m1", wallet_id="w1")
    engine.sealed = True

    with pytest.raises(KeyUnusable, match="503"):
        await vault.sign(sealed, owner=owner, payload=PAYLOAD)


async def test_a_vault_that_is_away_means_no_signature() -> None:
    provider = VaultTransitKeyProvider(
        url="http://127.0.0.1:9", token=pydantic.SecretStr(TOKEN), key="wallets"
    )

    with pytest.raises(KeyUnusable, match="did not answer"):
        await Vault(provider=provider).create(marketplace_id="m1", wallet_id="w1")

    await provider.close()


async def test_the_token_is_shown_nowhere(engine: TransitEngine) -> None:
    wrong = VaultTransitKeyProvider(
        url=engine.url, token=pydantic.SecretStr("hvs.wrong-canary"), key="wallets"
    )

    with pytest.raises(KeyUnusable) as refusal:
        await Vault(provider=wrong).create(marketplace_id="m1", wallet_id="w1")

    assert "wrong-canary" not in f"{wrong!r} {refusal.value!r} {vars(wrong)!r}"
    await wrong.close()


async def test_a_key_that_another_provider_wrapped_is_not_asked_for(
    provider: VaultTransitKeyProvider,
) -> None:
    vault = Vault(provider=provider)
    owner, sealed = await vault.create(marketplace_id="m1", wallet_id="w1")

    with pytest.raises(KeyUnusable, match="no key-encryption key local-1"):
        await vault.sign(replace(sealed, kek_id="local-1"), owner=owner, payload=PAYLOAD)
