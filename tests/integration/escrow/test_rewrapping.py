"""The key-encryption key is replaced: every seal opens with the new one, and signing goes on."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.escrow.domain import CommandKind
from services.escrow.wallets.rewrapping import Rewrapped
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.world import World, succeeded
from tests.shop import until


@pytest.fixture
async def alone(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> AsyncIterator[World]:
    """A house of this test alone, with a key file of its own."""
    async with running(make_database(), devnet, tmp_path) as made:
        yield made


def with_a_second_key(file: Path) -> str:
    """Add a key to a key file; returns what was in it."""
    old = file.read_text()
    file.write_text(f"{old}second {os.urandom(32).hex()}\n")
    return old


def without(file: Path, old: str) -> None:
    """Take the keys before out of a key file."""
    file.write_text(file.read_text().removeprefix(old))


async def rewrapped(world: World) -> list[Rewrapped]:
    """Rewrap page after page."""
    pages = [await world.house.rewrapping.page(after="")]
    while pages[-1].following:
        pages.append(await world.house.rewrapping.page(after=pages[-1].following))
    return pages


async def wrapped_with(world: World) -> list[str]:
    """Return the ids of the keys that seals are wrapped with, one for each seal."""
    statement = (
        "select sealed ->> 'kek_id' from platform union all"
        " select sealed ->> 'kek_id' from resolver union all"
        " select sealed ->> 'kek_id' from channels union all"
        " select sealed ->> 'kek_id' from wallets"
    )
    async with world.house.database.transaction() as tx:
        return [str(row[0]) for row in await tx.fetch(statement)]


async def read_again(world: World, kek_id: str) -> None:
    """Wait until the key file was read again."""

    async def is_read() -> bool:
        return world.house.rewrapping.vault.kek_id == kek_id

    await until(is_read, what="the key file was not read again")


@pytest.mark.slow
async def test_every_key_is_rewrapped_and_the_old_key_can_be_removed(
    alone: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.escrow.wallets.rewrapping.PAGE_SIZE", 4)
    order = await alone.funded()
    file = Path(alone.house.settings.key_file)
    old = with_a_second_key(file)
    await read_again(alone, "second")

    pages = await rewrapped(alone)

    ids = await wrapped_with(alone)
    assert len(pages) > 1
    assert sum(page.rewrapped for page in pages) == len(ids) > alone.house.settings.channel_accounts
    assert set(ids) == {"second"}
    # All accounts still sign without the old key: buyer, seller, platform and channel accounts.
    without(file, old)
    monkeypatch.setattr("services.escrow.wallets.keyring.KNOWN_SECONDS", 0.0)

    async def is_gone() -> bool:
        return "1 keys" in repr(alone.house.keys)

    await until(is_gone, what="the old key was not forgotten")
    succeeded(await alone.do(CommandKind.RELEASE, order))
    assert all(page.unusable == [] for page in await rewrapped(alone))


async def test_key_that_cannot_be_opened_is_reported_and_others_are_rewrapped(alone: World) -> None:
    wallet = await alone.wallet()
    statement = "update wallets set sealed = jsonb_set(sealed, '{kek_id}', '\"lost\"')"
    async with alone.house.database.transaction() as tx:
        await tx.execute(statement)

    [page] = await rewrapped(alone)

    assert page.unusable == [wallet.address]
    assert page.rewrapped == len(await wrapped_with(alone)) - 1


async def test_seal_replaced_concurrently_is_not_overwritten(alone: World) -> None:
    seals = alone.house.rewrapping.seals
    await alone.wallet()
    async with alone.house.database.transaction() as tx:
        [first, *_] = await seals.page(tx, after="", size=1)
        await seals.replace(tx, first, sealed={**first.sealed, "nonce": "theirs"})
        await seals.replace(tx, first, sealed={**first.sealed, "nonce": "ours"})
        [now, *_] = await seals.page(tx, after="", size=1)

        assert now.sealed["nonce"] == "theirs"
        await seals.replace(tx, now, sealed=first.sealed)
