"""Whose doing a landed transaction is: what a step means, held against what landed.

Of a restored database the chain knows more than the books. What a step of ours did is taken for
the step's, and is not done again; of the rest an operator decides.
"""

from collections.abc import Sequence
from dataclasses import replace

from chassis.database import Database
from chassis.telemetry import logger
from services.escrow import calls
from services.escrow.calls import Contradiction
from services.escrow.decide import Decider
from services.escrow.evidence import Finding, Prepared
from services.escrow.intents import (
    ApproveMilestone,
    ChangeMilestoneStatus,
    CreateWallet,
    DisputeEscrow,
    FundEscrow,
    Intent,
    PayAsset,
    ReleaseFunds,
    ResolveDispute,
    TrustAsset,
    UseNumber,
)
from services.escrow.ports import Chain, EnvelopeRefused
from services.escrow.steps import BUYER, StepName
from services.escrow.store.journal import Journal
from services.escrow.store.landings import Landings
from services.escrow.store.records import Attempt, AttemptState, Step
from services.escrow.work import READING_LEDGERS, NotNow, Work, present

# So many pages of the ledgers are read in a row before a command rests, and then reads on.
PAGES_AT_ONCE = 50
# The node that showed an account may have lagged behind the one that told the newest ledger.
LAG_LEDGERS = 20
log = logger()


class Recogniser:
    """Compares what landed with what steps mean. network: the passphrase."""

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        landings: Landings,
        chain: Chain,
        decider: Decider,
        factory: str,
        network: str,
    ) -> None:
        self._database = database
        self._journal = journal
        self._landings = landings
        self._chain = chain
        self._decider = decider
        self._factory = factory
        self._network = network
        self._read_to: dict[tuple[str, int], str] = {}

    async def claim(self, work: Work, step: Step) -> Step:
        """Take a transaction that the books lack for a step's, where it is what the step means.

        Returns the step, with that envelope among those to be asked for. Raises: LeaseLost.
        """
        async with self._database.transaction() as tx:
            found = await self._landings.unclaimed(tx)
        for one in found:
            if not self.is_of(work, step, one.envelope_xdr):
                continue
            attempt = self.attempt(step, one)
            async with self._database.transaction() as tx:
                await self._journal.fence(tx, work.lease)
                if not await self._journal.adopt(tx, step=step, attempt=attempt):
                    continue
            log.warning("escrow.transaction_claimed", step=step.name.value, hash=one.hash)
            return replace(step, attempts=(*step.attempts, attempt))
        return step

    async def what_used(self, work: Work, step: Step, attempt: Attempt) -> Attempt | None:
        """Read from the ledgers what used the number of a step's envelope; it becomes the step's.

        None: the node's ledgers do not have it, it is known, or it is not the step's doing.
        Raises: NotNow: there is more to read; ChainUnavailable; LeaseLost.
        """
        signed = (attempt, *step.attempts)
        first = min(a.prepared_at_ledger for a in signed if a.slot == attempt.slot)
        found = await self._read(attempt.slot, first_ledger=max(1, first - LAG_LEDGERS))
        if found is None or any(found.hash == a.prepared.hash for a in step.attempts):
            return None
        is_burn = self._chain.is_of(found.envelope_xdr, UseNumber(account=found.source))
        if not is_burn and not self.is_of(work, step, found.envelope_xdr):
            return None
        taken = replace(self.attempt(step, found), is_burn=is_burn)
        async with self._database.transaction() as tx:
            await self._journal.fence(tx, work.lease)
            if not await self._journal.adopt(tx, step=step, attempt=taken):
                return None
        log.warning("escrow.transaction_claimed", step=step.name.value, hash=found.hash)
        return taken

    async def _read(self, slot: tuple[str, int], *, first_ledger: int) -> Finding | None:
        """Read on to the transaction that used a number; None: all is read, and it is not there."""
        for _ in range(PAGES_AT_ONCE):
            cursor = self._read_to.get(slot)
            page = await self._chain.transactions(
                start_ledger=first_ledger if cursor is None else None, cursor=cursor
            )
            found = [one for one in page.found if (one.source, one.sequence) == slot]
            if found or page.is_last:
                self._read_to.pop(slot, None)
                return found[0] if found else None
            self._read_to[slot] = page.next_cursor
        raise NotNow(
            "the ledgers are read for what used its number",
            reason=READING_LEDGERS,
            seconds=1,
            is_trouble=None,
        )

    def is_of(self, work: Work, step: Step, envelope_xdr: str) -> bool:
        """Tell whether an envelope is a step's doing."""
        try:
            intents = self._intents(work, step, envelope_xdr)
            return any(self._chain.is_of(envelope_xdr, intent) for intent in intents)
        except (Contradiction, EnvelopeRefused):
            return False

    def attempt(self, step: Step, found: Finding) -> Attempt:
        """Return a transaction as an envelope of a step that is to be asked for by its hash."""
        prepared = Prepared(
            hash=found.hash,
            envelope_xdr=found.envelope_xdr,
            source=found.source,
            sequence=found.sequence,
            max_time=0,
            max_fee=0,
            network=self._network,
        )
        return Attempt(
            number=len(step.attempts) + 1,
            prepared=prepared,
            prepared_at_ledger=found.ledger,
            state=AttemptState.EXPIRED,
        )

    def _intents(self, work: Work, step: Step, envelope_xdr: str) -> Sequence[Intent]:
        """Return what a step may have been, with what only the envelope can tell of that time."""
        if step.name is StepName.CREATE_ACCOUNT:
            address = present(work.target).address
            wallet = CreateWallet(account=address, sponsor=work.platform)
            return [wallet, TrustAsset(account=address)]
        if step.name is StepName.PAY:
            return [_pay(work, present(work.target).address, step.number("minor_units"))]
        parties = present(work.parties)
        if step.name is StepName.MAKE_GOOD:
            payee = parties.buyer if step.terms["payee"] == BUYER else parties.seller
            return [_pay(work, payee, self._decider.missing(work, step))]
        if step.name is StepName.DEPLOY:
            return [calls.deployment(work.escrow, parties=parties, factory=self._factory)]
        return [self._call(work, step, envelope_xdr)]

    def _call(self, work: Work, step: Step, envelope_xdr: str) -> Intent:
        escrow, parties = work.escrow, present(work.parties)
        contract, wasm = escrow.contract_id, escrow.wasm_hash
        if step.name is StepName.FUND:
            return FundEscrow(
                contract_id=contract,
                wasm_hash=wasm,
                funder=parties.buyer,
                amount=escrow.terms.amount,
                expected_escrow=b"",
            )
        if step.name is StepName.CHANGE_MILESTONE_STATUS:
            return ChangeMilestoneStatus(
                contract_id=contract,
                wasm_hash=wasm,
                service_provider=parties.seller,
                index=step.number("milestone"),
                status=calls.COMPLETED,
            )
        if step.name is StepName.APPROVE_MILESTONE:
            index = step.number("milestone")
            return ApproveMilestone(
                contract_id=contract, wasm_hash=wasm, approver=parties.buyer, index=index
            )
        if step.name is StepName.DISPUTE:
            return DisputeEscrow(contract_id=contract, wasm_hash=wasm, signer=parties.buyer)
        return self._payout(work, step, envelope_xdr)

    def _payout(self, work: Work, step: Step, envelope_xdr: str) -> Intent:
        escrow, parties = work.escrow, present(work.parties)
        if step.name is StepName.RELEASE_FUNDS:
            return ReleaseFunds(
                contract_id=escrow.contract_id,
                wasm_hash=escrow.wasm_hash,
                release_signer=parties.buyer,
                receiver=parties.seller,
                platform=parties.platform,
            )
        return ResolveDispute(
            contract_id=escrow.contract_id,
            wasm_hash=escrow.wasm_hash,
            resolver=parties.platform,
            platform=parties.platform,
            distributions=calls.parts(
                step,
                parties=parties,
                balance=self._chain.divided(envelope_xdr),
                fee_bps=calls.fee_bps(escrow),
            ),
        )


def _pay(work: Work, payee: str, minor_units: int) -> PayAsset:
    return PayAsset(from_address=work.platform, to_address=payee, amount=minor_units)
