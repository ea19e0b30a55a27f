"""What a caller may ask for in a new order; no database."""

from dataclasses import replace
from typing import Any

import pytest

from kernel.errors import InvalidArgument
from kernel.money import CENT, InvalidAmountFormat
from services.orders.order import intake
from services.orders.order.domain import Milestone, Origin
from services.orders.order.intake import InvalidCurrency, MilestonesMismatch, NewOrder

EIGHTY = 8000 * CENT


def asked(**changes: Any) -> NewOrder:
    """Ask for an order of 80.00 USDC, with changes."""
    new = NewOrder(
        buyer="usr_buyer",
        seller="usr_seller",
        asset="USDC",
        amount=EIGHTY,
        title="Logo design",
        description="",
        currency="",
        client_order_ref="",
        milestones=(),
        metadata_json="",
        origin=Origin.MARKETPLACE,
        intention_id="",
        contract_template_id="",
        contract_id="",
        contract_terms_json="",
    )
    return replace(new, **changes)


def parts(*amounts: int) -> tuple[Milestone, ...]:
    """Make milestones of these amounts."""
    return tuple(
        Milestone(ref=f"m{number}", title="", minor_units=amount)
        for number, amount in enumerate(amounts)
    )


@pytest.mark.parametrize("currency", ["", "USD", "USDC"])
def test_dollars_are_settled_in_usdc(currency: str) -> None:
    assert intake.settling_asset(asked(currency=currency)) == "USDC"


@pytest.mark.parametrize(
    "changes", [{"currency": "EUR"}, {"currency": "usd"}, {"asset": "EURC"}, {"asset": "USD"}]
)
def test_another_currency_or_asset_is_refused_with_the_field(changes: dict[str, str]) -> None:
    with pytest.raises(InvalidCurrency) as refusal:
        intake.settling_asset(asked(**changes))

    assert refusal.value.fields == (("currency", "must be one of USD, USDC"),)


@pytest.mark.parametrize("amount", [0, -CENT, CENT - 1, CENT + 1, 1])
def test_an_amount_is_positive_and_in_whole_cents(amount: int) -> None:
    with pytest.raises(InvalidAmountFormat):
        intake.require_amounts(asked(amount=amount))


@pytest.mark.parametrize("milestones", [(), parts(EIGHTY), parts(CENT, EIGHTY - CENT)])
def test_milestones_that_sum_to_the_amount_are_accepted(milestones: tuple[Milestone, ...]) -> None:
    intake.require_amounts(asked(milestones=milestones))


@pytest.mark.parametrize(
    "milestones",
    [
        pytest.param(parts(EIGHTY - CENT), id="too little"),
        pytest.param(parts(EIGHTY, CENT), id="too much"),
        pytest.param(parts(EIGHTY, 0), id="an empty one"),
        pytest.param(parts(EIGHTY + CENT, -CENT), id="a negative one"),
        pytest.param(parts(EIGHTY - 1, 1), id="parts of a cent"),
        pytest.param((*parts(CENT), *parts(EIGHTY - CENT)), id="one ref twice"),
    ],
)
def test_other_milestones_are_refused(milestones: tuple[Milestone, ...]) -> None:
    with pytest.raises(MilestonesMismatch):
        intake.require_amounts(asked(milestones=milestones))


@pytest.mark.parametrize("field", ["metadata", "contract_terms"])
@pytest.mark.parametrize("text", ["[]", "1", '"a"', "null", "{", "nonsense"])
def test_a_json_text_holds_an_object(field: str, text: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        intake.require_json(asked(**{f"{field}_json": text}))

    assert refusal.value.fields == ((field, "must be a JSON object"),)
    intake.require_json(asked(**{f"{field}_json": '{"a": 1}'}))
