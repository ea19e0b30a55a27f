"""Steps of a command and their signed envelopes, as the journal has them. Pure values."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.escrow.contracts.evidence import Prepared

# The code of an expired attempt whose number was used by another step's transaction.
SUPERSEDED = "SUPERSEDED"


class StepName(StrEnum):
    """What a step does: a function of the contract, or an operation of the network."""

    CREATE_ACCOUNT = "create_account"
    DEPLOY = "deploy_escrow"
    FUND = "fund_escrow"
    CHANGE_MILESTONE_STATUS = "change_milestone_status"
    APPROVE_MILESTONE = "approve_milestone"
    RELEASE_FUNDS = "release_funds"
    DISPUTE = "dispute_escrow"
    RESOLVE_DISPUTE = "resolve_dispute"
    PAY = "payment"
    MAKE_GOOD = "make_good"
    WITHDRAW = "withdraw"
    MERGE_ACCOUNT = "merge_account"


class StepState(StrEnum):
    """How far a step is. SKIPPED: the chain showed that nothing was left to do."""

    PLANNED = "PLANNED"
    SUCCEEDED = "SUCCEEDED"
    SKIPPED = "SKIPPED"
    REFUSED = "REFUSED"


class AttemptState(StrEnum):
    """The state of an envelope. SENT: it may land.

    EXPIRED: its last valid moment has passed, and one node reports its number as unused; the
    envelope is looked for again before anything else is signed with that number. FAILED: a ledger
    includes it, but it did not do the step.
    """

    SENT = "SENT"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A signed envelope of a step. prepared_at_ledger: the newest ledger when it was signed.

    is_burn: it only uses up its sequence number.
    """

    number: int
    prepared: Prepared
    prepared_at_ledger: int
    is_burn: bool = False
    state: AttemptState = AttemptState.SENT
    ledger: int | None = None
    code: str = ""

    @property
    def slot(self) -> tuple[str, int]:
        """Return its account and sequence number; of all envelopes with both, only one can land."""
        return self.prepared.source, self.prepared.sequence

    def is_named(self, transaction_hash: str) -> bool:
        """Tell whether a hash is that of the transaction or of the fee bump around it."""
        return transaction_hash in {self.prepared.hash, self.prepared.bump_hash} - {""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A chain step with its attempts.

    source, sequence: kept until a ledger has used the number, unless nothing was signed with it.
    doubt: how a landed step contradicts the plan, "" if it does not.
    """

    id: uuid.UUID
    position: int
    name: StepName
    terms: Mapping[str, int | str]
    state: StepState
    source: str | None = None
    sequence: int | None = None
    doubt: str = ""
    attempts: tuple[Attempt, ...] = ()

    @property
    def in_flight(self) -> Attempt | None:
        """Return the attempt that may still land, or None."""
        return next((a for a in self.attempts if a.state is AttemptState.SENT), None)

    @property
    def landed(self) -> Attempt | None:
        """Return the attempt that did the step, or None."""
        return next((a for a in self.attempts if a.state is AttemptState.SUCCEEDED), None)

    @property
    def used(self) -> frozenset[tuple[str, int]]:
        """Return the slots that a ledger is known to have used."""
        ended = {AttemptState.SUCCEEDED, AttemptState.FAILED}
        return frozenset(a.slot for a in self.attempts if a.state in ended or a.code == SUPERSEDED)

    @property
    def unproven(self) -> tuple[Attempt, ...]:
        """Return the expired attempts, except those whose number is known to be used by another."""
        used = self.used
        return tuple(
            a for a in self.attempts if a.state is AttemptState.EXPIRED and a.slot not in used
        )

    @property
    def expired(self) -> tuple[Attempt, ...]:
        """Return the envelopes that no ledger included before their last valid moment."""
        return tuple(
            a for a in self.attempts if a.state is AttemptState.EXPIRED and a.prepared.max_time
        )

    @property
    def is_signed(self) -> bool:
        """Tell whether something that is signed with the step's number may have landed."""
        slot, open_ones = (self.source, self.sequence), (self.in_flight, *self.unproven)
        return any(a is not None and a.slot == slot for a in open_ones)

    def number(self, name: str) -> int:
        """Return a term that is a whole number. Raises: KeyError; TypeError."""
        value = self.terms[name]
        if not isinstance(value, int):
            raise TypeError(f"the term {name} is not a number")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class UseOfChannels:
    """How many channel accounts are free, and how many each marketplace uses."""

    free: int
    held: Mapping[uuid.UUID, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The steps of a command, at least one.

    is_held: nothing new may be sent; has_unclaimed: a transaction was found that no step claims;
    newest_ledger: the last one in which something of ours landed on the command's escrow, 0: none;
    was_frozen_by_us: one of our steps has disputed the escrow.
    """

    steps: Sequence[Step]
    is_held: bool
    has_unclaimed: bool
    newest_ledger: int
    was_frozen_by_us: bool
