"""Who may see and change a case."""

import uuid

import pytest

from services.disputes.parties import NotParty, require_party
from tests.unit.disputes.test_domain import a_dispute

BUYER, SELLER, STRANGER = uuid.UUID(int=3), uuid.UUID(int=4), uuid.UUID(int=5)


@pytest.mark.parametrize("user", [BUYER, SELLER, None])
def test_both_sides_and_the_marketplace_may_see_a_case(user: uuid.UUID | None) -> None:
    require_party(a_dispute(), user)


def test_a_stranger_may_not_see_a_case() -> None:
    with pytest.raises(NotParty):
        require_party(a_dispute(), STRANGER)


def test_a_user_may_not_see_a_case_whose_parties_are_unknown() -> None:
    dispute = a_dispute(buyer_id=None, seller_id=None)

    with pytest.raises(NotParty):
        require_party(dispute, BUYER)
