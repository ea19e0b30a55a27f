"""Methods about transactions: simulate, send, get one, get many."""

import base64
import re
from typing import Any

from devnet.chain.addresses import present
from devnet.chain.envelope import Envelope, InvalidEnvelopeError, parse
from devnet.faults import FaultKind, Faults
from devnet.network import archival
from devnet.network.ledger import Submission
from devnet.network.node import Node
from devnet.network.records import EventId, TransactionRecord
from devnet.network.simulate import Simulation, SimulationError, simulate
from devnet.rpc import errors
from devnet.rpc.errors import AnswerLostError, Params, RpcError
from devnet.rpc.server import Method

HASH = re.compile(r"[0-9a-f]{64}")
PAGE_DEFAULT = 50
PAGE_MAX = 200
GATEWAY_TIMEOUT = 504


class TransactionMethods:
    """The life of a transaction over JSON-RPC."""

    def __init__(self, *, ledger: Node, faults: Faults) -> None:
        self._ledger = ledger
        self._faults = faults

    def table(self) -> dict[str, Method]:
        """Return the methods by their JSON-RPC names."""
        return {
            "simulateTransaction": self.simulate_transaction,
            "sendTransaction": self.send_transaction,
            "getTransaction": self.get_transaction,
            "getTransactions": self.get_transactions,
        }

    async def simulate_transaction(self, params: Params) -> dict[str, Any]:
        """Run a contract transaction on the last ledger and return what it needs."""
        envelope = self._parse(params)
        latest = self._ledger.newest.sequence
        try:
            done = simulate(
                envelope,
                ledger=self._ledger.entries,
                sequence=latest + 1,
                environment=self._ledger.environment,
                auth_mode=params.get("authMode"),
            )
        except SimulationError as error:
            return {"error": str(error), "latestLedger": latest}
        if done.error is not None or done.data is None:
            shown = [_base64(event) for event in done.events]
            return {"error": done.error, "events": shown, "latestLedger": latest}
        slept = self._faults.take(FaultKind.ARCHIVED, function=envelope.function_name)
        if slept is not None and slept.mode in archival.ARCHIVED:
            done = archival.restoring(done, mode=slept.mode, ledger=self._ledger.entries)
        return self._simulated(
            done, latest, asks_first=slept is not None and slept.mode == "preamble"
        )

    def _simulated(self, done: Simulation, latest: int, *, asks_first: bool) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "transactionData": present(done.data).to_xdr(),
            "minResourceFee": str(done.resource_fee),
            "events": [_base64(event) for event in done.events],
            "latestLedger": latest,
        }
        if done.answer is not None:
            auth = [entry.to_xdr() for entry in done.auth]
            answer["results"] = [{"auth": auth, "xdr": _base64(done.answer)}]
        if asks_first:
            answer["restorePreamble"] = archival.preamble(done)
        return answer

    async def send_transaction(self, params: Params) -> dict[str, Any]:
        """Queue a transaction; do not wait for a ledger."""
        envelope = self._parse(params)
        name = envelope.function_name
        if self._faults.take(FaultKind.TRY_AGAIN_LATER, function=name) is not None:
            return self._submitted(envelope, Submission(status="TRY_AGAIN_LATER"))
        submission = self._ledger.submit(envelope)
        if submission.status == "PENDING" and submission.queued is not None:
            queued = submission.queued
            queued.held = self._faults.take(FaultKind.HOLD, function=name) is not None
            queued.doomed = self._faults.take(FaultKind.FAIL_AT_APPLY, function=name) is not None
            lost = self._faults.take(FaultKind.LOST_ANSWER, function=name)
            if lost is not None:
                await queued.included
                raise AnswerLostError(GATEWAY_TIMEOUT if lost.mode == "504" else None)
        return self._submitted(envelope, submission)

    async def get_transaction(self, params: Params) -> dict[str, Any]:
        """Return a transaction of a closed ledger, by its own hash or a fee bump's inner one."""
        tx_hash = errors.text(params, "hash")
        if HASH.fullmatch(tx_hash) is None:
            raise errors.invalid(f"unexpected hash: {tx_hash}")
        newest, oldest = self._ledger.newest, self._ledger.oldest
        answer: dict[str, Any] = {
            "txHash": tx_hash,
            "latestLedger": newest.sequence,
            "latestLedgerCloseTime": str(newest.close_time),
            "oldestLedger": oldest.sequence,
            "oldestLedgerCloseTime": str(oldest.close_time),
            "status": "NOT_FOUND",
        }
        record = self._ledger.find(tx_hash)
        if record is None:
            return answer
        if self._faults.take(FaultKind.NOT_FOUND, function=record.function) is not None:
            return answer
        if self._faults.take(FaultKind.TORN_LOOKUP, function=record.function) is not None:
            bound = parse(record.envelope, network_id=self._ledger.environment.network_id)
            late = max(newest.close_time, bound.time_bounds[1] + 1)
            return answer | {"latestLedgerCloseTime": str(late)}
        return answer | _shown(record) | {"txHash": tx_hash, "createdAt": str(record.close_time)}

    async def get_transactions(self, params: Params) -> dict[str, Any]:
        """Return transactions in order, page by page."""
        paging = errors.mapping(params, "pagination")
        limit = errors.whole(paging, "limit", default=PAGE_DEFAULT, least=1)
        if limit > PAGE_MAX:
            raise errors.invalid(f"limit must not exceed {PAGE_MAX}")
        newest, oldest = self._ledger.newest, self._ledger.oldest
        place = _start(params, paging.get("cursor"), oldest.sequence, newest.sequence)
        found = self._ledger.journal.transactions_after(
            ledger=place[0], order=place[1], limit=limit
        )
        shown = [record for record in found if record.ledger <= newest.sequence]
        last = (shown[-1].ledger, shown[-1].application_order) if shown else place
        return {
            "transactions": [_shown(r) | {"createdAt": r.close_time} for r in shown],
            "latestLedger": newest.sequence,
            "latestLedgerCloseTimestamp": newest.close_time,
            "oldestLedger": oldest.sequence,
            "oldestLedgerCloseTimestamp": oldest.close_time,
            "cursor": str(EventId(*last, 0, 0)).partition("-")[0].lstrip("0"),
        }

    def _parse(self, params: Params) -> Envelope:
        text = errors.text(params, "transaction")
        try:
            return parse(text, network_id=self._ledger.environment.network_id)
        except InvalidEnvelopeError as error:
            raise errors.invalid("invalid_xdr") from error

    def _submitted(self, envelope: Envelope, submission: Submission) -> dict[str, Any]:
        newest = self._ledger.newest
        answer: dict[str, Any] = {
            "status": submission.status,
            "hash": envelope.hash.hex(),
            "latestLedger": newest.sequence,
            "latestLedgerCloseTime": str(newest.close_time),
        }
        if submission.result is not None:
            answer["errorResultXdr"] = submission.result.to_xdr()
        return answer


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _start(params: Params, cursor: object, oldest: int, newest: int) -> tuple[int, int]:
    """Return the position (ledger, application order) after which to begin."""
    if cursor is None:
        start = errors.whole(params, "startLedger", default=0)
        if not oldest <= start <= newest:
            message = f"startLedger must be between the oldest ledger: {oldest} and the latest"
            raise RpcError(errors.INVALID_REQUEST, f"{message} ledger: {newest}")
        return start, 0
    if (
        not isinstance(cursor, str)
        or not (cursor.isascii() and cursor.isdigit())
        or int(cursor) >= 1 << 63
    ):
        raise errors.invalid(f"invalid cursor: {cursor}")
    place = EventId.parse(f"{cursor}-0")
    return place.ledger, place.transaction


def _shown(record: TransactionRecord) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "status": "SUCCESS" if record.successful else "FAILED",
        "txHash": record.hash,
        "applicationOrder": record.application_order,
        "feeBump": record.fee_bump,
        "envelopeXdr": record.envelope,
        "resultXdr": record.result,
        "resultMetaXdr": record.meta,
        "ledger": record.ledger,
        "events": {
            "transactionEventsXdr": record.transaction_events,
            "contractEventsXdr": record.contract_events,
        },
    }
    if record.diagnostic_events:
        answer["diagnosticEventsXdr"] = record.diagnostic_events
    return answer
