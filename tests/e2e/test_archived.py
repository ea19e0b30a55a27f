"""An order outlives the archival of its contract, of the contract's code and of the factory."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.operating import operate
from tests.patience import PATIENCE_SECONDS
from tests.running_stack import running_stack
from tests.shop import Shop, data_of

pytestmark = pytest.mark.slow


def archive(devnet_url: str) -> int:
    """Archive all contract data and code; returns how many entries."""
    request = urllib.request.Request(  # noqa: S310 - the devnet's own address
        f"{devnet_url}/archive", data=b"{}", headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - the same
        found: dict[str, Any] = json.load(answer)
    return int(found["entries"])


async def test_a_release_whose_contract_code_and_factory_are_archived_ends_released(
    tmp_path: Path,
) -> None:
    with running_stack(tmp_path) as stack:
        async with Shop.of(stack) as shop:
            pair = await shop.pair(amount="200.00")
            order_id = await shop.order_in("IN_PROGRESS", pair)
            assert archive(str(stack.document["devnetUrl"])) > 0

            data_of(await shop.act(order_id, "release"))
            released = await shop.quiet(order_id)
            # The next order's deployment restores the factory, if nothing else has.
            later = await shop.order_in("IN_PROGRESS", pair)
            data_of(await shop.act(later, "release"))
            also = await shop.quiet(later)

        doctor = operate(stack.run_dir, "doctor")
        books = operate(stack.run_dir, "reconcile")

    ends = {(one["status"], one["finalStatus"]) for one in (released, also)}
    assert ends == {("CLOSED", "RELEASED")}
    assert books.returncode == 0, books.stdout
    assert doctor.returncode == 0, doctor.stdout
