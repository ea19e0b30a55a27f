"""The checks of a new order's content before it is stored. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernel.errors import InvalidArgument
from kernel.money import CENT, USDC, InvalidAmountFormat, to_text
from services.orders.order.domain import Milestone, Origin, UserName

# The currencies in which an order may be priced, and the asset that settles each.
CURRENCIES: Mapping[str, str] = {"USD": USDC, "USDC": USDC}


class InvalidCurrency(InvalidArgument):
    """Orders in this currency are not supported."""

    reason = "INVALID_CURRENCY"


class BuyerIsSeller(InvalidArgument):
    """The buyer is the seller."""

    reason = "BUYER_IS_SELLER"


class MilestonesMismatch(InvalidArgument):
    """The sum of the milestones is not the order's amount, or two milestones have one ref."""

    reason = "MILESTONES_MISMATCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """The content of a request to create an order; ids as given, amounts in minor units."""

    buyer: str
    seller: str
    asset: str
    amount: int
    title: str
    description: str
    currency: str
    client_order_ref: str
    milestones: tuple[Milestone, ...]
    metadata_json: str
    origin: Origin
    intention_id: str
    contract_template_id: str
    contract_id: str
    contract_terms_json: str


def settling_asset(new: NewOrder) -> str:
    """Return the asset that settles the order's currency. Raises: InvalidCurrency."""
    asset = CURRENCIES.get(new.currency or new.asset)
    if asset is None or asset != new.asset:
        raise InvalidCurrency(
            f"No asset settles {new.currency or new.asset}",
            fields=[("currency", f"must be one of {', '.join(sorted(CURRENCIES))}")],
        )
    return asset


def require_parties(buyer: UserName, seller: UserName) -> None:
    """Check that buyer and seller are different users. Raises: BuyerIsSeller."""
    if buyer.id == seller.id:
        raise BuyerIsSeller(
            "Buyer and seller must differ", fields=[("seller", "must not be the buyer")]
        )


def require_whole_cents(amount: int) -> None:
    """Check that an amount in minor units is positive and in whole cents.

    Raises: InvalidAmountFormat.
    """
    if amount <= 0 or amount % CENT:
        message = "must be greater than 0 and in whole cents"
        raise InvalidAmountFormat(f"Amount {message}", fields=[("amount", message)])


def require_amounts(new: NewOrder) -> None:
    """Check amount and milestones. Raises: InvalidAmountFormat; MilestonesMismatch."""
    require_whole_cents(new.amount)
    if not new.milestones:
        return
    refs = [milestone.ref for milestone in new.milestones]
    if len(set(refs)) < len(refs):
        raise MilestonesMismatch(
            "Milestone refs must differ", fields=[("milestones", "refs must differ")]
        )
    parts = [milestone.minor_units for milestone in new.milestones]
    if any(part <= 0 or part % CENT for part in parts) or sum(parts) != new.amount:
        message = f"must each be greater than 0 and sum to {to_text(new.amount)}"
        raise MilestonesMismatch(f"Milestone amounts {message}", fields=[("milestones", message)])


def require_json(new: NewOrder) -> None:
    """Check that JSON texts hold objects. Raises: InvalidArgument."""
    texts: Sequence[tuple[str, str]] = (
        ("metadata", new.metadata_json),
        ("contract_terms", new.contract_terms_json),
    )
    for name, text in texts:
        if text and not _is_object(text):
            raise InvalidArgument(
                f"Invalid field: {name}", fields=[(name, "must be a JSON object")]
            )


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
