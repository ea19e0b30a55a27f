"""What a migration writes into rows that were there before it."""

import pathlib
import shutil
import uuid
from typing import Any

import psycopg
import pytest

from chassis.migrations.__main__ import upgrade_all
from chassis.migrations.scripts import SCRIPTS
from kernel.money import CENT

# An order of 80.00 at 10 %, closed in some way before receipts were kept.
_USER = """
insert into orders.users (marketplace_id, id, public_id, external_user_id, type, created_at)
values (%(m)s, %(id)s, %(name)s, %(name)s, 'BOTH', now())
"""
_ORDER = """
insert into orders.orders (marketplace_id, id, buyer_id, buyer_public_id, seller_id,
    seller_public_id, asset, currency, amount, title, description, state, final_status, origin,
    platform_fee_bps, platform_fee, version, created_at, updated_at, closed_at, released_amount,
    provider_fee)
values (%(m)s, %(id)s, %(buyer)s, 'buyer', %(seller)s, 'seller', 'USDC', 'USD', %(amount)s,
    'Order', '', 'CLOSED', %(final)s, 'PARTY', 1000, %(amount)s / 10, 9, now(), now(), now(),
    %(released)s, %(provider)s)
"""
_DECISION = """
insert into orders.operations (id, marketplace_id, order_id, kind, state, scope, key, fingerprint,
    context, actor, request_id, lease_until, lease_epoch)
values (%(op)s, %(m)s, %(id)s, 'RESOLVE_DISPUTE', 'succeeded', 'm', 'k', '', %(context)s, '', '',
    now(), 1)
"""
_FOUND = "select released_share, charged_fee from orders.orders where id = %s"


@pytest.fixture
def database_at_first(
    database_url: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The URL of a database whose orders are as the first migration made them."""
    url: str = database_url()
    with psycopg.connect(url) as connection:
        connection.execute("drop schema orders cascade")
    shutil.copy(SCRIPTS["orders"] / "0001_initial.py", tmp_path)
    with monkeypatch.context() as patched:
        patched.setitem(SCRIPTS, "orders", tmp_path)
        upgrade_all(url)
    return url


@pytest.mark.parametrize(
    ("final", "released", "share", "expected"),
    [
        # The provider's fee was made good.
        ("RELEASED", 7200 * CENT, None, (8000 * CENT, 800 * CENT)),
        # The seller bore it.
        ("RELEASED", 7176 * CENT, None, (8000 * CENT, 800 * CENT)),
        # Support gave the seller 50.00.
        ("RELEASED", 4500 * CENT, 5000 * CENT, (5000 * CENT, 500 * CENT)),
        ("REFUNDED", 0, None, (0, 0)),
        ("CANCELED", 0, None, (0, 0)),
    ],
)
def test_receipts_of_orders_that_ended_before_are_filled_in(
    database_at_first: Any, final: str, released: int, share: int | None, expected: tuple[int, int]
) -> None:
    url = database_at_first
    ids = {name: uuid.uuid4() for name in ("m", "id", "buyer", "seller", "op")}
    fee = 24 * CENT if final == "RELEASED" else 0
    amounts = {"amount": 8000 * CENT, "released": released, "provider": fee}
    with psycopg.connect(url) as connection:
        for name in ("buyer", "seller"):
            connection.execute(_USER, {"m": ids["m"], "id": ids[name], "name": name})
        connection.execute(_ORDER, ids | amounts | {"final": final})
        if share is not None:
            context = f'{{"decision": "SPLIT", "release": "{share}", "refund": "1"}}'
            connection.execute(_DECISION, ids | {"context": context})

    upgrade_all(url)

    with psycopg.connect(url) as connection:
        assert connection.execute(_FOUND, (ids["id"],)).fetchone() == expected
