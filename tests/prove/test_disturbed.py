"""Orders of three marketplaces under all disturbances: no cent is lost or paid twice.

The size comes from the environment (tests/settings.py); `make prove-faults` runs the large one.
"""

from pathlib import Path

import pytest

from tests import settings
from tests.prove import reporting
from tests.prove.proof import prove

pytestmark = pytest.mark.slow


@pytest.mark.timeout(7200)
async def test_disturbances_of_every_part_neither_lose_money_nor_pay_it_twice(
    tmp_path: Path,
) -> None:
    size = settings.proof_size()

    proof = await prove(tmp_path, size)

    if (folder := settings.reports_folder()) is not None:
        reporting.write(folder, proof)
    assert proof.broken == []
    assert len(proof.ended) == size.orders
