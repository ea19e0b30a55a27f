"""The second wall: the database refuses wrong rows, even if the code has a fault."""

import uuid
from typing import Any

import psycopg
import pytest

from tests.integration.ledger.conftest import WORLD, House, escrow, pending, post, single


async def refused(house: House, statement: str, *parameters: object, role: str = "") -> str:
    """Run a statement that must be refused; returns the constraint, or the SQLSTATE."""
    url = house.url if role == "ledger" else house.owner_url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set search_path = ledger")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement, parameters)
    return caught.value.diag.constraint_name or str(caught.value.sqlstate)


INSERT_TRANSFER = """
insert into transfers (marketplace_id, id, type, code, asset, debit_account, credit_account,
                       amount, pending_id, transaction_hash, reason, at)
values (%s, %s, %s, 1, %s, %s, %s, %s, %s, '', '', now())
"""
INSERT_ENTRY = """
insert into entries (marketplace_id, asset, account, version, transfer_id, available_change,
                     reserved_change, available_after, reserved_after)
values (%s, 'USDC', %s, %s, %s, %s, %s, %s, %s)
"""


@pytest.mark.parametrize("table", ["transfers", "entries", "inbox"])
@pytest.mark.parametrize("verb", ["delete from {}", "truncate {}"])
async def test_history_cannot_be_changed_by_the_service(
    house: House, table: str, verb: str
) -> None:
    assert await refused(house, verb.format(table), role="ledger") == "42501"


@pytest.mark.parametrize(
    "statement",
    [
        "delete from accounts",
        "update accounts set public_id = 'x'",
        "update accounts set name = 'suspense'",
        "delete from outbox",
        "update outbox set body = 'x'",
        "update transfers set amount = 1",
        "update entries set available_change = 1",
        "update inbox set consumer = 'x'",
    ],
)
async def test_the_services_role_has_only_the_grants_it_needs(house: House, statement: str) -> None:
    assert await refused(house, statement, role="ledger") == "42501"


async def test_database_refuses_negative_balances(house: House) -> None:
    ann = await house.user(10)
    update = "update accounts set {} where name = %s"

    constraints = [
        await refused(house, update.format("debits = debits + 11"), ann),
        await refused(house, update.format("holds = holds + 11"), ann),
        await refused(house, update.format("holds = -1"), ann),
        await refused(house, update.format("credits = -1, debits = -20"), ann),
    ]

    assert constraints == [
        "accounts_available_not_negative",
        "accounts_available_not_negative",
        "accounts_reserved_not_negative",
        "accounts_totals_not_negative",
    ]


async def test_derived_accounts_store_no_balances(house: House) -> None:
    await house.user(10)

    constraint = await refused(house, "update accounts set credits = 1 where name = %s", WORLD)

    assert constraint == "accounts_derived_hold_no_figures"


async def test_a_public_id_names_one_user(house: House) -> None:
    await house.user(public_id="usr_taken")

    row = (house.marketplace, f"user:{uuid.uuid4()}")
    insert = (
        "insert into accounts (marketplace_id, asset, name, public_id, opened_at)"
        " values (%s, 'USDC', %s, 'usr_taken', now())"
    )

    assert await refused(house, insert, *row) == "accounts_public_id_once"


async def test_impossible_transfers_are_refused(house: House) -> None:
    ann, bob = await house.user(100), await house.user()
    hold = pending(ann, bob, 40)
    await house.post(hold)

    async def insert(kind: int, asset: str, debit: str, credit: str, amount: int, of: Any) -> str:
        row = (house.marketplace, uuid.uuid4(), kind, asset, debit, credit, amount, of)
        return await refused(house, INSERT_TRANSFER, *row)

    assert await insert(1, "USDC", ann, bob, 0, None) == "transfers_amount_positive"
    assert await insert(1, "USDC", ann, bob, -5, None) == "transfers_amount_positive"
    assert await insert(1, "USDC", ann, ann, 5, None) == "transfers_two_accounts"
    assert await insert(5, "USDC", ann, bob, 5, None) == "transfers_type"
    assert await insert(3, "USDC", ann, bob, 5, None) == "transfers_pending_named"
    assert await insert(1, "USDC", ann, bob, 5, hold.id) == "transfers_pending_named"
    assert await insert(1, "EURC", ann, bob, 5, None) == "transfers_debit_account"
    assert await insert(1, "USDC", ann, escrow(), 5, None) == "transfers_credit_account"
    assert await insert(4, "USDC", ann, bob, 5, uuid.uuid4()) == "transfers_pending"


@pytest.mark.parametrize(
    ("statement", "wall"),
    [
        ("delete from accounts", "accounts_are_kept"),
        ("truncate accounts", "accounts_are_kept"),
        ("update accounts set name = 'suspense'", "accounts_keep_their_name"),
        ("update accounts set asset = 'EURC'", "accounts_keep_their_name"),
    ],
)
async def test_not_even_the_owner_deletes_or_renames_an_account(
    house: House, statement: str, wall: str
) -> None:
    await house.user(10)

    assert await refused(house, statement) == wall


async def test_one_unknown_account_refuses_a_whole_statement(house: House) -> None:
    ann, bob = await house.user(100), await house.user()
    rows = "(%s, %s, 1, 1, 'USDC', %s, %s, 5, null, '', '', now())"
    many = f"{INSERT_TRANSFER.partition('values')[0]} values {rows}, {rows}"
    m, one, other = house.marketplace, uuid.uuid4(), uuid.uuid4()

    wrong = await refused(house, many, m, one, ann, bob, m, other, ann, escrow())

    assert wrong == "transfers_credit_account"


async def test_a_hold_is_resolved_once_on_its_own_accounts_up_to_its_amount(house: House) -> None:
    ann, bob = await house.user(100), await house.user()
    hold, moved = pending(ann, bob, 40), single(ann, bob, 10)
    await house.post(hold, moved)

    async def resolve(debit: str, credit: str, amount: int, of: uuid.UUID) -> str:
        row = (house.marketplace, uuid.uuid4(), 3, "USDC", debit, credit, amount, of)
        return await refused(house, INSERT_TRANSFER, *row)

    wall = "transfers_resolve_their_hold"
    assert await resolve(ann, bob, 41, hold.id) == wall
    assert await resolve(bob, ann, 40, hold.id) == wall
    assert await resolve(ann, bob, 10, moved.id) == wall
    await house.post(post(hold))
    assert await resolve(ann, bob, 40, hold.id) == "transfers_pending_resolved_once"


async def test_entries_sum_to_zero_on_the_accounts_of_their_transfer(house: House) -> None:
    ann, bob = await house.user(100), await house.user()
    moved = single(ann, bob, 10)
    await house.post(moved)

    async def insert(account: str, transfer: uuid.UUID, available: int, reserved: int) -> str:
        row = (house.marketplace, account, 99, transfer, available, reserved, 5, 5)
        return await refused(house, INSERT_ENTRY, *row)

    assert await insert(ann, moved.id, 5, 0) == "entries_sum_to_zero"
    assert await insert(WORLD, moved.id, 5, -5) == "entries_sum_to_zero"
    assert await insert(ann, uuid.uuid4(), 5, -5) == "entries_sum_to_zero"
    assert await insert(ann, moved.id, 0, 0) == "entries_change_something"


async def test_a_version_is_written_once(house: House) -> None:
    ann = await house.user(100)
    hold = pending(ann, escrow(), 5)
    await house.post(hold)

    row = (house.marketplace, ann, 2, hold.id, -5, 5, 90, 10)

    assert await refused(house, INSERT_ENTRY, *row) == "entries_version"


async def test_entry_has_balances_if_and_only_if_it_has_a_version(house: House) -> None:
    ann = await house.user(100)
    hold = pending(ann, escrow(), 5)
    await house.post(hold)

    bare = (house.marketplace, ann, 3, hold.id, -5, 5, None, None)
    negative = (house.marketplace, ann, 3, hold.id, -5, 5, -1, 5)

    assert await refused(house, INSERT_ENTRY, *bare) == "entries_figures_with_version"
    assert await refused(house, INSERT_ENTRY, *negative) == "entries_after_not_negative"
