"""API keys: the key in the headers, checked against the database.

Results are cached for a few seconds. A revoked key stops working on this gateway at once, and on
other gateways within seconds. Its open streams end just as fast.
"""

import asyncio
import contextlib
import hmac
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from chassis.identity import ROLE_MARKETPLACE, Identity
from gateway import keys
from gateway.keys import Key, KeyStore
from gateway.single_flight import SingleFlight
from kernel.errors import PermissionDenied, Unauthenticated, Unavailable

# The longest time that a key works here after another gateway has revoked it.
REMEMBERED_SECONDS = 5.0
REMEMBERED_MAX = 10_000
# The pause between two checks of an open stream's key, and the greatest age of a cached result in
# such a check. The two together are less than the limit above.
WATCH_SECONDS = 2.0
CALLER = "gateway"
# The length of an SHA-256 digest.
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
    """A valid credential. account: the name under which its requests are counted."""

    identity: Identity
    account: str
    key: Key | None = None

    def require(self, scope: str) -> None:
        """Check that the credential has the scope. Raises: ScopeMissing."""
        if scope not in self.identity.scopes:
            raise ScopeMissing(
                f"This API key needs the scope '{scope}'",
                details={
                    "required_scope": scope,
                    "current_scopes": sorted(self.identity.scopes),
                },
            )


class Staff(Protocol):
    """Checks the tokens of people of support."""

    def seems_support(self, token: str) -> bool:
        """Return whether a token claims to be of support. The token is not verified."""
        ...

    async def credential(self, token: str) -> Credential:
        """Verify a person of support's token. Raises: Unauthenticated; Unavailable."""
        ...


class KeyAuthenticator:
    """Checks API keys. Concurrent checks of one key share one read of the database."""

    def __init__(self, store: KeyStore) -> None:
        self.store = store
        self._known: SingleFlight[bytes, Credential] = SingleFlight(maximum=REMEMBERED_MAX)
        self._forgotten = asyncio.Event()

    async def authenticate(self, text: str) -> Credential:
        """Return the credential of a key.

        Raises: CredentialNotValid: the key is mistyped, unknown, revoked or expired.
        """
        marks = self.store.digests(text)
        known = self._known.recent(marks[0], seconds=REMEMBERED_SECONDS)
        if known is not None:
            return known
        key_id = keys.id_of(text)
        if key_id is None:
            raise CredentialNotValid("The API key is not valid")
        return await self._check(key_id, marks, seconds=REMEMBERED_SECONDS)

    async def until_ended(self, key: Key) -> None:
        """Return when a key is revoked or expired, or could not be checked for too long."""
        held_at = time.monotonic()
        while time.monotonic() - held_at < REMEMBERED_SECONDS:
            forgotten = self._forgotten
            try:
                async with asyncio.timeout(WATCH_SECONDS):
                    # Checked by id alone: the secret was checked before, and its digest may change.
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
        """Return the credential of a key; the cached result is at most `seconds` old.

        marks: the digests that may be stored for the key, the usual digest first. Empty: the key's
        secret was checked before and is not checked again.
        """
        mark = marks[0] if marks else b"seen before: " + key_id.encode()
        credential = await self._known.get(mark, lambda: self._ask(key_id, marks), seconds=seconds)
        if credential is None:
            if marks:
                # A wrong secret does not invalidate the cached result of the right secret.
                self._known.drop(mark)
            else:
                self._drop(key_id)
            raise CredentialNotValid("The API key is not valid")
        return credential

    def forget(self, key_id: str) -> None:
        """Drop the cached results of a revoked key."""
        self._drop(key_id)
        # Running lookups may still find the key valid, so their results must not be cached.
        self._known.disown()
        # Wake the open streams: they check their keys again.
        self._forgotten.set()
        self._forgotten = asyncio.Event()

    def _drop(self, key_id: str) -> None:
        self._known.drop_all(lambda known: known.key is not None and known.key.id == key_id)

    async def _ask(self, key_id: str, marks: Sequence[bytes]) -> Credential | None:
        key = await self.store.find(key_id)
        # Always compare, so that the time does not reveal whether the key exists.
        kept = key.digest if key is not None else bytes(DIGEST_BYTES)
        same = [mark for mark in marks if hmac.compare_digest(mark, kept)]
        if key is None or (marks and not same) or key.revoked_at is not None:
            return None
        if same and same[0] != marks[0]:
            # The stored digest uses the other pepper: replace it by the digest with the first
            # pepper. If the database accepts no writes now, the next use of the key replaces it.
            with contextlib.suppress(Unavailable):
                await self.store.digest_anew(key_id, old=same[0], new=marks[0])
            key = replace(key, digest=marks[0])
        if key.is_expired:
            return None
        identity = Identity(
            caller=CALLER,
            marketplace_id=key.marketplace_id,
            principal=f"key:{key.id}",
            role=ROLE_MARKETPLACE,
            scopes=key.scopes,
            environment=key.environment,
        )
        return Credential(identity=identity, account=f"key:{key.id}", key=key)


def anonymous() -> Identity:
    """Return the identity of a request without a credential."""
    return _ANONYMOUS


_ANONYMOUS = Identity(
    caller=CALLER, marketplace_id=uuid.UUID(int=0), principal="anonymous", role="none"
)
