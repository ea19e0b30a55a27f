"""Who calls: the credential in the headers, checked against what is known of it.

Answers are remembered for a few seconds, so that a revoked key stops working at once here and
within seconds on other gateways; streams that it has open end as fast.
"""

import asyncio
import contextlib
import hmac
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chassis.identity import ROLE_MARKETPLACE, Identity
from gateway import keys
from gateway.keys import Key, KeyStore
from kernel.errors import PermissionDenied, Unauthenticated, Unavailable

# The longest another gateway's revocation may go unnoticed here.
REMEMBERED_SECONDS = 5.0
REMEMBERED_MAX = 10_000
# How often the key of an open stream is looked at, and how old what is remembered of it may be:
# both together are less than the promise above.
WATCH_SECONDS = 2.0
CALLER = "gateway"
# Of SHA-256.
DIGEST_BYTES = 32


class CredentialMissing(Unauthenticated):
    """The request carries no credential."""

    reason = "UNAUTHORIZED"


class CredentialNotValid(Unauthenticated):
    """The API key is unknown, expired or revoked."""

    reason = "INVALID_API_KEY"


class ScopeMissing(PermissionDenied):
    """The credential lacks the scope that this route requires."""

    reason = "INSUFFICIENT_SCOPE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A credential that held. account: whose requests are counted; environment: live or test."""

    identity: Identity
    account: str
    key: Key | None = None

    def require(self, scope: str) -> None:
        """Refuse a credential without the scope. Raises: ScopeMissing."""
        if scope not in self.identity.scopes:
            raise ScopeMissing(
                f"This API key needs the scope '{scope}'",
                details={
                    "required_scope": scope,
                    "current_scopes": sorted(self.identity.scopes),
                },
            )


class KeyAuthenticator:
    """Checks API keys; concurrent checks of one key look into the database once."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store
        self._known: dict[bytes, tuple[float, Credential]] = {}
        self._asking: dict[bytes, asyncio.Task[Credential | None]] = {}
        self._forgotten = asyncio.Event()

    async def authenticate(self, text: str) -> Credential:
        """Return whom a key stands for.

        Raises: CredentialNotValid: mistyped, unknown, revoked or expired.
        """
        key_id = keys.id_of(text)
        if key_id is None:
            raise CredentialNotValid("The API key is not valid")
        marks = self.store.digests(text)
        return await self._check(key_id, marks, seconds=REMEMBERED_SECONDS)

    async def until_ended(self, key: Key) -> None:
        """Wait until a key is revoked or expires, or for too long nobody can say that it is not."""
        held_at = time.monotonic()
        while time.monotonic() - held_at < REMEMBERED_SECONDS:
            forgotten = self._forgotten
            try:
                async with asyncio.timeout(WATCH_SECONDS):
                    # Its secret was seen; its digest may be replaced by now.
                    await self._check(key.id, (), seconds=WATCH_SECONDS)
                held_at = time.monotonic()
            except CredentialNotValid:
                return
            except (Unavailable, TimeoutError):
                pass
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await forgotten.wait()

    async def _check(self, key_id: str, marks: Sequence[bytes], *, seconds: float) -> Credential:
        """Return whom a key stands for, as it was at most so many seconds ago.

        marks: what may be kept of it, the usual one first; none: its secret was seen before.
        """
        mark = marks[0] if marks else b"seen before: " + key_id.encode()
        known = self._known.get(mark)
        if known is not None and known[0] + seconds > time.monotonic():
            return known[1]
        credential = await self._ask_once(key_id, mark, marks)
        if credential is None:
            if marks:
                # A wrong secret says nothing of the right one.
                self._known.pop(mark, None)
            else:
                self._drop(key_id)
            raise CredentialNotValid("The API key is not valid")
        return credential

    def forget(self, key_id: str) -> None:
        """Stop trusting what is remembered of a key: it was revoked."""
        self._drop(key_id)
        self._asking.clear()
        # Whoever watches a key looks again.
        self._forgotten.set()
        self._forgotten = asyncio.Event()

    def _drop(self, key_id: str) -> None:
        for mark, (_, credential) in list(self._known.items()):
            if credential.key is not None and credential.key.id == key_id:
                del self._known[mark]

    async def _ask_once(
        self, key_id: str, mark: bytes, marks: Sequence[bytes]
    ) -> Credential | None:
        asking = self._asking.get(mark)
        if asking is None:
            asking = asyncio.create_task(self._ask(key_id, marks))
            self._asking[mark] = asking
            asking.add_done_callback(lambda task: self._answered(mark, task))
        return await asyncio.shield(asking)

    async def _ask(self, key_id: str, marks: Sequence[bytes]) -> Credential | None:
        key = await self.store.find(key_id)
        # Compared even where there is no such key, so that both take the same time.
        kept = key.digest if key is not None else bytes(DIGEST_BYTES)
        same = [mark for mark in marks if hmac.compare_digest(mark, kept)]
        if key is None or (marks and not same) or key.revoked_at is not None:
            return None
        if same and same[0] != marks[0]:
            # Hashed with the other pepper: from now on with the one that is to stay.
            # Where nothing can be written, the next use does it.
            with contextlib.suppress(Unavailable):
                await self.store.digest_anew(key_id, old=same[0], new=marks[0])
            key = replace(key, digest=marks[0])
        if key.is_expired:
            return None
        return _credential(key)

    def _answered(self, mark: bytes, task: asyncio.Task[Credential | None]) -> None:
        if self._asking.get(mark) is not task:
            return  # revoked while the database was asked: what it said is not to be remembered
        del self._asking[mark]
        if task.cancelled() or task.exception() is not None:
            return
        if (credential := task.result()) is not None:
            if len(self._known) >= REMEMBERED_MAX:
                self._known.clear()
            self._known[mark] = (time.monotonic(), credential)


def _credential(key: Key) -> Credential:
    identity = Identity(
        caller=CALLER,
        marketplace_id=key.marketplace_id,
        principal=f"key:{key.id}",
        role=ROLE_MARKETPLACE,
        scopes=key.scopes,
    )
    return Credential(identity=identity, account=f"key:{key.id}", key=key)


def anonymous() -> Identity:
    """Return the identity of a request that needs no credential."""
    return Identity(
        caller=CALLER, marketplace_id=uuid.UUID(int=0), principal="anonymous", role="none"
    )
