"""Reads stay small on a database that grew while nobody counted.

The services' plans were made while every table was empty, and the statistics say that they still
are: what a service meets whose database was filled a moment ago.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import timestamp_pb2
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2, withdrawals_pb2
from orchestrator.webhooks.v1 import webhooks_pb2

from kernel.errors import FailedPrecondition, NotFound
from services.orders.lookups import indexer
from services.orders.lookups.store import COUNTED
from tests.conftest import RunningDevnet, TestDatabase
from tests.contract.builders import VALID, usdc
from tests.contract.city import City
from tests.contract.descriptors import METHODS, MUTATING, label
from tests.contract.world import World
from tests.integration.plans import crowd
from tests.integration.plans.crowd import Crowd
from tests.integration.plans.crowd_of_lists import AGGREGATE, WEBHOOK
from tests.integration.plans.watching import Log, Statement, watch
from tests.patience import PATIENCE_SECONDS

PAGE_SIZE = 10
# A look-up by key goes down an index of a few levels; a page's rows need some look-ups each.
PAGES = 40
PAGES_A_ROW = 12
# How often a statement runs before its plan is kept, and once more.
WARM_UPS = 6
# Read whole tables, for operators; the last one in the background.
WHOLE = {"CheckInvariants", "ListOpenHolds", "GetBooks"}
# Open the keys of wallets, which the crowd's do not have.
SEALED = {"AdoptTransaction", "AbandonCommand"}
# Write a row, which makes new pages in an empty table.
WRITES = {"StopFlow", "ResumeFlow", "LimitFlow", "RedirectPayout"}
# Sums lines of the house's accounts: what counts is that wrong statistics do not make it more.
SUMS = {"ListAccounts", "GetPlatformBalance"}
READS = [
    (name, method)
    for name, method in METHODS
    if (name, method) not in MUTATING and method.name not in WHOLE | SEALED | WRITES
]


# Lists by each filter that has an index of its own, and by several. Few rows fulfil those that have
# none.
LISTED: list[tuple[str, Any]] = [
    *(
        ("orders", orders_pb2.ListOrdersRequest(**fields))
        for fields in (
            {},
            {"sort": orders_pb2.ORDER_SORT_OLDEST},
            {"sort": orders_pb2.ORDER_SORT_SMALLEST},
            {"sort": orders_pb2.ORDER_SORT_LARGEST, "amount_to": usdc(8000)},
            {"client_order_ref": "ref-7"},
            {"amount": usdc(8000)},
            {"amount": usdc(8000), "sort": orders_pb2.ORDER_SORT_OLDEST},
            {"state": orders_pb2.ORDER_STATE_DISPUTED},
            {"state": orders_pb2.ORDER_STATE_CLOSED, "amount_from": usdc(1)},
            {"created_to": timestamp_pb2.Timestamp(seconds=1)},
            {"text": "logo"},
            {"text": "logo a"},
            {"text": "logo", "seller": "usr_nobody"},
        )
    ),
    *(
        ("disputes", disputes_pb2.ListDisputesRequest(**fields))
        for fields in (
            {},
            {"status": disputes_pb2.DISPUTE_STATUS_OPEN},
            {"assigned_to": "agent-7"},
            {"opened_by": common_pb2.PARTY_BUYER},
            {"opened_by": common_pb2.PARTY_SELLER},
            {"opened_to": timestamp_pb2.Timestamp(seconds=1)},
            {"status": disputes_pb2.DISPUTE_STATUS_OPEN, "opened_by": common_pb2.PARTY_BUYER},
            {"overdue": True},
            {"overdue": True, "opened_by": common_pb2.PARTY_BUYER},
            {"status": disputes_pb2.DISPUTE_STATUS_RESOLVED, "opened_by": common_pb2.PARTY_SELLER},
            {"assigned_to": "agent-often", "status": disputes_pb2.DISPUTE_STATUS_OPEN},
            {"assigned_to": "agent-often", "opened_by": common_pb2.PARTY_SELLER},
        )
    ),
    *(
        ("orders", withdrawals_pb2.ListWithdrawalsRequest(**fields))
        for fields in (
            {},
            {"state": withdrawals_pb2.WITHDRAWAL_STATE_COMPLETED},
            {"state": withdrawals_pb2.WITHDRAWAL_STATE_FAILED},
            {"reference": "payout", "state": withdrawals_pb2.WITHDRAWAL_STATE_FAILED},
        )
    ),
    *(
        ("webhooks", webhooks_pb2.ListDeliveriesRequest(webhook_id=str(WEBHOOK), status=status))
        for status, _ in webhooks_pb2.DeliveryStatus.items()
    ),
    *(
        ("webhooks", webhooks_pb2.ListEventsRequest(**fields))
        for fields in (
            {},
            {"event_types": ["order.created", "user.created"]},
            {"aggregate_id": AGGREGATE},
            {"aggregate_id": AGGREGATE, "event_types": ["user.created"]},
        )
    ),
    ("orders", orders_pb2.ListUsersRequest(external_user_id="nobody")),
    ("orders", orders_pb2.ListUsersRequest(email="nobody@shop.example")),
]


def _listing(request: Any) -> str:
    return str(request.DESCRIPTOR.name.removesuffix("Request"))


@dataclass(kw_only=True)
class Grown:
    """Services on a database that has grown."""

    city: City
    log: Log
    crowd: Crowd

    async def read(self, name: str, method: str) -> list[Statement]:
        """Call a method about the crowd; returns the statements that ran meanwhile."""
        self.log.statements()
        world = World(city=self.city, way="socket", marketplace_id=self.crowd.marketplace_id)
        await _ask(world, name, method, about=self.crowd)
        return self.log.statements()


@pytest.fixture(scope="module")
async def grown(
    make_database: Callable[[], TestDatabase],
    nats_url: str,
    devnet: RunningDevnet,
    session_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Grown]:
    """Services that were warmed up on an empty database, which was filled then."""
    database = make_database()
    crowd.forget_statistics(database.url())
    watch(database)
    log = Log(session_folder / "logs" / "postgres.log")
    city = City(
        database=database,
        nats_url=nats_url,
        devnet=lambda: devnet,
        folder=str(tmp_path_factory.mktemp("plans")),
        settings={"database_pool_size": 4, "auto_confirm_poll_seconds": 1},
    )
    empty = World(city=city, way="socket")
    for _ in range(WARM_UPS):
        for name, method in READS:
            await _ask(empty, name, method.name)
        for name, request in LISTED:
            with contextlib.suppress(NotFound):  # the webhook comes with the crowd
                await empty.call(name, _listing(request), request)
    made = crowd.fill(database.url())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(indexer, "SELDOM_SECONDS", 1)
        yield Grown(city=city, log=log, crowd=made)
    await city.close()
    database.drop()


async def test_crowd_has_more_than_200000_rows(grown: Grown) -> None:
    assert crowd.count(grown.city.database.url()) > 200_000


@pytest.mark.parametrize(("name", "method"), READS, ids=label)
async def test_read_touches_few_pages(grown: Grown, name: str, method: Any) -> None:
    ran = await grown.read(name, method.name)

    # These answer from memory, or from the chain.
    assert ran or method.name in {"GetNetwork", "CheckNetwork"}
    _require_few([one for one in ran if not (method.name in SUMS and "sum(" in one.text)])


@pytest.mark.parametrize(
    ("name", "request_"), LISTED, ids=[str(one).replace("\n", " ") for _, one in LISTED]
)
async def test_filtered_list_touches_few_pages(grown: Grown, name: str, request_: Any) -> None:
    world = World(city=grown.city, way="socket", marketplace_id=grown.crowd.marketplace_id)
    method = _listing(request_)
    asked = type(request_)(page=common_pb2.PageRequest(page_size=PAGE_SIZE))
    asked.MergeFrom(request_)
    grown.log.statements()
    await world.call(name, method, asked)

    ran = grown.log.statements()
    # To find the rarest word, a few orders of each are counted.
    counts = [one for one in ran if "with ordinality" in one.text]
    assert all(one.pages <= PAGES + 2 * COUNTED for one in counts)
    _require_few([one for one in ran if one not in counts])


async def test_sum_costs_the_same_with_stale_and_true_statistics(grown: Grown) -> None:
    before = [await grown.read("ledger", method) for method in sorted(SUMS)]
    crowd.analyze(grown.city.database.url())
    after = [await grown.read("ledger", method) for method in sorted(SUMS)]

    for blind, seeing in zip(before, after, strict=True):
        assert _pages(blind) <= 1.2 * _pages(seeing)


async def test_background_statements_touch_few_pages(grown: Grown) -> None:
    seen: list[Statement] = []
    world = World(city=grown.city, way="socket")
    grown.log.statements()
    unseen = set(_BACKGROUND)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while unseen:
                # Work is claimed, and counts are folded, only where there are any.
                crowd.let_run(grown.city.database.url())
                # It gives the loops time, and wakes the one that looks for overdue cases.
                await _ask(world, "disputes", "AgeAnswers")
                seen += (ran := grown.log.statements())
                unseen -= {mark for mark in unseen for one in ran if mark in one.text}
    assert unseen == set()

    _require_few([one for one in seen if any(mark in one.text for mark in _BACKGROUND)])


# One mark of a statement of each loop that has one: relay, leases, deliveries, totals, commands.
_BACKGROUND = (
    "outbox_published",
    "exists (select from withdrawals where in_progress)",
    "update operations set lease_epoch",
    "auto_confirm_days",
    "'totals'",
    "as due from commands",
    "words_due",
    "untold_due_at <= now()",
)


def _require_few(statements: list[Statement]) -> None:
    for one in statements:
        assert one.pages <= PAGES + PAGES_A_ROW * one.rows, f"{one.pages}: {one.name}\n{one.plan}"


def _pages(statements: list[Statement]) -> int:
    return sum(one.pages for one in statements if "sum(" in one.text)


async def _ask(world: World, name: str, method: str, *, about: Crowd | None = None) -> None:
    request = VALID[name][method]()
    if about is not None:
        _name(request, about)
    try:
        await world.call(name, method, request)
        if method == "ListAccounts":
            # By name until here; and all of them, which is another statement.
            request.ClearField("accounts")
            await world.call(name, method, request)
    except (NotFound, FailedPrecondition):
        # Of an empty database; or what was found is not as the method wants it.
        return


def _name(request: Any, about: Crowd) -> None:
    """Let a request be about the crowd."""
    names = {
        "order_id": about.order_id,
        "dispute_id": about.dispute_id,
        "command_id": about.command_id,
        "transfer_id": about.transfer_id,
        "user_id": about.buyer_id,
        "user": about.buyer_id,
        "buyer": about.buyer_id,
        "seller": about.seller_id,
        "webhook_id": WEBHOOK,
    }
    for field in request.DESCRIPTOR.fields:
        if field.name in names:
            setattr(request, field.name, str(names[field.name]))
        elif field.name == "page":
            request.page.page_size = PAGE_SIZE
        elif field.name == "accounts":
            request.accounts[:] = [f"user:{about.buyer_id}"]
        elif field.name == "limit":
            request.limit = PAGE_SIZE
