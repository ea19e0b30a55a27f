"""The settings of the ledger: the common ones, and the limits of batches."""

from typing import Annotated

from pydantic import Field

from chassis.settings import PublicKeys, ServiceSettings


class LedgerSettings(ServiceSettings):
    """Read from the environment, once."""

    # Escrow's public keys, two during a key rotation. A deposit must be signed with one of them.
    escrow_event_keys: PublicKeys
    # The most transfers in one commit, and the most concurrent commits.
    batch_transfers_max: Annotated[int, Field(ge=1, le=10_000)] = 1000
    batch_lanes: Annotated[int, Field(ge=1, le=8)] = 2
    # The most transfers that wait for a commit. More are refused, so that waiting callers are
    # answered in time.
    batch_waiting_max: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    # How long a batch waits for more callers to join.
    batch_linger_milliseconds: Annotated[int, Field(ge=0, le=50)] = 2
