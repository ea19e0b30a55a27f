"""API keys: their format, and the table that stores an HMAC of each key.

A key is shown once, when it is created. An operator creates, lists and revokes keys with
`keytool.py`, a marketplace with /api/v1/auth/api-keys.
"""

import datetime as dt
import hmac
import re
import secrets
import uuid
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from chassis.audit import Change, Trail
from chassis.database import Database, Transaction
from chassis.idempotency import KEPT, Idempotency, RequestKey
from chassis.telemetry import logger
from gateway.errors import invalid_cursor
from kernel.errors import NotFound
from kernel.ids import ALPHABET, new_id

READ, WRITE, SUPPORT, ADMIN = "read", "write", "support", "admin"
SCOPES = (READ, WRITE, SUPPORT, ADMIN)
ENVIRONMENTS = ("live", "test")
PREFIX = "ohk_"
_ID_LENGTH, _SECRET_LENGTH, _CHECK_LENGTH = 12, 32, 6
_SALT_LENGTH = 32
_ID = re.compile(r"[0-9A-Za-z]{12}", re.ASCII)
_KEY = re.compile(r"ohk_(live|test)_([0-9A-Za-z]{12})_[0-9A-Za-z]{32}([0-9A-Za-z]{6})", re.ASCII)
# Salts are kept a little longer than the requests that can need them.
_SALT_KEPT = KEPT + dt.timedelta(hours=1)
log = logger()


class KeyNotFound(NotFound):
    """The API key does not exist."""

    reason = "API_KEY_NOT_FOUND"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key, as stored."""

    id: str
    marketplace_id: uuid.UUID
    marketplace: str
    environment: str
    name: str
    scopes: frozenset[str]
    digest: bytes
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None
    # By the database's clock, at the time of the read.
    is_expired: bool = False


def make(environment: str, *, seed: bytes | None = None) -> tuple[str, str]:
    """Create a key; returns its id and its text (190 random bits, with a CRC-32 at the end).

    seed: 64 secret bytes from which the key is derived: the same seed gives the same key.
    """
    number = int.from_bytes(seed if seed is not None else secrets.token_bytes(64), "big")
    number, key_id = _base62(number, _ID_LENGTH)
    number, secret = _base62(number, _SECRET_LENGTH)
    body = f"{PREFIX}{environment}_{key_id}_{secret}"
    return key_id, body + _checksum(body)


def id_of(text: str) -> str | None:
    """Return the id in a key's text; None if the text is not a key or was mistyped.

    The checksum refuses other texts without a read of the database.
    """
    match = _KEY.fullmatch(text)
    if match is None or _checksum(text[:-_CHECK_LENGTH]) != match[3]:
        return None
    return match[2]


def digest(text: str, *, pepper: str) -> bytes:
    """Return the digest of a key, as stored."""
    return hmac.digest(pepper.encode(), text.encode(), "sha256")


def seed(salt: bytes, *, pepper: str) -> bytes:
    """Return the seed from which a key is derived."""
    return hmac.digest(pepper.encode(), b"api key\n" + salt, "sha512")


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECK_LENGTH)[1]


def _base62(number: int, length: int) -> tuple[int, str]:
    """Convert the low part of a number into base62; returns the rest and the characters."""
    characters = []
    for _ in range(length):
        number, value = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[value])
    return number, "".join(reversed(characters))


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A created key with its text. replayed: an earlier attempt of this request created it."""

    key: Key
    text: str
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """A revoked key. replayed: an earlier attempt of this request revoked it."""

    key: Key
    replayed: bool


class KeyStore:
    """Keys in PostgreSQL. Each method uses its own transactions and may raise Unavailable."""

    def __init__(self, database: Database, *, pepper: str, also: str = "") -> None:
        """pepper: for the digests of keys. also: a second pepper that digests may use."""
        self._database = database
        self._peppers = (pepper, also) if also else (pepper,)
        self._idempotency = Idempotency()
        self._trail = Trail()

    async def marketplace(self, name: str, *, environment: str) -> uuid.UUID:
        """Return a marketplace's id. Creates the marketplace if it does not exist."""
        values = {"id": new_id(), "name": name, "environment": environment}
        async with self._database.transaction() as tx:
            await tx.run(_ADD_MARKETPLACE, values)
            found: uuid.UUID | None = await tx.fetchval(_FIND_MARKETPLACE, values)
        if found is None:
            raise RuntimeError("the marketplace that was just added is missing")
        return found

    async def find_marketplace(self, name: str, *, environment: str) -> uuid.UUID | None:
        """Return a marketplace's id; None if no marketplace has this name."""
        values = {"name": name, "environment": environment}
        async with self._database.transaction() as tx:
            found: uuid.UUID | None = await tx.fetchval(_FIND_MARKETPLACE, values)
        return found

    async def marketplace_of(self, marketplace_id: uuid.UUID) -> tuple[str, str] | None:
        """Return the name and the environment of a marketplace; None if it does not exist."""
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(_MARKETPLACE_OF, {"id": marketplace_id})
        return None if row is None else (row.name, row.environment)

    async def create(
        self,
        *,
        marketplace_id: uuid.UUID,
        environment: str,
        scopes: Collection[str],
        name: str = "",
        expires_at: dt.datetime | None = None,
        asked: RequestKey | None = None,
    ) -> Made:
        """Create a key and store its digest. The key's text is not stored.

        asked: the request. If the same request has created a key within a day, that key is
        returned; its text is derived again from the pepper and the salt in its row. None: not
        repeatable.
        Raises: IdempotencyKeyReused; IdempotencyKeyInProgress.
        """
        salt = secrets.token_bytes(_SALT_LENGTH)
        key_id, text = make(environment, seed=seed(salt, pepper=self._peppers[0]))
        row = {
            "id": key_id,
            "marketplace_id": marketplace_id,
            "name": name,
            "scopes": sorted(scopes),
            "digest": self.digest(text),
            "expires_at": expires_at,
            "salt": salt if asked is not None else None,
        }

        change = Change(
            action="api_key.create",
            target_type="api_key",
            target_id=key_id,
            after={"name": name, "scopes": sorted(scopes)},
        )

        async def add(tx: Transaction) -> None:
            await tx.run(_ADD, row)
            await self._trail.record(tx, change, marketplace_id=marketplace_id)

        made_id, replayed = await self._once(asked, key_id, add)
        key = await self._found(made_id)
        if replayed:
            text = self._text_again(environment, made_id, await self._salt(made_id))
        return Made(key=replace(key, revoked_at=None), text=text, replayed=replayed)

    async def find(self, key_id: str) -> Key | None:
        """Return a key by its id, even if revoked; None if there is no such key."""
        if _ID.fullmatch(key_id) is None:
            return None
        async with self._database.transaction() as tx:
            row = await tx.fetchrow(_FIND, {"id": key_id})
        return None if row is None else _key(row)

    async def list(self, *, marketplace_id: uuid.UUID, limit: int, after: str | None) -> list[Key]:
        """List a marketplace's keys, newest first, starting behind the key `after`.

        Raises: InvalidArgument: the marketplace has no key `after`.
        """
        values = {"marketplace_id": marketplace_id, "after": after, "limit": limit}
        if after is not None:
            key = await self.find(after)
            if key is None or key.marketplace_id != marketplace_id:
                raise invalid_cursor()
        async with self._database.transaction() as tx:
            return [_key(row) for row in await tx.fetch(_LIST, values)]

    async def all(self, *, marketplace_id: uuid.UUID, size: int) -> AsyncIterator[Key]:
        """Yield all keys of a marketplace, newest first. size: how many are read at a time."""
        after: str | None = None
        while True:
            page = await self.list(marketplace_id=marketplace_id, limit=size, after=after)
            for key in page:
                yield key
            if len(page) < size:
                return
            after = page[-1].id

    async def revoke(
        self, key_id: str, *, marketplace_id: uuid.UUID, asked: RequestKey | None = None
    ) -> Revoked:
        """Revoke a key. Revoking it again changes nothing.

        asked: the request; if it was made before, within a day, the stored answer is returned.
        Raises: KeyNotFound; IdempotencyKeyReused; IdempotencyKeyInProgress.
        """

        async def end(tx: Transaction) -> None:
            if _ID.fullmatch(key_id) is None:
                raise KeyNotFound("API key not found")
            values = {"id": key_id, "marketplace_id": marketplace_id}
            if await tx.fetchrow(_LOCK, values) is None:
                raise KeyNotFound("API key not found")
            if await tx.run(_REVOKE, values):
                await self._trail.record(tx, _revocation(key_id), marketplace_id=marketplace_id)

        revoked_id, replayed = await self._once(asked, key_id, end)
        return Revoked(key=await self._found(revoked_id), replayed=replayed)

    async def age(self, asked: RequestKey, *, by: dt.timedelta) -> None:
        """Make the stored requests of a test marketplace older, once, because its clock was moved.

        asked: the request that moves the clock. Raises: IdempotencyKeyReused;
        IdempotencyKeyInProgress.
        """

        async def work(tx: Transaction) -> bytes:
            await self._idempotency.age(tx, asked, by=by)
            return b""

        await self._idempotency.execute(self._database, asked, work)

    async def forget(self) -> None:
        """Delete expired requests, and the salts that only these needed."""
        await self._idempotency.purge(self._database)
        async with self._database.transaction() as tx:
            await tx.run(_FORGET_SALTS, {"kept": _SALT_KEPT})

    async def is_ready(self) -> bool:
        """Return whether the table can be read now."""
        return await self._database.is_ready()

    async def digest_anew(self, key_id: str, *, old: bytes, new: bytes) -> None:
        """Replace the digest of a key, unless another process has replaced it already."""
        async with self._database.transaction() as tx:
            await tx.run(_DIGEST_ANEW, {"id": key_id, "old": old, "new": new})

    def digest(self, text: str) -> bytes:
        """Return the digest to store for a new key."""
        return self.digests(text)[0]

    def digests(self, text: str) -> tuple[bytes, ...]:
        """Return all digests that a key may have; the digest of new keys first."""
        return tuple(digest(text, pepper=pepper) for pepper in self._peppers)

    def _text_again(self, environment: str, key_id: str, salt: bytes) -> str:
        """Derive a key's text again. Its id shows with which pepper the key was created."""
        for pepper in self._peppers:
            made_id, text = make(environment, seed=seed(salt, pepper=pepper))
            if made_id == key_id:
                return text
        raise RuntimeError("a key was created with a pepper that is no longer configured")

    async def _found(self, key_id: str) -> Key:
        key = await self.find(key_id)
        if key is None:
            raise RuntimeError("a key that was just changed is not there")
        return key

    async def _salt(self, key_id: str) -> bytes:
        async with self._database.transaction() as tx:
            salt: bytes | None = await tx.fetchval(_SALT, {"id": key_id})
        if salt is None:
            raise RuntimeError("a request is known whose key's salt is forgotten")
        return salt

    async def _once(
        self,
        asked: RequestKey | None,
        key_id: str,
        change: Callable[[Transaction], Awaitable[None]],
    ) -> tuple[str, bool]:
        """Change a key once per request; returns its id, and whether the answer is a replay."""

        async def work(tx: Transaction) -> bytes:
            await change(tx)
            return key_id.encode()

        if asked is None:
            async with self._database.transaction() as tx:
                await work(tx)
            return key_id, False
        answer = await self._idempotency.execute(self._database, asked, work)
        return answer.body.decode(), answer.replayed


def _revocation(key_id: str) -> Change:
    return Change(
        action="api_key.revoke",
        target_type="api_key",
        target_id=key_id,
        before={"isRevoked": False},
        after={"isRevoked": True},
    )


def _key(row: Any) -> Key:
    return Key(**{**row._asdict(), "scopes": frozenset(row.scopes)})


_ADD_MARKETPLACE = """
insert into marketplaces (id, name, environment) values (%(id)s, %(name)s, %(environment)s)
on conflict (name, environment) do nothing
"""
_MARKETPLACE_OF = "select name, environment from marketplaces where id = %(id)s"
_FIND_MARKETPLACE = """
select id from marketplaces where name = %(name)s and environment = %(environment)s
"""
_ADD = """
insert into api_keys (id, marketplace_id, name, scopes, digest, expires_at, salt)
values (%(id)s, %(marketplace_id)s, %(name)s, %(scopes)s, %(digest)s, %(expires_at)s, %(salt)s)
"""
_DIGEST_ANEW = "update api_keys set digest = %(new)s where id = %(id)s and digest = %(old)s"
_SALT = "select salt from api_keys where id = %(id)s"
_FORGET_SALTS = """
update api_keys set salt = null where salt is not null and created_at < now() - %(kept)s::interval
"""
# The columns have the same names as the fields of Key.
_KEYS = """
select k.id, k.marketplace_id, m.name as marketplace, m.environment, k.name, k.scopes, k.digest,
    k.created_at, k.expires_at, k.revoked_at, coalesce(k.expires_at <= now(), false) as is_expired
from api_keys k join marketplaces m on m.id = k.marketplace_id
"""
_FIND = f"{_KEYS} where k.id = %(id)s"
_LIST = f"""
{_KEYS}
where k.marketplace_id = %(marketplace_id)s and (%(after)s::text is null or (k.created_at, k.id) <
    (select a.created_at, a.id from api_keys a
     where a.id = %(after)s and a.marketplace_id = %(marketplace_id)s))
order by k.created_at desc, k.id desc limit %(limit)s
"""  # noqa: S608 - joined from constants of this file
_LOCK = """
select 1 from api_keys where id = %(id)s and marketplace_id = %(marketplace_id)s for update
"""
_REVOKE = """
update api_keys set revoked_at = now()
where id = %(id)s and marketplace_id = %(marketplace_id)s and revoked_at is null
"""
