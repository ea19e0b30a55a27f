"""The settings of the ledger: those of every service, and how transfers are batched."""

from typing import Annotated

from pydantic import Field

from chassis.settings import PublicKeys, ServiceSettings


class LedgerSettings(ServiceSettings):
    """Read from the environment, once."""

    # Escrow's public keys: a deposit must be signed with one of them. Two during a key rotation.
    escrow_event_keys: PublicKeys
    # The most transfers in one commit, and the most concurrent commits.
    batch_transfers_max: Annotated[int, Field(ge=1, le=10_000)] = 1000
    batch_lanes: Annotated[int, Field(ge=1, le=8)] = 2
    # The most transfers that wait for a commit. More are refused, so that the others end in time.
    batch_waiting_max: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    # How long a batch waits for more callers.
    batch_linger_milliseconds: Annotated[int, Field(ge=0, le=50)] = 2
