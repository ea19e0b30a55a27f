"""Settings of the orders service."""

from typing import Annotated

from pydantic import Field

from chassis.settings import Address, CallerSettings, ServiceSettings


class OrdersSettings(ServiceSettings, CallerSettings):
    """Where the peers are, and what a marketplace takes of an order."""

    ledger_address: Address
    escrow_address: Address
    disputes_address: Address
    # Basis points of the amount, for orders created with an API key and by a party.
    platform_fee_bps_marketplace: Annotated[int, Field(ge=0, le=9900)] = 0
    platform_fee_bps_party: Annotated[int, Field(ge=0, le=9900)] = 1000
    # How often deadlines of orders are looked for.
    auto_confirm_poll_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    # How long an offer of one side to the other is open, and how often overdue ones are looked for.
    offer_hours: Annotated[int, Field(ge=1, le=8760)] = 72
    offer_poll_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    # The pause between two looks of the comparison of ledger and chain; a look is at one page.
    reconcile_seconds: Annotated[int, Field(ge=1, le=3600)] = 10
    # How long registering a user waits for its wallet to be on chain.
    wallet_wait_seconds: Annotated[int, Field(ge=0, le=60)] = 20
