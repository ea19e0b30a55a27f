"""The right of one worker to carry a command out, until a newer epoch is given. Pure."""

import uuid
from dataclasses import dataclass


class LeaseLost(Exception):
    """Another worker has the command, or it has ended; nothing may be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to carry a command out, until a newer epoch is given."""

    marketplace_id: uuid.UUID
    command_id: uuid.UUID
    epoch: int
