"""The floor: the speed of the same protocols and database without the rules of the project.

    python -m bench.floor gateway|backend --port N …   (each is a separate process)

A bare ASGI application on Uvicorn calls a bare grpc.aio server, which answers with the project's
message of an order. For a write, the server executes one statement with three inserts, as orders
does for a new order. No TLS, no credential, no validation, no event. The tables are fixed here, so
that the floor is the same for every commit.
"""

import argparse
import asyncio
import contextlib
import datetime as dt
import itertools
import signal
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import orjson
import psycopg
import uvicorn
import uvloop
from google.protobuf.timestamp_pb2 import Timestamp
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2, orders_pb2_grpc
from psycopg_pool import AsyncConnectionPool

from deploy.local.ports import HOST, answers, free_port
from deploy.local.process import Command, Process, python_module
from deploy.local.settings import ROOT, child_environment

PAGE = 20
CONNECTIONS = 10
DDL = """
drop schema if exists floor cascade;
create schema floor;
create table floor.idempotency (
    marketplace_id uuid not null, scope text not null, key text not null,
    fingerprint bytea not null, state text not null, body bytea, created_at timestamptz not null,
    primary key (marketplace_id, scope, key)
);
create table floor.orders (
    marketplace_id uuid not null, id uuid not null, buyer_id uuid not null,
    seller_id uuid not null, asset text not null, amount bigint not null, title text not null,
    description text not null, state text not null, version bigint not null,
    created_at timestamptz not null, primary key (marketplace_id, id)
);
create index on floor.orders (marketplace_id, buyer_id, id desc);
create index on floor.orders (marketplace_id, seller_id, id desc);
create index on floor.orders (marketplace_id, state, id desc);
create table floor.outbox (
    id bigint generated always as identity primary key, event_id uuid not null unique,
    marketplace_id uuid not null, event_type text not null, aggregate_id text not null,
    version bigint not null, occurred_at timestamptz not null, body text not null,
    published_at timestamptz, unique (marketplace_id, aggregate_id, version)
);
create index on floor.outbox (id) where published_at is null;
"""
INSERT = """
with claimed as (
    insert into floor.idempotency
    values (%(marketplace)s, '', %(key)s, %(fingerprint)s, 'done', %(answer)s, %(now)s)
    on conflict do nothing returning 1
),
made as (
    insert into floor.orders
    select %(marketplace)s, %(id)s, %(buyer)s, %(seller)s, 'USDC', %(amount)s, %(title)s,
           %(description)s, 'ORDER_CREATED', 1, %(now)s
    where exists (select from claimed) returning 1
),
told as (
    insert into floor.outbox (event_id, marketplace_id, event_type, aggregate_id, version,
                              occurred_at, body)
    select %(event)s, %(marketplace)s, 'order.created', %(public_id)s, 1, %(now)s, %(body)s
    where exists (select from made)
)
select count(*) from made
"""
# An event of typical size.
BODY = orjson.dumps({"eventType": "order.created", "payload": {"title": "Logo " * 100}})
MARKETPLACE, BUYER, SELLER = (uuid.uuid4() for _ in range(3))


def message(order_id: str) -> orders_pb2.Order:
    """Return an order as the orders service returns a new one."""
    at = Timestamp()
    at.FromDatetime(dt.datetime.now(dt.UTC))
    return orders_pb2.Order(
        id=order_id,
        marketplace_id=str(MARKETPLACE),
        buyer=common_pb2.UserRef(id=str(BUYER), public_id="usr_buyer"),
        seller=common_pb2.UserRef(id=str(SELLER), public_id="usr_seller"),
        amount=common_pb2.Money(asset="USDC", minor_units=10_000_000),
        title="Logo design",
        description="Design a logo for my startup",
        state=orders_pb2.ORDER_STATE_ORDER_CREATED,
        currency="USDC",
        version=1,
        created_at=at,
        updated_at=at,
    )


class Backend(orders_pb2_grpc.OrdersServiceServicer):
    """Answers every call with an order, or with a page of them."""

    def __init__(self, pool: "AsyncConnectionPool[psycopg.AsyncConnection[Any]]") -> None:
        self._pool = pool
        self._page = orders_pb2.ListOrdersResponse(
            orders=[message(str(uuid.uuid4())) for _ in range(PAGE)]
        )

    async def GetOrder(  # noqa: N802 - named by the contract
        self, request: orders_pb2.GetOrderRequest, _: object
    ) -> orders_pb2.Order:
        """Answer with an order."""
        return message(request.order_id)

    async def ListOrders(self, *_: object) -> orders_pb2.ListOrdersResponse:  # noqa: N802 - the same
        """Answer with a page of orders."""
        return self._page

    async def CreateOrder(  # noqa: N802 - the same
        self, request: orders_pb2.CreateOrderRequest, _: object
    ) -> orders_pb2.Order:
        """Write an order, an event and an answer in one statement."""
        order_id = uuid.uuid4()
        made = message(str(order_id))
        values = {
            "marketplace": MARKETPLACE,
            "key": request.request_id,
            "fingerprint": request.fingerprint,
            "answer": made.SerializeToString(),
            "now": dt.datetime.now(dt.UTC),
            "id": order_id,
            "buyer": BUYER,
            "seller": SELLER,
            "amount": made.amount.minor_units,
            "title": made.title,
            "description": made.description,
            "event": uuid.uuid4(),
            "public_id": f"ord_{order_id.hex}",
            "body": BODY.decode(),
        }
        async with self._pool.connection() as connection:
            await connection.execute(INSERT, values, prepare=True)
        return made


async def serve_backend(port: int, database_url: str) -> None:
    """Serve the backend until the process is stopped."""
    server = grpc.aio.server()
    async with AsyncConnectionPool(
        database_url, min_size=CONNECTIONS, max_size=CONNECTIONS, kwargs={"autocommit": True}
    ) as pool:
        async with pool.connection() as connection:
            await connection.execute(DDL)
        orders_pb2_grpc.add_OrdersServiceServicer_to_server(
            Backend(pool),  # type: ignore[abstract]  # the other calls are never made
            server,
        )
        server.add_insecure_port(f"{HOST}:{port}")
        await server.start()
        await _stopped()
        await server.stop(None)


async def serve_gateway(port: int, backend: int) -> None:
    """Serve the gateway until the process is stopped, on Uvicorn like the project's gateway."""
    async with grpc.aio.insecure_channel(f"{HOST}:{backend}") as channel:
        stub = orders_pb2_grpc.OrdersServiceStub(channel)
        config = uvicorn.Config(
            application(stub),
            host=HOST,
            port=port,
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
        )
        await uvicorn.Server(config).serve()


Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def application(stub: Any) -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
    """Return the ASGI application. stub: of the backend."""
    numbers = itertools.count()

    async def serve(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            given = orjson.loads((await receive())["body"])
            request = orders_pb2.CreateOrderRequest(
                request_id=f"{time.time_ns()}-{next(numbers)}",
                fingerprint=b"f" * 32,
                buyer=given["buyerId"],
                seller=given["sellerId"],
                title=given["title"],
            )
            status, data = 201, printed(await stub.CreateOrder(request))
        elif scope["path"].count("/") > LIST_DEPTH:
            order_id = scope["path"].rpartition("/")[2]
            found = await stub.GetOrder(orders_pb2.GetOrderRequest(order_id=order_id))
            status, data = 200, printed(found)
        else:
            page = await stub.ListOrders(orders_pb2.ListOrdersRequest())
            status, data = 200, [printed(order) for order in page.orders]
        body = orjson.dumps({"success": True, "data": data})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return serve


# The number of slashes in the path of a list: /api/v1/orders.
LIST_DEPTH = 3


def printed(order: orders_pb2.Order) -> Any:
    """Return the printed form of an order."""
    return {
        "id": order.id,
        "status": order.state,
        "buyerId": order.buyer.public_id,
        "sellerId": order.seller.public_id,
        "amount": order.amount.minor_units,
        "title": order.title,
        "description": order.description,
        "version": order.version,
        "createdAt": order.created_at.ToJsonString(),
    }


async def _stopped() -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stopping.wait()


@contextlib.contextmanager
def floor(database_url: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Run the floor on a database; yield its URL and the process ids of its parts."""
    ports = {"backend": free_port(), "gateway": free_port()}
    more = {
        "backend": ("--database-url", database_url),
        "gateway": ("--backend", str(ports["backend"])),
    }
    with contextlib.ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        pids = {}
        for name, port in ports.items():
            argv = python_module("bench.floor", name, "--port", str(port), *more[name])
            command = Command(
                name=f"floor-{name}", argv=argv, environment=child_environment(), folder=ROOT
            )
            process = Process(command, folder / f"{name}.log")
            opened.callback(process.stop)
            process.wait_until(lambda port=port: answers(port))  # type: ignore[misc]
            pids[f"floor-{name}"] = process.pid
        yield f"http://{HOST}:{ports['gateway']}", pids


def main() -> None:
    """Serve one part of the floor."""
    parser = argparse.ArgumentParser(description="A part of the floor")
    parser.add_argument("part", choices=("gateway", "backend"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--backend", type=int, default=0)
    parser.add_argument("--database-url", default="")
    arguments = parser.parse_args()
    if arguments.part == "backend":
        uvloop.run(serve_backend(arguments.port, arguments.database_url))
    else:
        uvloop.run(serve_gateway(arguments.port, arguments.backend))


if __name__ == "__main__":
    main()
