"""The checks of `doctor`. Each checks one part of a deployment, and says what is wrong."""

import asyncio
import datetime as dt
import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError
from orchestrator.escrow.v1.escrow_pb2 import (
    NETWORK_FINDING_STATE_WELL,
    NETWORK_FINDING_STATE_WRONG,
    CheckNetworkRequest,
    ListConcernsRequest,
)

from chassis.bus import Bus
from chassis.channel import open_channel
from chassis.migrations.revisions import applied
from chassis.migrations.scripts import SCRIPTS, revisions
from chassis.nats_settings import STREAM
from chassis.signature import EventVerifier
from chassis.watch import DIFFERENCE_MAX_SECONDS
from deploy.operator.answers import counted
from deploy.operator.background import background
from deploy.operator.flows import EVERYBODY
from deploy.operator.reach import connected
from deploy.operator.settings import Place
from kernel.errors import DomainError, Unauthenticated

DEPOSITS = "escrow.deposit_confirmed"
SECONDS = 5.0
# An older comparison is a problem: even at the slowest setting, accounts are compared every hour.
COMPARED_WITHIN = dt.timedelta(hours=2)
SERVING = health_pb2.HealthCheckResponse.SERVING
WELL, WRONG, UNKNOWN = "well", "wrong", "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The state of one part: well, wrong or unknown.

    section: of docs/runbook.md, or "". todo: what to do if no section describes it.
    """

    name: str
    state: str
    says: str
    section: str = ""
    todo: str = ""


def well(name: str, says: str) -> Check:
    """Return the check of a part that works."""
    return Check(name=name, state=WELL, says=says)


def wrong(name: str, says: str, section: str) -> Check:
    """Return the check of a part with a problem. section: of the runbook about the problem."""
    return Check(name=name, state=WRONG, says=says, section=section)


def unknown(name: str, says: str) -> Check:
    """Return the check of a part that could not be checked. says: why."""
    return Check(name=name, state=UNKNOWN, says=says)


async def all_of(place: Place) -> list[Check]:
    """Check every part, one after another."""
    found = [await service(place, name, address) for name, address in place.services.items()]
    looks: tuple[Callable[[Place], Awaitable[Check]], ...] = (identity, deposits_seen, compared)
    found += [await look(place) for look in looks]
    found += await asyncio.to_thread(database, place)
    found += [one async for one in stream(place)]
    found.append(await asyncio.to_thread(chain_node, place))
    return found + await network(place)


async def service(place: Place, name: str, address: str) -> Check:
    """Check whether a service is alive and accepts calls."""
    async with open_channel(address, peer=name, own=place.require_papers().own) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            asked = health_pb2.HealthCheckRequest(service="")
            answer = await stub.Check(asked, timeout=SECONDS, wait_for_ready=False)
        except grpc.aio.AioRpcError as error:
            says = f"{address} does not answer: {error.code().name} {error.details()}"
            return wrong(name, says, "A program does not answer")
    if answer.status == SERVING:
        return well(name, f"answers at {address}")
    says = f"{address} is alive, but accepts no calls"
    return wrong(name, says, "A program does not answer")


async def identity(place: Place) -> Check:
    """Call escrow as an operator, to check whether it accepts the operators' key."""
    name = "identity"
    try:
        await _concerns(place)
    except Unauthenticated:
        says = "escrow refuses the operator's key: it is not this deployment's"
        return wrong(name, says, "A key must go")
    except DomainError as error:
        return unknown(name, f"escrow gave no answer: {error.message}")
    return well(name, "escrow accepts the operator's key")


async def deposits_seen(place: Place) -> Check:
    """Check whether escrow reads the chain, and whether it may send transactions."""
    name = "chain"
    try:
        answer = await _concerns(place)
    except DomainError as error:
        return unknown(name, f"escrow gave no answer: {error.message}")
    if answer.HasField("hold"):
        return wrong(name, f"sending is on hold: {answer.hold.why}", "The database was restored")
    if answer.HasField("blindness"):
        return wrong(name, f"no deposit is seen: {answer.blindness.why}", "No deposit is seen")
    return well(name, "deposits are seen, transactions are sent")


async def compared(place: Place) -> Check:
    """Check whether orders compares ledger and chain, and whether accounts differ."""
    name = "compared"
    try:
        async with connected(place.services, papers=place.require_papers()) as services:
            found = await background(services, marketplace_id=EVERYBODY.id)
    except DomainError as error:
        return unknown(name, f"orders gave no answer: {error.message}")
    section = "Ledger and chain differ"
    if not found.looked_at:
        return unknown(name, "ledger and chain were not compared yet")
    age = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(found.looked_at)
    if age > COMPARED_WITHIN:
        return wrong(name, f"ledger and chain were last compared at {found.looked_at}", section)
    if found.differing:
        return wrong(name, f"{counted(found.differing, 'account')} with a difference", section)
    return well(name, found.describe())


async def network(place: Place) -> list[Check]:
    """Let escrow check what the network must have before the first order."""
    try:
        async with connected(place.services, papers=place.require_papers()) as services:
            answer = await services.once(
                services.escrow.CheckNetwork, CheckNetworkRequest(), marketplace_id=EVERYBODY.id
            )
    except DomainError as error:
        return [unknown("network", f"escrow gave no answer: {error.message}")]
    states = {NETWORK_FINDING_STATE_WELL: WELL, NETWORK_FINDING_STATE_WRONG: WRONG}
    return [
        Check(
            name=found.name,
            state=states.get(found.state, UNKNOWN),
            says=found.says,
            todo=found.todo,
        )
        for found in answer.findings
    ]


async def _concerns(place: Place) -> Any:
    async with connected(
        place.services, papers=place.require_papers(), name=place.operator
    ) as services:
        who = EVERYBODY.id
        method = services.escrow.ListConcerns
        return await services.once(method, ListConcernsRequest(), marketplace_id=who)


def database(place: Place) -> list[Check]:
    """Compare each schema's revision with this code, and the database's clock with ours."""
    if not place.database_url:
        return [
            unknown("schema", "DATABASE_URL is not set"),
            unknown("clock", "DATABASE_URL is not set"),
        ]
    asked = dt.datetime.now(dt.UTC)
    try:
        with psycopg.connect(place.database_url, connect_timeout=int(SECONDS)) as connection:
            row = connection.execute("select clock_timestamp()").fetchone()
        there = applied(place.database_url, SCRIPTS)
    except psycopg.errors.InsufficientPrivilege:
        return [unknown("schema", "the role in DATABASE_URL may not read the schema revisions")]
    except psycopg.Error as error:
        says = f"the database does not answer: {error}".strip()
        return [wrong("schema", says, "A program does not answer")]
    return [_schema(there), _clock(asked, row[0] if row else asked)]


def _schema(there: dict[str, str]) -> Check:
    wanted = {schema: revisions(scripts)[0] for schema, scripts in SCRIPTS.items()}
    other = [
        f"{schema} is at {there[schema] or 'nothing'}, this release needs {wanted[schema]}"
        for schema in SCRIPTS
        if there[schema] != wanted[schema]
    ]
    if other:
        return wrong("schema", "; ".join(other), "The schema is not the code's")
    return well("schema", "every schema is at this release's revision")


def _clock(ours: dt.datetime, theirs: dt.datetime) -> Check:
    difference = (theirs - ours).total_seconds()
    if abs(difference) > DIFFERENCE_MAX_SECONDS:
        says = f"the database's clock is {difference:.0f} s from this machine's"
        return wrong("clock", says, "The clock is wrong")
    return well("clock", "this machine's clock and the database's agree")


async def stream(place: Place) -> AsyncIterator[Check]:
    """Check that the event stream exists, and that the last deposit's signature is valid."""
    if not place.nats_url:
        yield unknown("nats", "NATS_URL is not set")
        yield unknown("signing", "NATS_URL is not set")
        return
    bus = Bus(url=place.nats_url, name="doctor", limits=None, authority=place.nats_authority)
    try:
        async with asyncio.timeout(SECONDS):
            context = await bus.stream()
            information = await context.stream_info(STREAM)
            yield well("nats", f"the stream has {counted(information.state.messages, 'event')}")
            yield await _signing(context, place.event_keys)
    except NotFoundError:
        yield wrong("nats", "the event stream does not exist", "NATS has lost its data")
    except (NatsError, OSError, TimeoutError) as error:
        says = f"NATS does not answer: {type(error).__name__} {error}".strip()
        yield wrong("nats", says, "Events lag")
    finally:
        await bus.close()


async def _signing(context: Any, keys: str) -> Check:
    name = "signing"
    if not keys:
        return unknown(name, "ESCROW_EVENT_KEYS is not set")
    try:
        message = await context.get_last_msg(STREAM, DEPOSITS)
    except NotFoundError:
        return unknown(name, "there is no deposit yet")
    fits = EventVerifier(keys).is_signed(
        subject=DEPOSITS, headers=message.headers or {}, body=message.data or b""
    )
    if fits:
        return well(name, "the last deposit is signed with a key that the ledger accepts")
    says = "the last deposit is not signed with a key of ESCROW_EVENT_KEYS: the ledger drops it"
    return wrong(name, says, "A key must go")


def chain_node(place: Place) -> Check:
    """Check the health of the chain's node, and the network that it belongs to."""
    name = "node"
    if not place.rpc_url:
        return unknown(name, "STELLAR_RPC_URL is not set")
    try:
        health, network = (_rpc(place.rpc_url, method) for method in ("getHealth", "getNetwork"))
    except (OSError, ValueError, KeyError) as error:
        says = f"{place.rpc_url} does not answer: {type(error).__name__} {error}".strip()
        return wrong(name, says, "The chain does not move")
    if place.passphrase and network.get("passphrase") != place.passphrase:
        says = f"the node belongs to the network {network.get('passphrase')!r}"
        return wrong(name, says, "No deposit is seen")
    if health.get("status") != "healthy":
        return wrong(name, f"the node reports {health.get('status')}", "The chain does not move")
    return well(name, f"at ledger {health.get('latestLedger')}")


def _rpc(url: str, method: str) -> dict[str, Any]:
    """Call a method of the node. Raises: OSError; ValueError; KeyError: an unexpected answer."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode()
    request = urllib.request.Request(  # noqa: S310 - checked to be http by settings
        url, data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - the same
        found: dict[str, Any] = json.load(answer)["result"]
    return found
