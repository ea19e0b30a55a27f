"""The API's routes: key, limit, body, call, answer, in the documented shapes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from stellar_sdk import StrKey, scval, xdr

from devnet.chain.addresses import present
from devnet.chain.envelope import InvalidEnvelopeError, parse
from devnet.faults import FaultKind, Faults
from devnet.network.identity import Identity
from devnet.network.ledger import Ledger
from devnet.network.records import TransactionRecord
from devnet.soroban.escrow_value import address
from devnet.trustless_work.bodies import BadBodyError, Body, decode
from devnet.trustless_work.calls import Call, Calls, UnknownEscrowError
from devnet.trustless_work.throttle import Throttle
from devnet.trustless_work.unsigned import Builder, BuildError
from devnet.trustless_work.views import Views, tokens

SENT = "The transaction has been successfully sent to the Stellar network."
NOT_SENT = (
    "The transaction could not be sent to the Stellar network for some unknown reason. "
    "Please try again."
)
Handler = Callable[[Request], Awaitable[Response]]
Reader = Callable[[Body], Call]


class TrustlessWork:
    """The REST API in front of the ledger."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        identity: Identity,
        faults: Faults,
        api_key: str,
        rate_limit: int,
    ) -> None:
        self._ledger = ledger
        self._faults = faults
        self._api_key = api_key
        self._throttle = Throttle(limit=rate_limit)
        self._views = Views(ledger=ledger, identity=identity)
        self._calls = Calls(identity=identity, stored=self._views.stored)
        self._builder = Builder(ledger=ledger, identity=identity)

    def routes(self) -> list[Route]:
        """Return the routes; each requires the key and counts against the limit."""
        calls = self._calls
        single = "/escrow/single-release"
        readers: Mapping[str, Reader] = {
            "/deployer/single-release": calls.deploy,
            f"{single}/fund-escrow": calls.fund,
            f"{single}/change-milestone-status": calls.change_status,
            f"{single}/approve-milestone": calls.approve,
            f"{single}/release-funds": calls.release,
            f"{single}/dispute-escrow": calls.dispute,
            f"{single}/resolve-dispute": calls.resolve,
            "/escrow/multi-release/withdraw-remaining-funds": calls.withdraw,
        }
        built = [self._route(path, self._build(reader)) for path, reader in readers.items()]
        return [
            *built,
            self._route("/helper/send-transaction", self._send),
            self._route("/helper/get-escrow-by-contract-ids", self._escrows, method="GET"),
            self._route("/helper/get-multiple-escrow-balance", self._balances, method="GET"),
            self._route("/indexer/update-from-txHash", self._update_index),
        ]

    def _route(self, path: str, handler: Handler, *, method: str = "POST") -> Route:
        async def guarded(request: Request) -> Response:
            key = request.headers.get("x-api-key", "")
            if key != self._api_key:
                return _answer(
                    401, {"statusCode": 401, "message": "Unauthorized", "error": "Unauthorized"}
                )
            if not self._throttle.admit(key):
                message = "ThrottlerException: Too Many Requests"
                return _answer(429, {"statusCode": 429, "message": message})
            try:
                return await handler(request)
            except BadBodyError as error:
                return _bad_request(error.problems)

        return Route(path, guarded, methods=[method])

    def _build(self, reader: Reader) -> Handler:
        async def build(request: Request) -> Response:
            try:
                call = reader(decode(await request.body()))
                fault = self._faults.take(FaultKind.EVIL_REST, function=call.function)
                evil = fault.mode if fault is not None else None
                unsigned = self._builder.build(call, evil=evil)
            except UnknownEscrowError:
                return _failed("Escrow not found")
            except BuildError as error:
                return _failed(str(error))
            return _answer(201, {"status": "SUCCESS", "unsignedTransaction": unsigned})

        return build

    async def _send(self, request: Request) -> Response:
        body = decode(await request.body())
        text = body.text("signedXdr")
        body.check()
        try:
            envelope = parse(text, network_id=self._ledger.environment.network_id)
        except InvalidEnvelopeError as error:
            raise BadBodyError(["signedXdr must be a transaction envelope"]) from error
        submission = self._ledger.submit(envelope)
        if submission.queued is None:
            return _failed(NOT_SENT)
        record = await submission.queued.included
        if record is None or not record.successful:
            return _failed(NOT_SENT)
        return _answer(200, {"status": "SUCCESS", "message": SENT, **self._deployed(record)})

    async def _escrows(self, request: Request) -> Response:
        found = [self._views.escrow(contract) for contract in _contracts(request, "contractIds")]
        return _answer(200, [item for item in found if item is not None])

    async def _balances(self, request: Request) -> Response:
        answer = []
        for contract in _contracts(request, "addresses"):
            balance = self._views.balance(contract)
            if balance is not None:
                answer.append({"address": contract, "balance": tokens(balance)})
        return _answer(200, answer)

    async def _update_index(self, request: Request) -> Response:
        body = decode(await request.body())
        tx_hash = body.text("txHash")
        body.check()
        record = self._ledger.find(tx_hash.lower())
        if record is None or not record.successful:
            return _failed("Transaction not found")
        return _answer(200, {"status": "SUCCESS", "message": "The index has been updated."})

    def _deployed(self, record: TransactionRecord) -> dict[str, Any]:
        if record.function != "tw_new_single_release_escrow":
            return {}
        meta = present(xdr.TransactionMeta.from_xdr(record.meta).v4)
        value = present(present(meta.soroban_meta).return_value)
        contract = address(scval.from_vec(value)[0])
        return {"contractId": contract, "escrow": self._views.escrow(contract)}


def _contracts(request: Request, name: str) -> list[str]:
    query = request.query_params
    found = query.getlist(f"{name}[]") + query.getlist(name)
    if not found:
        raise BadBodyError([f"{name} must be an array"])
    wrong = [item for item in found if not StrKey.is_valid_contract(item)]
    if wrong:
        raise BadBodyError([f"each value in {name} must be a valid contract id"])
    return found


def _bad_request(problems: list[str]) -> Response:
    body = {"message": problems, "error": "Bad Request", "statusCode": 400}
    return _answer(400, body)


def _failed(message: str) -> Response:
    return _answer(500, {"status": "FAILED", "message": message})


def _answer(status: int, body: object) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")
