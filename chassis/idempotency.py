"""Idempotency: the answer to a request id is stored in the transaction of the change.

The same id with the same fingerprint gets the stored answer. The same id with another fingerprint
is refused. While the first call still runs, the second is refused and may be retried.
"""

import asyncio
import datetime as dt
import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from google.protobuf.message import Message
from google.rpc import status_pb2

from chassis import identity
from chassis.arrays import Columns
from chassis.database import Database, LockNotAvailable, Transaction
from chassis.identity import STAFF, Identity
from chassis.status import from_status, to_status
from kernel.errors import Aborted, AlreadyExists, DomainError, FailedPrecondition, NotFound

KEPT = dt.timedelta(hours=24)
PURGE_SECONDS = 3600
RUNNING = "A request with this idempotency key is running"
# Kinds of refusals that may be decided after the work has begun. A repetition gets the same
# refusal.
STORED_KINDS = (FailedPrecondition, NotFound, AlreadyExists)

# Fields that are not part of the fingerprint: the id, and how long the caller waits.
NOT_ASKED = ("request_id", "wait_seconds")

# Run by the migrations of every schema that serves mutating calls.
DDL = """
create table {schema}.idempotency (
    marketplace_id uuid not null,
    scope text not null,
    key text not null,
    fingerprint bytea not null,
    state text not null check (state in ('running', 'done', 'refused')),
    body bytea,
    created_at timestamptz not null,
    primary key (marketplace_id, scope, key)
);
create index idempotency_created on {schema}.idempotency (created_at);
"""


class IdempotencyKeyReused(AlreadyExists):
    """The idempotency key was used for a different request."""

    reason = "IDEMPOTENCY_KEY_REUSED"


class IdempotencyKeyInProgress(Aborted):
    """The first request with this idempotency key is still running."""

    reason = "IDEMPOTENCY_KEY_IN_PROGRESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """The identity of a mutating request.

    scope: empty for a marketplace's key; the user's UUID for a person; the principal for a person
    of support. fingerprint: SHA-256 of the request's content.
    """

    marketplace_id: uuid.UUID
    scope: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A serialized response. replayed: it is the stored answer of an earlier request."""

    body: bytes
    replayed: bool = False


def request_key(request: Message) -> RequestKey:
    """Return the key of a mutating request: its request_id, for the current identity.

    The fingerprint is the request's own field (the gateway sets it from the HTTP request), or else
    a hash of the message's fields.
    """
    who = identity.current()
    key: str = getattr(request, "request_id")  # noqa: B009 - every mutating request has it
    given: bytes = getattr(request, "fingerprint", b"")
    return RequestKey(
        marketplace_id=who.marketplace_id,
        scope=_scope(who),
        key=key,
        fingerprint=given or fingerprint(request),
    )


def _scope(who: Identity) -> str:
    if who.role in STAFF:
        return who.principal
    return str(who.user_id) if who.user_id else ""


def fingerprint(request: Message) -> bytes:
    """Return the SHA-256 of what a message asks for.

    Fields of a newer version are left out, because this version does not know what they ask for.
    """
    copy = type(request)()
    copy.CopyFrom(request)
    copy.DiscardUnknownFields()
    for field in NOT_ASKED:
        if field in request.DESCRIPTOR.fields_by_name:
            copy.ClearField(field)
    name = request.DESCRIPTOR.full_name.encode()
    return hashlib.sha256(name + b"\n" + copy.SerializeToString(deterministic=True)).digest()


def fingerprint_of(*parts: bytes) -> bytes:
    """Return the SHA-256 of the parts of a request that has no protobuf message."""
    return hashlib.sha256(b"\n".join(parts)).digest()


class Idempotency:
    """The idempotency table of the transaction's schema (by its search path).

    Answers expire by the database's clock.
    """

    @staticmethod
    def values(key: RequestKey, body: bytes | None = None) -> dict[str, object]:
        """Return the parameters of CLAIM and ANSWER, by name. body: None: the work still runs."""
        return {
            "idem_marketplace": key.marketplace_id,
            "idem_scope": key.scope,
            "idem_key": key.key,
            "idem_fingerprint": key.fingerprint,
            "idem_state": "running" if body is None else "done",
            "idem_body": body,
            "idem_kept": KEPT,
        }

    async def execute(
        self,
        database: Database,
        key: RequestKey,
        work: Callable[[Transaction], Awaitable[bytes]],
    ) -> Answer:
        """Do the work and store its answer in one transaction, or return the stored answer.

        Raises: what `work` raises (refusals of STORED_KINDS are stored, and raised again next
            time); IdempotencyKeyReused; IdempotencyKeyInProgress.
        """

        async def once() -> Answer:
            async with database.transaction() as tx:
                if (known := await self.claim(tx, key)) is not None:
                    return known
                body = await work(tx)
                await self.finish(tx, key, body)
                return Answer(body=body)

        async with self.keeping_refusals(database, key):
            return await database.retrying(once)

    @asynccontextmanager
    async def keeping_refusals(self, database: Database, key: RequestKey) -> AsyncIterator[None]:
        """Store a refusal that ends the block as the answer of the key, and raise it."""
        try:
            yield
        except STORED_KINDS as error:
            if not error.replayed and not isinstance(error, IdempotencyKeyReused):
                await self.keep_refusal(database, key, error)
            raise

    async def claim(self, tx: Transaction, key: RequestKey) -> Answer | None:
        """Claim a key. Returns None if the caller owns it now.

        The caller must then finish the key in the same transaction. Otherwise returns the stored
        answer. Waits for another transaction that holds the same key. An expired key is claimed
        anew.
        Raises: IdempotencyKeyReused; IdempotencyKeyInProgress; the stored refusal.
        """
        try:
            if await tx.fetchrow(CLAIM, self.values(key)) is not None:
                return None
        except LockNotAvailable:
            raise IdempotencyKeyInProgress(RUNNING) from None
        row = await tx.fetchrow(_READ, _key(key))
        if row is None:
            raise IdempotencyKeyInProgress(RUNNING)
        return _known(key, row)

    async def known(self, tx: Transaction, key: RequestKey) -> Answer | None:
        """Return the stored answer of a key; None: there is none. The key is not claimed.

        Raises: IdempotencyKeyReused; IdempotencyKeyInProgress; the stored refusal.
        """
        row = await tx.fetchrow(_READ_FRESH, (*_key(key), KEPT))
        return None if row is None else _known(key, row)

    async def finish(self, tx: Transaction, key: RequestKey, body: bytes) -> None:
        """Store the answer of a claimed key."""
        await tx.run(_FINISH, ("done", body, *_key(key)))

    async def refuse(self, tx: Transaction, key: RequestKey, error: DomainError) -> None:
        """Store a refusal as the answer of a claimed key."""
        body = to_status(error).SerializeToString()
        await tx.run(_FINISH, ("refused", body, *_key(key)))

    async def release(self, tx: Transaction, key: RequestKey) -> None:
        """Delete a claimed key, so that the request can be repeated (it ended with a 5xx)."""
        await tx.run(_RELEASE, _key(key))

    async def age(self, tx: Transaction, own: RequestKey, *, by: dt.timedelta) -> None:
        """Make the answers of a marketplace older, because its clock was moved forward.

        own: the key of the request that moves the clock; its answer stays unchanged.
        """
        await tx.run(_AGE, (by, *_key(own)))

    async def purge(self, database: Database) -> int:
        """Delete answers older than KEPT, except running ones. Returns how many were deleted."""
        async with database.transaction() as tx:
            return await tx.run(
                "delete from idempotency where created_at < now() - %s and state <> 'running'",
                (KEPT,),
            )

    async def keep_purged(self, database: Database) -> None:
        """Purge every hour until cancelled. Each service with this table runs it as a loop."""
        while True:
            await self.purge(database)
            await asyncio.sleep(PURGE_SECONDS)

    async def keep_refusal(self, database: Database, key: RequestKey, error: DomainError) -> None:
        """Store a refusal in a new transaction, because the refused one was rolled back."""
        async with database.transaction() as tx:
            if await self.claim(tx, key) is None:
                await self.refuse(tx, key, error)


def answer_from(rows: str) -> str:
    """Return ANSWER for several keys: part of larger statements.

    rows: the name of a table in the statement, with the columns marketplace_id, scope, key, and
    body (null: no answer).
    """
    return f"""
update idempotency set state = 'done', body = {rows}.body, {_FROM_ITS_END} from {rows}
where idempotency.marketplace_id = {rows}.marketplace_id and idempotency.scope = {rows}.scope
    and idempotency.key = {rows}.key and idempotency.state = 'running'
    and {rows}.body is not null
"""  # noqa: S608 - names of the statement


def _key(key: RequestKey) -> tuple[object, ...]:
    return (key.marketplace_id, key.scope, key.key)


def _known(key: RequestKey, row: tuple[object, ...]) -> Answer:
    fingerprint, state, body = row
    if fingerprint != key.fingerprint:
        raise IdempotencyKeyReused("This idempotency key was used for another request")
    if state == "running":
        raise IdempotencyKeyInProgress(RUNNING)
    assert isinstance(body, bytes)  # noqa: S101 - the column is bytea and set when not running
    if state == "refused":
        refusal = from_status(status_pb2.Status.FromString(body))
        refusal.replayed = True
        raise refusal
    return Answer(body=body, replayed=True)


# For use inside larger statements. Their parameters are `Idempotency.values`.
CLAIM = """
insert into idempotency as i
    (marketplace_id, scope, key, fingerprint, state, body, created_at)
values (%(idem_marketplace)s, %(idem_scope)s, %(idem_key)s, %(idem_fingerprint)s, %(idem_state)s,
        %(idem_body)s, now())
on conflict (marketplace_id, scope, key) do update
    set fingerprint = excluded.fingerprint, state = excluded.state, body = excluded.body,
        created_at = excluded.created_at
    where i.created_at < now() - %(idem_kept)s::interval and i.state <> 'running'
returning 1
"""
# To be followed by a query. Unlike CLAIM, it does not take an expired key.
CLAIM_INTO = """
insert into idempotency (marketplace_id, scope, key, fingerprint, state, created_at)
"""
# CLAIM_INTO for one key, to be followed by a condition.
CLAIM_SELECT = f"""{CLAIM_INTO}
select %(idem_marketplace)s::uuid, %(idem_scope)s::text, %(idem_key)s::text,
       %(idem_fingerprint)s::bytea, 'running', now()
"""
# A late answer expires 24 hours after its end, not after its start. Otherwise a client that has
# waited for a day would repeat its request and start it anew. Younger rows keep created_at, which
# is indexed.
_FROM_ITS_END = """
created_at = case when created_at < now() - interval '1 hour' then now() else created_at end
"""
ANSWER = f"""
update idempotency set state = %(idem_state)s, body = %(idem_body)s, {_FROM_ITS_END}
where marketplace_id = %(idem_marketplace)s and scope = %(idem_scope)s and key = %(idem_key)s
    and state = 'running'
"""  # noqa: S608 - constants
# One row for each stored answer.
ANSWERS = Columns(
    "answer", marketplace_id="uuid", scope="text", key="text", fingerprint="bytea", body="bytea"
)
# Stores the answers of several new keys; violates idempotency_pkey if a key is not new. Its
# parameters are the values of ANSWERS.
KEEP = f"""
insert into idempotency ({ANSWERS.names}, state, created_at)
select {ANSWERS.names}, 'done', now() from {ANSWERS.unnested}
"""  # noqa: S608 - constants
_READ = """
select fingerprint, state, body from idempotency
where marketplace_id = %s and scope = %s and key = %s
"""
_READ_FRESH = f"{_READ} and (created_at >= now() - %s or state = 'running')"
_FINISH = f"""
update idempotency set state = %s, body = %s, {_FROM_ITS_END}
where marketplace_id = %s and scope = %s and key = %s and state = 'running'
"""  # noqa: S608 - constants
_AGE = """
update idempotency set created_at = created_at - %s::interval
where marketplace_id = %s and (scope, key) <> (%s, %s)
"""
_RELEASE = """
delete from idempotency
where marketplace_id = %s and scope = %s and key = %s and state = 'running'
"""
