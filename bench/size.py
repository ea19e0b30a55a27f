"""How many bytes one order leaves on the disk, from its creation to its release."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.measured import Measured, Say
from bench.people import users
from bench.purchases import ESCROW, FUND, RELEASE, RESERVE, Purchases, between, carry
from bench.stack import Stack
from deploy.local.rest import Marketplace

ACTIONS = (RESERVE, ESCROW, FUND, RELEASE)
# The first orders fill the pages that each table and index has from the beginning. There are so
# many others that NATS closes and thereby compresses a block of the stream, and that PostgreSQL
# reuses the space of outdated rows.
FIRST, ORDERS, WORKERS, BUYERS = 32, 512, 16, 8
# Reimbursements after a release, and the relays' publishing, end in this time.
AFTER_SECONDS = 5.0
SHOWN = 8
KB = 1024
_TABLES = """
select schemaname || '.' || relname, pg_total_relation_size(relid) from pg_stat_user_tables
where schemaname <> 'floor'
"""
_WAL = "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes on the disk. tables: each with its indexes."""

    tables: Mapping[str, int]
    wal: int
    nats: int


def measure(stack: Stack, say: Say) -> Measured:
    """Carry orders to their release, and measure what has grown."""
    say(f"{FIRST} orders before it begins")
    uvloop.run(_orders(stack, FIRST))
    before = sizes(stack)
    say(f"{ORDERS} orders from creation to release")
    done = uvloop.run(_orders(stack, ORDERS))
    return told(before, sizes(stack), count=len(done.orders))


def told(before: Sizes, after: Sizes, *, count: int) -> Measured:
    """Return the figures of each of `count` orders."""
    grown = {
        name: (size - before.tables.get(name, 0)) / count / KB
        for name, size in after.tables.items()
    }
    figures = {
        "size.postgres": sum(grown.values()),
        "size.nats": (after.nats - before.nats) / count / KB,
        "size.wal": (after.wal - before.wal) / count / KB,
    }
    largest = sorted(grown.items(), key=lambda one: -one[1])[:SHOWN]
    whole = ", ".join(
        f"{title} {figures[key]:.1f} KB"
        for title, key in (
            ("PostgreSQL", "size.postgres"),
            ("NATS", "size.nats"),
            ("WAL", "size.wal"),
        )
    )
    lines = [
        f"one of {count} orders, create … release: {whole}",
        "  " + ", ".join(f"{name} {size:.1f}" for name, size in largest),
    ]
    return Measured(figures=figures, lines=lines)


def sizes(stack: Stack) -> Sizes:
    """Read the sizes once nothing is in progress any more."""
    time.sleep(AFTER_SECONDS)
    with stack.connect() as connection:
        tables = {str(name): int(size) for name, size in connection.execute(_TABLES).fetchall()}
        row = connection.execute(_WAL).fetchone()
    assert row is not None
    return Sizes(tables=tables, wal=int(row[0]), nats=_folder(stack.folder / "run/nats"))


def _folder(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def _orders(stack: Stack, count: int) -> Purchases:
    document = stack.document
    async with Marketplace.of(url=document["url"], api_key=document["apiKey"]) as marketplace:
        buyers, seller = await users(marketplace, document["faucetUrl"], BUYERS)
    pairs = (pair for pair, _ in zip(between(buyers, seller), range(count), strict=False))
    return await carry(stack.client, pairs, actions=ACTIONS, workers=WORKERS)
