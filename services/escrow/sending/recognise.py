"""Matches landed transactions with the steps that they carried out.

After a database was restored, the chain has more than the books. A step claims a transaction that
matches its intent, and is not done again. An operator decides about the other transactions.
"""

from collections.abc import Sequence
from dataclasses import replace

from chassis.database import Database
from chassis.telemetry import logger
from services.escrow.contracts import contract, kinds
from services.escrow.contracts.contract import Contradiction
from services.escrow.contracts.evidence import Finding, Prepared
from services.escrow.contracts.intents import (
    CreateWallet,
    Intent,
    MergeWallet,
    PayAsset,
    SponsorTrust,
    TrustAsset,
    UseNumber,
)
from services.escrow.contracts.steps import Attempt, AttemptState, Step, StepName
from services.escrow.ports import Chain, EnvelopeRefused
from services.escrow.sending.decide import Decider
from services.escrow.sending.journal import Journal
from services.escrow.sending.landings import Landings
from services.escrow.sending.work import READING_LEDGERS, NotNow, Work, present

# This many pages of the ledgers are read in a row. Then the command rests, and reads on later.
PAGES_AT_ONCE = 50
# A node may have shown an account as it was this many ledgers ago, about an hour. The search for
# what has used its number since begins there.
LAG_LEDGERS = 720
log = logger()


class Recogniser:
    """Compares landed transactions with the intents of steps. network: its passphrase."""

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        landings: Landings,
        chain: Chain,
        decider: Decider,
        network: str,
    ) -> None:
        self._database = database
        self._journal = journal
        self._landings = landings
        self._chain = chain
        self._decider = decider
        self._network = network
        self._read_to: dict[tuple[str, int], str] = {}

    async def claim(self, work: Work, step: Step) -> Step:
        """Claim a transaction that the books lack for a step, if it matches the step's intent.

        Return the step, with that envelope among those to ask for. Raises: LeaseLost.
        """
        # A payment that an operator has settled is another payment, although it looks the same.
        with_settled = step.name not in kinds.PAYMENTS
        async with self._database.statement() as connection:
            found = await self._landings.unclaimed(connection, with_settled=with_settled)
        first = 0
        if step.name is StepName.MAKE_GOOD:
            # A reimbursement follows its payout: what landed before the payout is not the step's.
            first = max((s.landed.ledger or 0 for s in work.steps if s.landed), default=0)
        for one in found:
            if one.ledger < first or not self.is_of(work, step, one.envelope_xdr):
                continue
            attempt = self.attempt(step, one)
            async with self._database.transaction() as tx:
                await self._journal.fence(tx, work.lease)
                if not await self._journal.adopt(tx, step=step, attempt=attempt):
                    continue
            log.warning("escrow.transaction_claimed", step=step.name.value, hash=one.hash)
            return replace(step, attempts=(*step.attempts, attempt))
        return step

    async def what_used(self, work: Work, step: Step, attempt: Attempt) -> Attempt | Finding | None:
        """Read from the ledgers what used the number of a step's envelope; it becomes the step's.

        A transaction that names no address of the step belongs to another step, which the books
        have forgotten. It is returned as a finding, and nothing new is sent until an operator
        confirms. None: the node's ledgers do not have it, it is known already, or nobody can tell
        whose it is.
        Raises: NotNow: there is more to read; ChainUnavailable; LeaseLost.
        """
        signed = (attempt, *step.attempts)
        first = min(a.prepared_at_ledger for a in signed if a.slot == attempt.slot)
        async with self._database.statement() as connection:
            before = await self._landings.used_before(connection, *attempt.slot)
        first_ledger = max(1, before, first - LAG_LEDGERS)
        found = await self._read(attempt.slot, first_ledger=first_ledger)
        if found is None or any(found.hash == a.prepared.hash for a in step.attempts):
            return None
        is_burn = self._chain.is_of(found.envelope_xdr, UseNumber(account=found.source))
        if not is_burn and not self.is_of(work, step, found.envelope_xdr):
            if self._chain.names(found.envelope_xdr, self._own_address(work, step)):
                return None
            return found if await self._is_forgotten(work, found) else None
        taken = replace(self.attempt(step, found), is_burn=is_burn)
        async with self._database.transaction() as tx:
            await self._journal.fence(tx, work.lease)
            if not await self._journal.adopt(tx, step=step, attempt=taken):
                return None
        log.warning("escrow.transaction_claimed", step=step.name.value, hash=found.hash)
        return taken

    async def _is_forgotten(self, work: Work, found: Finding) -> bool:
        """Store another step's transaction for that step to claim, and hold; False: it is known."""
        why = f"the books have forgotten what used number {found.sequence} of {found.source}"
        async with self._database.transaction() as tx:
            await self._journal.fence(tx, work.lease)
            kept = await self._landings.add_findings(tx, [found])
            if kept:
                await self._landings.open_hold(tx, why=why)
        if kept:
            log.error("escrow.held", why=why, hash=found.hash)
        return bool(kept)

    def _own_address(self, work: Work, step: Step) -> str:
        """Return an address that is in every envelope of a step and in few others."""
        if work.command.escrow is None:
            if work.target is None:
                # The platform's own address is in the envelopes of many steps.
                return self._chain.recipient(str(step.terms["address"])).account
            return work.target.address
        if step.name is not StepName.MAKE_GOOD:
            return work.escrow.contract_id
        return kinds.payee(step, parties=present(work.parties))

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
        """Tell whether an envelope carries out a step."""
        try:
            intents = self._intents(work, step, envelope_xdr)
            return any(self._chain.is_of(envelope_xdr, intent) for intent in intents)
        except (Contradiction, EnvelopeRefused):
            return False

    def attempt(self, step: Step, found: Finding) -> Attempt:
        """Return a landed transaction as an envelope of a step, to be asked for by its hash."""
        prepared = Prepared(
            hash=found.hash,
            envelope_xdr=found.envelope_xdr,
            source=found.source,
            sequence=found.sequence,
            max_time=0,
            max_fee=0,
            network=self._network,
            bump_hash=found.bump_hash,
        )
        return Attempt(
            number=len(step.attempts) + 1,
            prepared=prepared,
            prepared_at_ledger=found.ledger,
            state=AttemptState.EXPIRED,
        )

    def _intents(self, work: Work, step: Step, envelope_xdr: str) -> Sequence[Intent]:
        """Return the intents that a step may have had when the envelope was made."""
        if step.name in {StepName.CREATE_ACCOUNT, StepName.MERGE_ACCOUNT}:
            return _of_account(work, step)
        if step.name is StepName.PAY:
            return [_pay(work, present(work.target).address, step.number("minor_units"))]
        if step.name is StepName.WITHDRAW:
            return [kinds.withdrawal(step, wallet=work.payer)]
        parties = present(work.parties)
        if step.name is StepName.MAKE_GOOD:
            payee = kinds.payee(step, parties=parties)
            return [_pay(work, payee, self._decider.missing(work, step))]
        if step.name is StepName.DEPLOY:
            return self._decider.places.deployments(work)
        # Only the envelope of a division says what the contract held at that time.
        is_division = step.name is StepName.RESOLVE_DISPUTE
        call = kinds.meant(
            step,
            escrow=work.escrow,
            parties=parties,
            wasm_hash=work.escrow.wasm_hash,
            balance=self._chain.divided(envelope_xdr) if is_division else 0,
            fee_bps=contract.fee_bps(work.escrow),
        )
        return [call]


def _pay(work: Work, payee: str, minor_units: int) -> PayAsset:
    return PayAsset(from_address=work.platform, to_address=payee, amount=minor_units)


def _of_account(work: Work, step: Step) -> Sequence[Intent]:
    address = present(work.target).address
    if step.name is StepName.MERGE_ACCOUNT:
        return [MergeWallet(account=address, sponsor=work.platform)]
    wallet = CreateWallet(account=address, sponsor=work.platform)
    sponsored = SponsorTrust(account=address, sponsor=work.platform)
    # A version before this one let the account pay its own reserve.
    return [wallet, sponsored, TrustAsset(account=address)]
