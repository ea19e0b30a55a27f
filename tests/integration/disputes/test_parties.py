"""The parties of a case can use it; strangers cannot."""

import uuid
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from orchestrator.disputes.v1 import disputes_pb2

from chassis.idempotency import fingerprint
from chassis.identity import ROLE_ADMIN, ROLE_USER, Identity
from chassis.migrations.__main__ import upgrade_all
from kernel.errors import InvalidArgument, PermissionDenied
from tests.integration.disputes.test_cases import Rows, evidence, opened, opening
from tests.serving import Client, identity_of

# An older schema: a case knew only its order.
_BACK = """
alter table disputes.disputes drop column buyer_id, drop column seller_id,
    drop column assigned_to_name, drop column first_answer_due_at, drop column first_answered_at,
    drop column decision_due_at, drop column overdue_told, drop column untold_due_at,
    drop column overdue_since;
drop function disputes.time_of(uuid);
drop table disputes.clocks;
drop table disputes.messages;
drop table disputes.notes;
alter table disputes.rulings drop constraint rulings_pkey, drop column number,
    drop column withdrawn_at, drop column withdrawn_why, drop column resolved_by_name,
    add primary key (marketplace_id, dispute_id);
alter table disputes.outbox drop column trace, drop column causation_id, drop column user_id,
    drop column payload;
drop view disputes.outbox_waiting;
drop table disputes.outbox_published;
drop table disputes.audit;
drop function disputes.audit_is_kept();
alter table disputes.outbox add unique (marketplace_id, aggregate_type, aggregate_id, version);
update disputes.alembic_version set version_num = 'disputes_0001';
"""
_ORDER = """
insert into orders.orders (marketplace_id, id, buyer_id, buyer_public_id, seller_id,
    seller_public_id, asset, currency, amount, title, description, state, origin,
    platform_fee_bps, platform_fee, version, created_at, updated_at)
values (%(m)s, %(order)s, %(buyer)s, 'buyer', %(seller)s, 'seller', 'USDC', 'USD', 100000,
    'Order', '', 'DISPUTED', 'PARTY', 0, 0, 1, now(), now())
"""
_USER = """
insert into orders.users (marketplace_id, id, public_id, external_user_id, type, created_at)
values (%(m)s, %(id)s, %(name)s, %(name)s, 'BOTH', now())
"""
_CASE = """
insert into disputes.disputes (marketplace_id, id, order_id, status, opened_by, reason,
    description, evidence, contract_snapshot_json, asset, minor_units, assigned_to,
    assignment_notes, version, created_at, updated_at)
values (%(m)s, %(case)s, %(order)s, 'OPEN', 'BUYER', 'OTHER', '', '{}', '', 'USDC', 100000, '', '',
    1, now(), now())
"""


def person(disputes: Client, user: str, *, role: str = ROLE_USER) -> Identity:
    """Return the identity that the gateway makes from an access token."""
    key = identity_of(
        "gateway", marketplace_id=disputes.marketplace_id, scopes=frozenset({"read", "write"})
    )
    return replace(key, principal=f"user:{user}", role=role, user_id=uuid.UUID(user))


def sides() -> dict[str, str]:
    return {"buyer_id": str(uuid.uuid4()), "seller_id": str(uuid.uuid4())}


async def refused(disputes: Client, method: str, request: object, who: Identity) -> str:
    with pytest.raises(PermissionDenied) as refusal:
        await disputes.call(method, request, who=who)  # type: ignore[arg-type] # a message
    return refusal.value.reason


async def test_both_parties_can_read_a_case_and_add_evidence(disputes: Client) -> None:
    two = sides()
    case = await opened(disputes, **two)

    for user in two.values():
        who = person(disputes, user)
        for by in ({"dispute_id": case.id}, {"order_id": case.order_id}):
            request = disputes_pb2.GetDisputeRequest(**by)
            assert (await disputes.call("GetDispute", request, who=who)).id == case.id
        added = await disputes.call("AddEvidence", evidence(case.id), who=who)

    assert len(added.evidence) == 3


async def test_a_stranger_can_neither_read_a_case_nor_add_evidence(
    disputes: Client, read: Rows
) -> None:
    case = await opened(disputes, **sides())
    by_id = disputes_pb2.GetDisputeRequest(dispute_id=case.id)
    by_order = disputes_pb2.GetDisputeRequest(order_id=case.order_id)
    stranger = person(disputes, str(uuid.uuid4()))
    admin = person(disputes, str(uuid.uuid4()), role=ROLE_ADMIN)

    assert await refused(disputes, "GetDispute", by_id, stranger) == "NOT_PARTY"
    assert await refused(disputes, "GetDispute", by_order, stranger) == "NOT_PARTY"
    for who in (stranger, admin):
        assert await refused(disputes, "AddEvidence", evidence(case.id), who) == "NOT_PARTY"

    assert (await disputes.call("GetDispute", by_id, who=admin)) == case
    assert (await disputes.call("GetDispute", by_id)) == case
    kept = read(
        "select scope from disputes.idempotency where marketplace_id = %s", disputes.marketplace_id
    )
    assert kept == [("",)]


async def test_a_case_without_known_parties_is_closed_to_users(disputes: Client) -> None:
    user = str(uuid.uuid4())
    case = await opened(disputes, initiated_by=user)
    request = disputes_pb2.GetDisputeRequest(dispute_id=case.id)

    assert await refused(disputes, "GetDispute", request, person(disputes, user)) == "NOT_PARTY"


@pytest.mark.parametrize("is_newest", [True, False])
async def test_repeat_by_a_newer_version_of_orders_is_the_same_request(
    disputes: Client, *, is_newest: bool
) -> None:
    """The sides came first, then hours and clock, which may differ, with a fingerprint."""
    before = opening()
    after = disputes_pb2.OpenDisputeRequest()
    after.CopyFrom(before)
    after.buyer_id, after.seller_id = sides().values()
    after.first_answer_hours, after.decision_hours, after.clock_offset_seconds = 24, 168, 60
    if is_newest:
        after.fingerprint = fingerprint(before)

    first = await disputes.call("OpenDispute", before, caller="orders")
    again, is_replayed = await disputes.call_with_replay("OpenDispute", after, caller="orders")

    assert is_replayed
    assert again == first


@pytest.mark.parametrize("told", [["buyer_id"], ["seller_id"], ["buyer_id", "seller_id"]])
async def test_a_case_needs_both_sides(disputes: Client, told: list[str]) -> None:
    same = dict.fromkeys(told, str(uuid.uuid4()))

    with pytest.raises(InvalidArgument) as refusal:
        await opened(disputes, **same)

    assert [field for field, _ in refusal.value.fields] == ["seller_id"]


@pytest.mark.parametrize("is_here", [True, False])
def test_older_cases_get_their_sides_from_the_order(
    database_url: Callable[..., str], *, is_here: bool
) -> None:
    ids = {name: uuid.uuid4() for name in ("m", "case", "order", "buyer", "seller")}
    url = database_url()
    with psycopg.connect(url) as connection:
        connection.execute(_BACK)
        for name in ("buyer", "seller"):
            connection.execute(_USER, {"m": ids["m"], "id": ids[name], "name": name})
        if is_here:
            connection.execute(_ORDER, ids)
        connection.execute(_CASE, ids)

    upgrade_all(url)

    with psycopg.connect(url) as connection:
        found = connection.execute("select buyer_id, seller_id from disputes.disputes").fetchall()
        due = connection.execute(
            "select first_answer_due_at, decision_due_at, untold_due_at from disputes.disputes"
        ).fetchall()
    assert found == [(ids["buyer"], ids["seller"]) if is_here else (None, None)]
    # The old case has no due moments, because no waits were configured when it was opened.
    assert due == [(None, None, None)]
