"""The settings of ledger: what every service needs, and how transfers are gathered."""

from typing import Annotated

from pydantic import Field

from chassis.settings import PublicKeys, ServiceSettings


class LedgerSettings(ServiceSettings):
    """Read from the environment, once."""

    # Escrow's public keys: a deposit is booked where one of them fits. Two while they change.
    escrow_event_keys: PublicKeys
    # Transfers that one commit may carry, and commits that may be under way at once.
    batch_transfers_max: Annotated[int, Field(ge=1, le=10_000)] = 1000
    batch_lanes: Annotated[int, Field(ge=1, le=8)] = 2
    # Transfers that may wait for a commit; more are refused, so that those before end in time.
    batch_waiting_max: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    # How long a batch may wait for more callers while others are in flight.
    batch_linger_milliseconds: Annotated[int, Field(ge=0, le=50)] = 2
