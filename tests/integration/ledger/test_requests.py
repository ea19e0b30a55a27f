"""The ledger served on a socket: calls, refusals, repeats, statements, deposits from the bus."""

import asyncio
import uuid
from typing import Any

import pytest
from orchestrator.ledger.v1 import ledger_pb2

from kernel.errors import (
    AlreadyExists,
    DomainError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from tests.serving import Client

CREATED = ledger_pb2.TRANSFER_STATUS_CREATED
EXISTS = ledger_pb2.TRANSFER_STATUS_EXISTS
REFUSED = ledger_pb2.TRANSFER_STATUS_REFUSED
SINGLE = ledger_pb2.TRANSFER_TYPE_SINGLE
PENDING = ledger_pb2.TRANSFER_TYPE_PENDING
POST = ledger_pb2.TRANSFER_TYPE_POST
VOID = ledger_pb2.TRANSFER_TYPE_VOID
DEPOSIT = ledger_pb2.TRANSFER_CODE_DEPOSIT
RESERVE = ledger_pb2.TRANSFER_CODE_RESERVE


def ident() -> str:
    return str(uuid.uuid4())


def usdc(minor_units: int) -> dict[str, object]:
    return {"asset": "USDC", "minor_units": minor_units}


def transfer(**fields: Any) -> ledger_pb2.NewTransfer:
    given: dict[str, Any] = {
        "id": ident(),
        "type": SINGLE,
        "code": DEPOSIT,
        "amount": usdc(100),
    } | fields
    return ledger_pb2.NewTransfer(**{name: value for name, value in given.items() if value})


async def opened(ledger: Client, *, public_id: str = "", user_id: str = "") -> str:
    user = user_id or ident()
    request = ledger_pb2.OpenAccountRequest(
        request_id=ident(), user_id=user, public_id=public_id or f"usr_{user}", asset="USDC"
    )
    await ledger.call("OpenAccount", request, caller="orders")
    return user


async def posted(ledger: Client, *transfers: ledger_pb2.NewTransfer, request_id: str = "") -> Any:
    request = ledger_pb2.PostTransfersRequest(request_id=request_id, transfers=transfers)
    return await ledger.call("PostTransfers", request, caller="orders")


async def balance(ledger: Client, user: str) -> tuple[int, int]:
    request = ledger_pb2.GetBalanceRequest(user_id=user, asset="USDC")
    account = await ledger.call("GetBalance", request)
    return account.available.minor_units, account.reserved.minor_units


async def refusal(
    ledger: Client, method: str, request: Any, *, caller: str = "orders"
) -> DomainError:
    with pytest.raises(DomainError) as caught:
        await ledger.call(method, request, caller=caller)
    return caught.value


async def test_hold_is_created_and_returned_over_grpc(ledger: Client) -> None:
    user, order = await opened(ledger, public_id="usr_buyer123"), ident()
    name, hold = f"user:{user}", ident()

    answer = await posted(
        ledger,
        transfer(debit_account="external:stellar", credit_account=name, amount=usdc(900)),
        transfer(
            id=hold,
            type=PENDING,
            code=RESERVE,
            debit_account=name,
            credit_account=f"escrow:{order}",
            amount=usdc(800),
            order_id=order,
        ),
    )

    assert [result.status for result in answer.results] == [CREATED, CREATED]
    held = answer.results[1].debited
    assert (held.user_id, held.public_id) == (user, "usr_buyer123")
    assert (held.available.minor_units, held.reserved.minor_units) == (100, 800)
    assert not answer.results[1].HasField("credited")
    assert await balance(ledger, user) == (100, 800)


async def test_insufficient_funds_name_the_available_and_requested_amounts(ledger: Client) -> None:
    name = f"user:{await opened(ledger)}"

    answer = await posted(ledger, transfer(debit_account=name, credit_account="suspense"))

    [result] = answer.results
    assert (result.status, result.reason) == (REFUSED, "INSUFFICIENT_FUNDS")
    assert result.HasField("available")
    assert (result.available.minor_units, result.requested.minor_units) == (0, 100)
    assert result.requested.asset == "USDC"


async def test_a_stored_answer_is_returned_byte_for_byte(ledger: Client) -> None:
    user = await opened(ledger)
    asked = transfer(debit_account="external:stellar", credit_account=f"user:{user}")
    request = ledger_pb2.PostTransfersRequest(request_id=ident(), transfers=[asked])

    first, was_replayed = await ledger.call_with_replay("PostTransfers", request, caller="orders")
    await posted(ledger, transfer(debit_account="external:stellar", credit_account=f"user:{user}"))
    again, is_replayed = await ledger.call_with_replay("PostTransfers", request, caller="orders")

    assert first.SerializeToString() == again.SerializeToString()
    assert (was_replayed, is_replayed) == (False, True)
    assert await balance(ledger, user) == (200, 0)


async def test_a_stored_refusal_is_returned_again(ledger: Client) -> None:
    user = await opened(ledger)
    asked = transfer(debit_account=f"user:{user}", credit_account="suspense")
    request_id = ident()
    first = await posted(ledger, asked, request_id=request_id)
    await posted(ledger, transfer(debit_account="external:stellar", credit_account=f"user:{user}"))

    again = await posted(ledger, asked, request_id=request_id)

    assert first == again
    assert again.results[0].reason == "INSUFFICIENT_FUNDS"


async def test_concurrent_repeats_of_a_request_happen_once_and_get_the_same_answer(
    ledger: Client,
) -> None:
    user, request_id = await opened(ledger), ident()
    asked = transfer(debit_account="external:stellar", credit_account=f"user:{user}")

    answers = await asyncio.gather(
        *(posted(ledger, asked, request_id=request_id) for _ in range(8))
    )

    assert len({answer.SerializeToString() for answer in answers}) == 1
    assert answers[0].results[0].status == CREATED
    assert await balance(ledger, user) == (100, 0)


async def test_a_request_id_cannot_be_used_for_other_transfers(ledger: Client) -> None:
    request_id = ident()
    world = {"debit_account": "external:stellar", "credit_account": "suspense"}
    await posted(ledger, transfer(**world), request_id=request_id)

    with pytest.raises(AlreadyExists) as caught:
        await posted(ledger, transfer(**world), request_id=request_id)

    assert caught.value.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_one_of_two_different_requests_with_one_id_is_refused(ledger: Client) -> None:
    request_id = ident()
    world = {"debit_account": "external:stellar", "credit_account": "suspense"}

    answers = await asyncio.gather(
        *(posted(ledger, transfer(**world), request_id=request_id) for _ in range(2)),
        return_exceptions=True,
    )

    assert sorted(type(answer).__name__ for answer in answers) == [
        "AlreadyExists",
        "PostTransfersResponse",
    ]


async def test_an_account_opens_once(ledger: Client) -> None:
    user = await opened(ledger, public_id="usr_one")

    await opened(ledger, public_id="usr_one", user_id=user)

    for other in ({"user_id": user, "public_id": "usr_two"}, {"user_id": ident()}):
        fields = {"request_id": ident(), "public_id": "usr_one", "asset": "USDC"} | other
        refused = await refusal(ledger, "OpenAccount", ledger_pb2.OpenAccountRequest(**fields))
        assert isinstance(refused, AlreadyExists)
        assert refused.reason == "ACCOUNT_DIFFERS"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"debit_account": None}, "transfers[0].debit_account"),
        ({"credit_account": None}, "transfers[0].credit_account"),
        ({"pending_id": ident()}, "transfers[0].pending_id"),
        ({"linked": True}, "transfers[0].linked"),
        ({"reason": "\x00"}, "transfers[0].reason"),
        ({"type": POST}, "transfers[0].pending_id"),
        ({"type": VOID, "pending_id": ident()}, "transfers[0].amount"),
        ({"type": VOID, "pending_id": ident()}, "transfers[0].debit_account"),
        ({"debit_account": "user:somebody"}, "transfers[0].debit_account"),
    ],
)
async def test_invalid_fields_are_named(ledger: Client, fields: dict[str, Any], named: str) -> None:
    accounts = {"debit_account": "external:stellar", "credit_account": "suspense"}
    request = ledger_pb2.PostTransfersRequest(transfers=[transfer(**(accounts | fields))])

    refused = await refusal(ledger, "PostTransfers", request)

    assert isinstance(refused, InvalidArgument)
    assert named in [name for name, _ in refused.fields]


@pytest.mark.parametrize("count", [50, 1000])
async def test_refusal_names_as_many_invalid_fields_as_fit(ledger: Client, count: int) -> None:
    wrong = [ledger_pb2.NewTransfer() for _ in range(count)]

    refused = await refusal(
        ledger, "PostTransfers", ledger_pb2.PostTransfersRequest(transfers=wrong)
    )

    assert isinstance(refused, InvalidArgument)
    assert refused.fields[0][0].startswith("transfers[0].")
    assert 2 <= len(refused.fields) <= count


async def test_a_statement_is_read_page_by_page_newest_first(ledger: Client) -> None:
    user = await opened(ledger)
    for amount in (1, 2, 3, 4, 5):
        asked = transfer(
            debit_account="external:stellar", credit_account=f"user:{user}", amount=usdc(amount)
        )
        await posted(ledger, asked)

    pages: list[list[tuple[int, int]]] = []
    token = ""
    while not pages or token:
        request = ledger_pb2.ListEntriesRequest(
            user_id=user, asset="USDC", page={"page_size": 2, "page_token": token}
        )
        page = await ledger.call("ListEntries", request)
        pages.append(
            [(one.available_change, one.available_after.minor_units) for one in page.entries]
        )
        token = page.next_page_token

    assert pages == [[(5, 15), (4, 10)], [(3, 6), (2, 3)], [(1, 1)]]


async def test_the_accounts_of_the_house_are_read_page_by_page(ledger: Client) -> None:
    order = ident()
    await posted(
        ledger,
        transfer(debit_account="external:stellar", credit_account="suspense", amount=usdc(7)),
        transfer(debit_account="suspense", credit_account="manual", amount=usdc(7)),
        transfer(debit_account="manual", credit_account=f"escrow:{order}", amount=usdc(7)),
    )

    found: dict[str, int] = {}
    token, pages = "", 0
    while not pages or token:
        request = ledger_pb2.ListAccountsRequest(
            only_open=True, page={"page_size": 1, "page_token": token}
        )
        page = await ledger.call("ListAccounts", request, caller="operator")
        found |= {one.account: one.balance for one in page.accounts}
        token, pages = page.next_page_token, pages + 1

    assert found == {"external:stellar": -7, f"escrow:{order}": 7}
    assert pages == 2


@pytest.mark.parametrize(
    ("method", "request_", "reason"),
    [
        (
            "GetBalance",
            ledger_pb2.GetBalanceRequest(user_id=ident(), asset="USDC"),
            "USER_NOT_FOUND",
        ),
        (
            "ListEntries",
            ledger_pb2.ListEntriesRequest(user_id=ident(), asset="USDC"),
            "USER_NOT_FOUND",
        ),
        ("GetTransfer", ledger_pb2.GetTransferRequest(transfer_id=ident()), "TRANSFER_NOT_FOUND"),
    ],
)
async def test_unknown_ids_are_not_found(
    ledger: Client, method: str, request_: Any, reason: str
) -> None:
    refused = await refusal(ledger, method, request_, caller="orders")

    assert isinstance(refused, NotFound)
    assert refused.reason == reason


@pytest.mark.parametrize(
    ("method", "caller"),
    [
        ("PostTransfers", "gateway"),
        ("PostTransfers", "operator"),
        ("OpenAccount", "gateway"),
        ("ListTransfers", "gateway"),
        ("GetTransfer", "gateway"),
        ("ListAccounts", "escrow"),
        ("ListAccounts", "gateway"),
        ("CheckInvariants", "orders"),
        ("CheckInvariants", "gateway"),
        ("GetBalance", "escrow"),
    ],
)
async def test_only_callers_on_the_allow_list_may_call(
    ledger: Client, method: str, caller: str
) -> None:
    request = getattr(ledger_pb2, f"{method}Request")()

    refused = await refusal(ledger, method, request, caller=caller)

    assert isinstance(refused, PermissionDenied)
    assert refused.reason == "CALLER_NOT_ALLOWED"


async def test_a_marketplace_sees_only_its_own(ledger: Client) -> None:
    user = await opened(ledger)
    asked = transfer(
        debit_account="external:stellar", credit_account=f"user:{user}", order_id=ident()
    )
    await posted(ledger, asked)
    other = Client(transport=ledger.transport)

    found = await other.call(
        "ListTransfers",
        ledger_pb2.ListTransfersRequest(order_id=asked.order_id),
        caller="orders",
    )
    accounts = await other.call("ListAccounts", ledger_pb2.ListAccountsRequest(), caller="operator")

    assert not found.transfers
    assert not accounts.accounts
    mine = await ledger.call(
        "ListTransfers",
        ledger_pb2.ListTransfersRequest(order_id=asked.order_id),
        caller="orders",
    )
    assert [asked.id] == [one.id for one in mine.transfers]
    for method, request in (
        ("GetBalance", ledger_pb2.GetBalanceRequest(user_id=user, asset="USDC")),
        ("GetTransfer", ledger_pb2.GetTransferRequest(transfer_id=asked.id)),
    ):
        assert isinstance(await refusal(other, method, request, caller="orders"), NotFound)


async def test_an_operator_sees_that_every_invariant_holds(ledger: Client) -> None:
    await opened(ledger)

    found = await ledger.call(
        "CheckInvariants", ledger_pb2.CheckInvariantsRequest(), caller="operator"
    )

    assert len(found.results) == 9
    assert all(one.holds for one in found.results), found
