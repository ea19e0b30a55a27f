"""Exports: lists of the API as CSV files, which are generated while they are sent."""

from collections.abc import Sequence

from orchestrator.common.v1 import common_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2, withdrawals_pb2

from chassis.audit import Filter
from chassis.wire import instant_to_proto, page_token, uuid_from_token
from gateway import exports
from gateway.answers import CsvFile
from gateway.call import Call
from gateway.exports import Period, Read, Row
from gateway.funds import payments
from gateway.keys import ADMIN, READ, SUPPORT
from gateway.marketplace import audit, balances, order, orders, platform, withdrawals
from gateway.marketplace.users import known_user
from gateway.routing import Routes
from kernel.money import USDC

routes = Routes("Exports")


@routes.get("/exports/orders.csv", scope=READ)
async def export_orders(call: Call, query: Period) -> CsvFile:
    """Export the marketplace's orders, newest first, by when they were created."""

    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        request = orders_pb2.ListOrdersRequest(
            page=page,
            created_from=instant_to_proto(query.from_),
            created_to=instant_to_proto(query.to),
        )
        found = await call.read(call.backends.orders.ListOrders, request)
        return await orders.whole(call, found.orders), found.next_page_token

    return await exports.file("orders", order.Order, query, read, at="createdAt")


@routes.get("/exports/withdrawals.csv", scope=READ)
async def export_withdrawals(call: Call, query: Period) -> CsvFile:
    """Export the users' withdrawals, newest first, by when they were created."""

    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        request = withdrawals_pb2.ListWithdrawalsRequest(page=page)
        found = await call.read(call.backends.orders.ListWithdrawals, request)
        printed = [withdrawals.withdrawal(one) for one in found.withdrawals]
        return printed, found.next_page_token

    return await exports.file("withdrawals", withdrawals.Withdrawal, query, read, at="createdAt")


@routes.get("/exports/platform.csv", scope=ADMIN)
async def export_platform(call: Call, query: Period) -> CsvFile:
    """Export the statement of the platform: each change of its own money, newest first."""
    return await exports.file(
        "platform", platform.PlatformEntry, query, _platform_entries(call), at="at"
    )


@routes.get("/exports/fees.csv", scope=ADMIN)
async def export_fees(call: Call, query: Period) -> CsvFile:
    """Export the fees that the platform has earned, from its statement, newest first."""
    entries = _platform_entries(call)

    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        found, following = await entries(page)
        return [one for one in found if one["account"] == platform.EARNED], following

    return await exports.file("fees", platform.PlatformEntry, query, read, at="at")


@routes.get("/exports/fee-withdrawals.csv", scope=ADMIN)
async def export_fee_withdrawals(call: Call, query: Period) -> CsvFile:
    """Export the withdrawals of fees, newest first, by when they were created."""

    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        request = withdrawals_pb2.ListWithdrawalsRequest(page=page, by_platform=True)
        found = await call.read(call.backends.orders.ListWithdrawals, request)
        return [withdrawals.paid_out(one) for one in found.withdrawals], found.next_page_token

    return await exports.file("fee-withdrawals", withdrawals.PaidOut, query, read, at="createdAt")


@routes.get("/exports/audit.csv", scope=SUPPORT)
async def export_audit(call: Call, query: Period) -> CsvFile:
    """Export the audit trail: each change of the marketplace, newest first."""

    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        chosen = Filter(
            marketplace_id=call.caller.identity.marketplace_id,
            before=uuid_from_token(page.page_token),
            since=query.from_,
            until=query.to,
        )
        found = await call.parts.lines.page(chosen, limit=page.page_size)
        is_last = len(found) < page.page_size
        return [audit.printed(one) for one in found], "" if is_last else page_token(found[-1].id)

    return await exports.file("audit", audit.AuditLine, query, read, at="at")


@routes.get("/users/{id}/statement.csv", scope=READ, refusals=("USER_NOT_FOUND",))
async def export_statement(call: Call, query: Period) -> CsvFile:
    """Export a user's statement: each payment with the balance after it, newest first."""
    owner = await known_user(call)

    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        request = ledger_pb2.ListEntriesRequest(user_id=str(owner.id), asset=USDC, page=page)
        found = await call.read(call.backends.ledger.ListEntries, request)
        return [balances.entry(one) for one in payments(found.entries)], found.next_page_token

    return await exports.file("statement", balances.Entry, query, read, at="at")


def _platform_entries(call: Call) -> Read:
    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        request = ledger_pb2.ListPlatformEntriesRequest(asset=USDC, page=page)
        found = await call.read(call.backends.ledger.ListPlatformEntries, request)
        return [platform.platform_entry(one) for one in found.entries], found.next_page_token

    return read
