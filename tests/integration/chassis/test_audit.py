"""The trail of a service: who may read it over gRPC, and how much of it a read looks at."""

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from orchestrator.audit.v1 import audit_pb2, audit_pb2_grpc

from chassis import audit, audit_servicer
from chassis.audit import Change, Trail
from chassis.channel import Caller, open_channel
from chassis.database import BY_INDEX, Database
from chassis.identity import ROLE_ADMIN, Identity, system
from chassis.server import Server
from kernel.errors import DomainError
from kernel.ids import new_id
from tests.identities import BILLING, signer, verifier
from tests.integration.chassis.scripted import binding_of, reflected, scripted
from tests.serving import identity_of

LINES = 40_000
PAGES_MAX = 160
FILL = """
insert into orders.audit select %(marketplace)s, gen_random_uuid(), 'key:' || n / 100,
    'marketplace', 'order.' || n / 1000, 'order', 'ord_' || n / 10, '', '', '{}', '{}'
from generate_series(1, %(lines)s) n
"""


@pytest.fixture
async def orders(database_url: Callable[[str], str]) -> AsyncIterator[Database]:
    """The schema of orders."""
    opened = Database.open(url=database_url("orders"), schema="orders", pool_size=2)
    yield opened
    await opened.close()


@pytest.fixture
async def address(orders: Database) -> AsyncIterator[str]:
    """The address of a service that serves its trail beside its own methods."""
    also = audit_servicer.binding(orders)
    server = Server(
        binding=binding_of(scripted()), verifier=verifier(), with_reflection=True, also=[also]
    )
    port = await server.start(host="127.0.0.1", port=0)
    yield f"127.0.0.1:{port}"
    await server.stop(grace_seconds=1)


async def listed(address: str, who: Identity, **chosen: Any) -> list[audit_pb2.Line]:
    async with open_channel(address) as channel:
        stub = audit_pb2_grpc.AuditServiceStub(channel)
        request = audit_pb2.ListLinesRequest(**{"limit": 10, **chosen})
        answer = await Caller(signer(who.caller)).call(stub.ListLines, request, who=who)
        return list(answer.lines)


async def recorded(database: Database, marketplace_id: uuid.UUID) -> None:
    change = Change(action="order.create", target_type="order", target_id="ord_1")
    async with database.transaction() as tx:
        await Trail().record(tx, change, marketplace_id=marketplace_id)


async def test_a_marketplace_reads_its_own_lines(address: str, orders: Database) -> None:
    who = identity_of("gateway", marketplace_id=new_id())
    await recorded(orders, who.marketplace_id)
    await recorded(orders, new_id())

    (line,) = await listed(address, who)

    assert (line.marketplace_id, line.target_id) == (str(who.marketplace_id), "ord_1")
    assert "orchestrator.audit.v1.AuditService" in await reflected(address)


def _a_person(who: Identity) -> Identity:
    return replace(who, role=ROLE_ADMIN, user_id=new_id())


def _from_outside(who: Identity) -> Identity:
    return system(caller=BILLING, marketplace_id=who.marketplace_id)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda who: replace(who, caller="stranger"), "CALLER_NOT_ALLOWED"),
        (_a_person, "CALLER_NOT_ALLOWED"),
        (
            lambda who: system(caller=BILLING, marketplace_id=who.marketplace_id),
            "CALLER_NOT_ALLOWED",
        ),
        (lambda who: replace(who, scopes=who.scopes - {"support"}), "INSUFFICIENT_SCOPE"),
    ],
    ids=["a stranger", "a person", "from outside", "without the scope"],
)
async def test_others_are_refused(
    address: str, change: Callable[[Identity], Identity], reason: str
) -> None:
    who = change(identity_of("gateway", marketplace_id=new_id()))

    with pytest.raises(DomainError) as refused:
        await listed(address, who)

    assert (refused.value.kind, refused.value.reason) == ("PERMISSION_DENIED", reason)


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"limit": 102}, {"before": "x"}, {"actor": "k" * 256}], ids=str
)
async def test_requests_beyond_the_limits_are_refused(address: str, wrong: dict[str, Any]) -> None:
    who = identity_of("gateway", marketplace_id=new_id())

    with pytest.raises(DomainError) as refused:
        await listed(address, who, **wrong)

    assert refused.value.kind == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"target_id": "ord_3000"},
        {"actor": "key:300"},
        {"action": "order.30"},
        {"target_id": "ord_3000", "actor": "key:300", "action": "order.30"},
        {"actor": "key:300", "action": "order.1"},
    ],
    ids=str,
)
async def test_a_page_is_read_by_index_whatever_the_statistics_say(
    database_url: Callable[..., str], chosen: dict[str, str]
) -> None:
    wanted = {"marketplace": uuid.UUID(int=7), "lines": LINES}
    first = {"first": uuid.UUID(int=0), "end": uuid.UUID(int=(1 << 128) - 1), "limit": 20}
    with psycopg.connect(database_url(), autocommit=True) as admin:
        admin.execute(FILL, wanted)
    statement = audit._page(tuple(chosen))
    options = f"-c search_path=orders {BY_INDEX}"
    with psycopg.connect(database_url("orders"), options=options) as connection:
        (plans,) = connection.execute(
            f"explain (analyze, buffers, format json) {statement}",
            {"marketplace_id": uuid.UUID(int=7), **first, **chosen},
        ).fetchone() or ([],)

    top = plans[0]["Plan"]
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] <= PAGES_MAX
