"""Orders in PostgreSQL: read and write rows as dataclasses."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa

from chassis.database import Transaction
from chassis.outbox import STORED, Event, Outbox, body_of
from chassis.sql import compiled, rows_of
from kernel.errors import AlreadyExists
from services.orders.order.domain import (
    Decision,
    Delivery,
    DisputeInfo,
    DisputeReason,
    EscrowInfo,
    Fact,
    FinalStatus,
    Milestone,
    Order,
    OrderNotFound,
    Origin,
    Party,
    State,
    UserName,
)
from services.orders.tables import orders


class ClientOrderRefTaken(AlreadyExists):
    """Another order of the marketplace has this reference."""

    reason = "CLIENT_ORDER_REF_TAKEN"


class OrderMovedOn(Exception):
    """An order changed between reading and writing; nothing was written."""


class OrderStore:
    """Reads and writes orders and their events. Each call concerns one marketplace."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def lock(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> Order:
        """Read an order and lock its row (FOR UPDATE). Raises: OrderNotFound."""
        return await self._read(tx, _LOCK, marketplace_id, order_id)

    async def get(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> Order:
        """Read an order; locks nothing. Raises: OrderNotFound."""
        return await self._read(tx, _GET, marketplace_id, order_id)

    async def id_of_dispute(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, dispute_id: uuid.UUID
    ) -> uuid.UUID | None:
        """Find the id of a disputed order; None: no order has this dispute."""
        values = {"marketplace_id": marketplace_id, "dispute_id": dispute_id}
        found: uuid.UUID | None = await tx.fetchval(_OF_DISPUTE, values)
        return found

    async def save(
        self,
        tx: Transaction,
        *,
        before: Order,
        after: Order,
        facts: Sequence[Fact] = (),
        request_id: str,
    ) -> Order:
        """Write the new values and the events of a locked order; return it with its new version.

        Raises: OrderMovedOn: the row has changed since it was read; roll the transaction back.
        """
        after = with_version(after, facts)
        if await tx.run(UPDATE, values_of(after) | {"version_before": before.version}) != 1:
            raise OrderMovedOn(f"order {before.id} is not at version {before.version}")
        await self._outbox.append(tx, events_of(after, facts, request_id=request_id))
        return after

    async def events(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, public_id: str
    ) -> list[bytes]:
        """Read the bodies of an order's events, oldest first."""
        values = {"marketplace_id": marketplace_id, "public_id": public_id}
        return [body_of(row) for row in await tx.fetch(_EVENTS, values)]

    async def _read(
        self, tx: Transaction, statement: str, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> Order:
        row = await tx.fetchrow(statement, {"marketplace_id": marketplace_id, "id": order_id})
        if row is None:
            raise OrderNotFound("Order not found")
        return order_of(row)


def events_of(after: Order, facts: Sequence[Fact], *, request_id: str) -> list[Event]:
    """Return the outbox events of the facts that led to the order's present version."""
    first = after.version - len(facts) + 1
    return [
        Event(
            event_type=fact.event_type,
            aggregate_type="Order",
            aggregate_id=after.public_id,
            version=first + index,
            marketplace_id=after.marketplace_id,
            occurred_at=after.updated_at,
            payload=fact.payload,
            correlation_id=request_id,
            user_id=after.buyer.public_id,
        )
        for index, fact in enumerate(facts)
    ]


def with_version(order: Order, facts: Sequence[Fact]) -> Order:
    """Return the order with its version increased by the number of facts."""
    return replace(order, version=order.version + len(facts)) if facts else order


def values_of(order: Order) -> dict[str, Any]:
    """Return the column values of an order, by column name."""
    escrow, dispute, delivery = order.escrow, order.dispute, order.delivery
    return {
        **{name: getattr(order, name) for name in _SAME},
        "buyer_id": order.buyer.id,
        "buyer_public_id": order.buyer.public_id,
        "seller_id": order.seller.id,
        "seller_public_id": order.seller.public_id,
        "state": order.state.value,
        "final_status": order.final_status.value if order.final_status else None,
        "origin": order.origin.value,
        "milestones": orjson.dumps([_planned(one) for one in order.milestones]).decode(),
        "completions": _completions(order),
        "escrow_id": escrow.id if escrow else None,
        "escrow_contract_id": escrow.contract_id if escrow else "",
        "escrow_status": escrow.status if escrow else "",
        "escrow_last_error": escrow.last_error if escrow else "",
        "dispute_id": dispute.id if dispute else None,
        "dispute_opened_by": dispute.opened_by.value if dispute else None,
        "dispute_reason": dispute.reason.value if dispute else None,
        "dispute_opened_at": dispute.opened_at if dispute else None,
        "dispute_decision": dispute.decision.value if dispute and dispute.decision else None,
        "dispute_resolved_at": dispute.resolved_at if dispute else None,
        "ended_by": order.ended_by.value if order.ended_by else None,
        "delivery_notes": delivery.notes if delivery else "",
        "delivery_url": delivery.url if delivery else "",
        "delivered_at": delivery.delivered_at if delivery else None,
    }


def values_of_several(rows: Iterable[Mapping[str, Any]]) -> dict[str, object]:
    """Return the parameters of INSERT_SEVERAL. rows: `values_of` each order."""
    return _ROWS.values(map(_in_order, rows))


def order_of(row: Any) -> Order:
    """Decode an order from a row that has all its columns."""
    escrow = dispute = delivery = None
    if row.escrow_id is not None:
        escrow = EscrowInfo(
            id=row.escrow_id,
            contract_id=row.escrow_contract_id,
            status=row.escrow_status,
            funded_at=row.funded_at,
            last_error=row.escrow_last_error,
        )
    if row.dispute_id is not None:
        dispute = DisputeInfo(
            id=row.dispute_id,
            opened_by=Party(row.dispute_opened_by),
            reason=DisputeReason(row.dispute_reason),
            opened_at=row.dispute_opened_at,
            decision=Decision(row.dispute_decision) if row.dispute_decision else None,
            resolved_at=row.dispute_resolved_at,
        )
    if row.delivered_at is not None:
        delivery = Delivery(
            notes=row.delivery_notes, url=row.delivery_url, delivered_at=row.delivered_at
        )
    return Order(
        **{name: getattr(row, name) for name in _SAME},
        buyer=UserName(id=row.buyer_id, public_id=row.buyer_public_id),
        seller=UserName(id=row.seller_id, public_id=row.seller_public_id),
        state=State(row.state),
        final_status=FinalStatus(row.final_status) if row.final_status else None,
        origin=Origin(row.origin),
        milestones=_milestones(row),
        escrow=escrow,
        dispute=dispute,
        delivery=delivery,
        ended_by=Party(row.ended_by) if row.ended_by else None,
    )


def _planned(milestone: Milestone) -> dict[str, object]:
    """Return the agreed fields of a milestone. `completions` stores when it was completed."""
    return {name: value for name, value in asdict(milestone).items() if name != "completed_at"}


def _completions(order: Order) -> str:
    """Encode the completion times of milestones by ref; empty if none is completed."""
    done = {one.ref: one.completed_at for one in order.milestones if one.completed_at}
    return orjson.dumps(done).decode() if done else ""


def _milestones(row: Any) -> tuple[Milestone, ...]:
    done = orjson.loads(row.completions) if row.completions else {}
    at = {ref: dt.datetime.fromisoformat(text) for ref, text in done.items()}
    planned = orjson.loads(row.milestones)
    return tuple(Milestone(**one, completed_at=at.get(one["ref"])) for one in planned)


# Columns whose name and value are the same in an Order.
_SAME = (
    "marketplace_id",
    "id",
    "asset",
    "currency",
    "amount",
    "title",
    "description",
    "client_order_ref",
    "metadata_json",
    "platform_fee_bps",
    "platform_fee",
    "version",
    "created_at",
    "updated_at",
    "reserved_at",
    "funded_at",
    "confirmed_at",
    "released_at",
    "refunded_at",
    "closed_at",
    "released_amount",
    "refunded_amount",
    "provider_fee",
    "released_share",
    "charged_fee",
    "delta_score_tenths",
    "intention_id",
    "contract_template_id",
    "contract_id",
    "contract_terms_json",
)
# Columns that may change after creation.
_CHANGING = (
    "state",
    "final_status",
    "escrow_id",
    "escrow_contract_id",
    "escrow_status",
    "escrow_last_error",
    "dispute_id",
    "dispute_opened_by",
    "dispute_reason",
    "dispute_opened_at",
    "dispute_decision",
    "dispute_resolved_at",
    "delivery_notes",
    "delivery_url",
    "delivered_at",
    "completions",
    "version",
    "updated_at",
    "reserved_at",
    "funded_at",
    "confirmed_at",
    "released_at",
    "refunded_at",
    "closed_at",
    "released_amount",
    "refunded_amount",
    "provider_fee",
    "released_share",
    "charged_fee",
    "delta_score_tenths",
    "ended_by",
)
_ONE = sa.select(orders).where(
    orders.c.marketplace_id == sa.bindparam("marketplace_id"), orders.c.id == sa.bindparam("id")
)
_GET = compiled(_ONE)
_LOCK = compiled(_ONE.with_for_update())
_OF_DISPUTE = compiled(
    sa.select(orders.c.id).where(
        orders.c.marketplace_id == sa.bindparam("marketplace_id"),
        orders.c.dispute_id == sa.bindparam("dispute_id"),
    )
)
_EVENTS = f"""
select {STORED} from outbox
where marketplace_id = %(marketplace_id)s and aggregate_type = 'Order'
    and aggregate_id = %(public_id)s
order by version
"""  # noqa: S608 - constants
# Part of larger statements (operations/hot.py), which append a condition.
INSERT_SELECT = compiled(
    sa.insert(orders).from_select(
        list(orders.c), sa.select(*(sa.bindparam(c.name, type_=c.type) for c in orders.c))
    )
)
_ROWS = rows_of(orders, "new")
_in_order = itemgetter(*(column.name for column in orders.c))
# For use inside larger statements. Its parameters are `values_of_several`.
INSERT_SEVERAL = f"""
insert into orders ({_ROWS.names}) select {_ROWS.names} from {_ROWS.unnested}
"""  # noqa: S608 - constants
UPDATE = compiled(
    sa.update(orders)
    .values({name: sa.bindparam(name, type_=orders.c[name].type) for name in _CHANGING})
    .where(
        orders.c.marketplace_id == sa.bindparam("marketplace_id"),
        orders.c.id == sa.bindparam("id"),
        orders.c.version == sa.bindparam("version_before"),
    )
)
# The columns that UPDATE reads, and those of an order in `changed_of`.
CHANGED = ("marketplace_id", "id", *_CHANGING)


def changed_of(order: Order) -> tuple[object, ...]:
    """Return the values of the columns CHANGED of an order."""
    values = values_of(order)
    return tuple(values[name] for name in CHANGED)


def update_from(rows: str) -> str:
    """Return UPDATE for several orders: part of larger statements.

    rows: the name of a table in the statement, with the columns CHANGED and version_before.
    """
    changes = ", ".join(f"{name} = {rows}.{name}" for name in _CHANGING)
    return f"""
update orders set {changes} from {rows}
where orders.marketplace_id = {rows}.marketplace_id and orders.id = {rows}.id
    and orders.version = {rows}.version_before
"""  # noqa: S608 - names of this file and of the statement
