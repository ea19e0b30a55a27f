"""Migrations keep the rows that were there before."""

import datetime as dt
import pathlib
import shutil
import uuid
from typing import Any

import psycopg
import pytest

from chassis.database import Database
from chassis.idempotency import RequestKey
from chassis.migrations.__main__ import upgrade_all
from chassis.migrations.scripts import SCRIPTS
from gateway import keys
from gateway.keys import KeyStore

from .conftest import PEPPER

KEY = f"k:{uuid.uuid4()}"
SALT = b"s" * 32


async def test_key_request_stored_before_the_migration_is_replayed_after_it(
    make_database: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, marketplace_id = make_database(), uuid.uuid4()
    key_id, text = keys.make("live", seed=keys.seed(SALT, pepper=PEPPER))
    request = RequestKey(marketplace_id=marketplace_id, scope="", key=KEY, fingerprint=b"f" * 32)
    with psycopg.connect(database.url()) as connection:
        connection.execute("drop schema gateway cascade")
    shutil.copy(SCRIPTS["gateway"] / "0001_initial.py", tmp_path)
    with monkeypatch.context() as patched:
        patched.setitem(SCRIPTS, "gateway", tmp_path)
        upgrade_all(database.url())
    with psycopg.connect(database.url()) as connection:
        connection.execute(
            "insert into gateway.marketplaces (id, name, environment) values (%s, 'demo', 'live')",
            (marketplace_id,),
        )
        connection.execute(
            "insert into gateway.api_keys (id, marketplace_id, name, scopes, digest, created_at,"
            " request_key, fingerprint, salt) values"
            " (%s, %s, '', '{read}', %s, %s, %s, %s, %s)",
            (
                key_id,
                marketplace_id,
                b"d" * 32,
                dt.datetime.now(dt.UTC),
                KEY,
                request.fingerprint,
                SALT,
            ),
        )

    upgrade_all(database.url())

    opened = Database.open(url=database.url("gateway"), schema="gateway", pool_size=2)
    try:
        made = await KeyStore(opened, pepper=PEPPER).create(
            marketplace_id=marketplace_id, environment="live", scopes=["read"], asked=request
        )
    finally:
        await opened.close()
    assert (made.key.id, made.text, made.replayed) == (key_id, text, True)
