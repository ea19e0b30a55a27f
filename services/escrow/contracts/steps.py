"""Steps of a command and their signed envelopes, as the journal has them. Pure values."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.escrow.contracts.evidence import Prepared

# The code of an expired attempt whose number another step's transaction has used.
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
    """How far a step is. SKIPPED: the chain shows that there was nothing left to do."""

    PLANNED = "PLANNED"
    SUCCEEDED = "SUCCEEDED"
    SKIPPED = "SKIPPED"
    REFUSED = "REFUSED"


class AttemptState(StrEnum):
    """What is known of an envelope. SENT: it may land.

    EXPIRED: its last valid moment has passed and one node says that its number is unused; it is
    looked for again before anything else is signed with that number. FAILED: a ledger has it, and
    it did not do the step.
    """

    SENT = "SENT"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A signed envelope of a step. prepared_at_ledger: the newest ledger when it was signed.

    is_burn: it does nothing but use its sequence number up.
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
        """Return the account and the sequence number that it uses: one envelope a number lands."""
        return self.prepared.source, self.prepared.sequence

    def is_named(self, transaction_hash: str) -> bool:
        """Tell whether a hash is its own, or that of the fee bump around it."""
        return transaction_hash in {self.prepared.hash, self.prepared.bump_hash} - {""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A chain step with its attempts.

    source, sequence: kept until a ledger has used the number, or nothing was signed with it.
    doubt: how a step that has landed contradicts the plan, "" where it does not.
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
        """Return the attempt that may land, if there is one."""
        return next((a for a in self.attempts if a.state is AttemptState.SENT), None)

    @property
    def landed(self) -> Attempt | None:
        """Return the attempt that did what the step is for, if there is one."""
        return next((a for a in self.attempts if a.state is AttemptState.SUCCEEDED), None)

    @property
    def used(self) -> frozenset[tuple[str, int]]:
        """Return the slots that a ledger is known to have used."""
        ended = {AttemptState.SUCCEEDED, AttemptState.FAILED}
        return frozenset(a.slot for a in self.attempts if a.state in ended or a.code == SUPERSEDED)

    @property
    def unproven(self) -> tuple[Attempt, ...]:
        """Return expired attempts whose number no ledger is known to have used for another."""
        used = self.used
        return tuple(
            a for a in self.attempts if a.state is AttemptState.EXPIRED and a.slot not in used
        )

    @property
    def expired(self) -> tuple[Attempt, ...]:
        """Return the envelopes that no ledger took before their last moment."""
        return tuple(
            a for a in self.attempts if a.state is AttemptState.EXPIRED and a.prepared.max_time
        )

    @property
    def is_signed(self) -> bool:
        """Tell whether something is signed under the step's number that may have landed."""
        slot, open_ones = (self.source, self.sequence), (self.in_flight, *self.unproven)
        return any(a is not None and a.slot == slot for a in open_ones)

    def number(self, name: str) -> int:
        """Return a term that is a number. Raises: KeyError; TypeError."""
        value = self.terms[name]
        if not isinstance(value, int):
            raise TypeError(f"the term {name} is not a number")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class UseOfChannels:
    """How many channel accounts are free, and how many each marketplace has."""

    free: int
    held: Mapping[uuid.UUID, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The steps of a command, of which each has one at least.

    is_held: nothing new may be sent; has_unclaimed: something was found that no step claims;
    newest_ledger: in which something of ours has landed on the command's escrow, 0: nothing has;
    was_frozen_by_us: one of our steps has disputed it.
    """

    steps: Sequence[Step]
    is_held: bool
    has_unclaimed: bool
    newest_ledger: int
    was_frozen_by_us: bool
