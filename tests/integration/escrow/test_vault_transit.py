"""Keys wrapped by Vault's transit engine, tested against a fake of Vault's HTTP API."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pydantic
import pytest
from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from stellar_sdk import Keypair

from services.escrow.wallets.vault import KeyUnusable, Vault
from services.escrow.wallets.vault_login import GivenToken, KubernetesLogin
from services.escrow.wallets.vault_transit import VaultTransitKeyProvider
from tests.patience import PATIENCE_SECONDS, pauses
from tests.shop import until

TOKEN = "hvs.canary-token"
PAYLOAD = b"\x21" * 32


def given(token: str) -> GivenToken:
    """Return a login with a fixed token."""
    return GivenToken(lambda: pydantic.SecretStr(token))


@dataclass
class TransitEngine:
    """The transit engine with one key of several versions, and logins with a pod's account.

    tokens: those that it takes; account: the one that logs in; each login gives a new token, for
    `lease` seconds.
    """

    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    account: str = "account-1"
    lease: int = 3600
    logins: int = 0
    versions: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    sealed: bool = False
    url: str = ""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/transit/encrypt/wallets", self.encrypt),
            web.post("/v1/transit/decrypt/wallets", self.decrypt),
            web.post("/v1/auth/kubernetes/login", self.login),
        ]

    async def login(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.sealed:
            return web.json_response({"errors": ["Vault is sealed"]}, status=503)
        if body != {"role": "escrow", "jwt": self.account}:
            return web.json_response({"errors": ["permission denied"]}, status=403)
        self.logins += 1
        token = f"hvs.login-canary-{self.logins}"
        self.tokens.add(token)
        return web.json_response(
            {"auth": {"client_token": token, "lease_duration": self.lease, "renewable": True}}
        )

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
        if request.headers.get("X-Vault-Token") not in self.tokens:
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
        url=engine.url, login=given(TOKEN), key="wallets", timeout_seconds=2
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


async def test_rotated_key_rewraps_the_data_key_and_keeps_the_ciphertext(
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


async def test_sealed_vault_refuses_signatures(
    engine: TransitEngine, provider: VaultTransitKeyProvider
) -> None:
    vault = Vault(provider=provider)
    owner, sealed = await vault.create(marketplace_id="m1", wallet_id="w1")
    engine.sealed = True

    with pytest.raises(KeyUnusable, match="503"):
        await vault.sign(sealed, owner=owner, payload=PAYLOAD)


async def test_unreachable_vault_refuses_signatures() -> None:
    provider = VaultTransitKeyProvider(url="http://127.0.0.1:9", login=given(TOKEN), key="wallets")

    with pytest.raises(KeyUnusable, match="did not answer"):
        await Vault(provider=provider).create(marketplace_id="m1", wallet_id="w1")

    await provider.close()


async def test_token_is_not_shown_in_errors_or_reprs(engine: TransitEngine) -> None:
    wrong = VaultTransitKeyProvider(url=engine.url, login=given("hvs.wrong-canary"), key="wallets")

    with pytest.raises(KeyUnusable) as refusal:
        await Vault(provider=wrong).create(marketplace_id="m1", wallet_id="w1")

    assert "wrong-canary" not in f"{wrong!r} {refusal.value!r} {vars(wrong)!r}"
    await wrong.close()


async def test_key_wrapped_by_another_provider_is_not_sent_to_vault(
    provider: VaultTransitKeyProvider,
) -> None:
    vault = Vault(provider=provider)
    owner, sealed = await vault.create(marketplace_id="m1", wallet_id="w1")

    with pytest.raises(KeyUnusable, match="no key-encryption key local-1"):
        await vault.sign(replace(sealed, kek_id="local-1"), owner=owner, payload=PAYLOAD)


@pytest.fixture
def account_file(tmp_path: Path, engine: TransitEngine) -> Path:
    """The token of the pod's account, as Kubernetes keeps it."""
    path = tmp_path / "token"
    path.write_text(engine.account)
    return path


@pytest.fixture
async def pod(engine: TransitEngine, account_file: Path) -> AsyncIterator[VaultTransitKeyProvider]:
    """A provider that logs in as a pod does."""
    login = KubernetesLogin(
        url=engine.url,
        mount="kubernetes",
        role="escrow",
        account_file=account_file,
        timeout_seconds=2,
    )
    made = VaultTransitKeyProvider(url=engine.url, login=login, key="wallets", timeout_seconds=2)
    yield made
    await made.close()


def put(path: Path, text: str) -> None:
    """Write a file anew."""
    path.write_text(text)


async def sign(provider: VaultTransitKeyProvider) -> None:
    """Make a wallet and sign with it."""
    vault = Vault(provider=provider)
    owner, sealed = await vault.create(marketplace_id="m1", wallet_id="w1")
    signature = await vault.sign(sealed, owner=owner, payload=PAYLOAD)
    Keypair.from_public_key(owner.address).verify(PAYLOAD, signature)


async def test_a_pod_logs_in_once_for_many_requests(
    engine: TransitEngine, pod: VaultTransitKeyProvider
) -> None:
    await asyncio.gather(*(sign(pod) for _ in range(5)))

    assert engine.logins == 1


async def test_login_is_renewed_before_its_end_with_the_current_account_token(
    engine: TransitEngine, pod: VaultTransitKeyProvider, account_file: Path
) -> None:
    engine.lease = 1
    await sign(pod)
    engine.account = "account-2"
    put(account_file, "account-2\n")
    await waited(lambda: sign(pod), done=lambda: engine.logins >= 2)
    assert engine.tokens > {TOKEN, "hvs.login-canary-1"}


async def test_login_is_used_until_its_end_while_vault_is_sealed(
    engine: TransitEngine, pod: VaultTransitKeyProvider
) -> None:
    engine.lease = 2
    login = pod._login
    first = await login.token()
    engine.sealed = True

    # The renewal at half of the lease is refused; the old token is used until the lease ends.
    assert await login.token() == first
    with pytest.raises(KeyUnusable, match="refused a login: 503"):
        await waited(login.token, done=lambda: False)


async def test_token_revoked_by_vault_is_replaced_within_the_request(
    engine: TransitEngine, pod: VaultTransitKeyProvider
) -> None:
    await sign(pod)
    engine.tokens.clear()

    await sign(pod)

    assert engine.logins == 2


async def test_unknown_account_gets_no_login(
    engine: TransitEngine, pod: VaultTransitKeyProvider
) -> None:
    engine.account = "somebody-else"

    with pytest.raises(KeyUnusable, match="refused a login: 403") as refusal:
        await sign(pod)

    assert "account-1" not in f"{pod!r} {refusal.value!r} {vars(pod)!r}"


async def test_missing_account_token_prevents_the_login(
    pod: VaultTransitKeyProvider, account_file: Path
) -> None:
    put(account_file, "")

    with pytest.raises(KeyUnusable, match="cannot be read"):
        await sign(pod)


async def test_changed_token_file_is_read_again(engine: TransitEngine, tmp_path: Path) -> None:
    path = tmp_path / "sink"
    put(path, f"{TOKEN}\n")
    login = GivenToken.in_file(path)
    provider = VaultTransitKeyProvider(url=engine.url, login=login, key="wallets")
    await sign(provider)
    engine.tokens = {"hvs.second"}
    put(path, "hvs.second\n")

    async def signs() -> bool:
        try:
            await sign(provider)
        except KeyUnusable:
            return False
        return True

    await until(signs, what="the new token was not taken")
    await provider.close()


@pytest.mark.parametrize("text", ["", "two words", "\n"], ids=["empty", "two words", "a line"])
def test_token_file_without_a_token_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sink"
    path.write_text(text)

    with pytest.raises(ValueError, match="no token"):
        GivenToken.in_file(path)


async def waited(ask: Callable[[], Awaitable[object]], *, done: Callable[[], bool]) -> None:
    """Repeat a call until a condition is true. Raises: the errors of the call."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for pause in pauses():
            await ask()
            if done():
                return
            await asyncio.sleep(pause)
