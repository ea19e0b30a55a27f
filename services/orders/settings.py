"""Settings of the orders service."""

from typing import Annotated

from pydantic import Field

from chassis.settings import Address, CallerSettings, ServiceSettings


class OrdersSettings(ServiceSettings, CallerSettings):
    """Addresses of peers, default platform fees, and intervals of background work."""

    ledger_address: Address
    escrow_address: Address
    disputes_address: Address
    # The default platform fees, in basis points of the amount: for orders created with an API key,
    # and for orders created by a party.
    platform_fee_bps_marketplace: Annotated[int, Field(ge=0, le=9900)] = 0
    platform_fee_bps_party: Annotated[int, Field(ge=0, le=9900)] = 1000
    # How often the deadlines of orders are checked.
    auto_confirm_poll_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    # How long an offer is open, and how often overdue offers are looked for.
    offer_hours: Annotated[int, Field(ge=1, le=8760)] = 72
    offer_poll_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    # The pause between two passes of reconciliation. A pass compares one page of accounts.
    reconcile_seconds: Annotated[int, Field(ge=1, le=3600)] = 10
    # How long the registration of a user waits until the wallet exists on chain.
    wallet_wait_seconds: Annotated[int, Field(ge=0, le=60)] = 20
