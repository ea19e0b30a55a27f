"""Free money: GET /friendbot gives XLM, POST /faucet pays USDC from the distributor."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from stellar_sdk import CreateAccount, IdMemo, Memo, MuxedAccount, Payment, StrKey, TextMemo, xdr
from stellar_sdk.exceptions import SdkError

from devnet.chain import rules
from devnet.chain.assets import NATIVE, AssetRef, sdk_asset
from devnet.chain.entries import read_account, read_trustline
from devnet.network.identity import Identity
from devnet.network.ledger import Ledger
from devnet.network.records import TransactionRecord
from devnet.rest.till import PaymentDroppedError, Tills

AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,7})?")
PAYMENTS_MAX = 100
MEMO_BYTES_MAX = 28
STARTING_XLM = 10_000
BAD_REQUEST = 400
UNAVAILABLE = 503


class FaucetRefusalError(ValueError):
    """The request is invalid; the message says why."""


class Faucet:
    """Pays from the balances that the genesis ledger minted."""

    def __init__(self, *, ledger: Ledger, identity: Identity, tills: Tills) -> None:
        self._ledger = ledger
        self._identity = identity
        self._tills = tills
        self._assets = {item.code: item for item in (identity.usdc, identity.other_asset)}

    async def friendbot(self, request: Request) -> Response:
        """Create an account with 10,000 XLM, or add 10,000 XLM to an existing one."""
        address = request.query_params.get("addr", "")
        if not StrKey.is_valid_ed25519_public_key(address):
            return _refuse("addr must be an account address (G…)")
        try:
            record = await self._give_xlm(address)
        except FaucetRefusalError as error:
            return _refuse(str(error))
        except PaymentDroppedError:
            return _answer({"detail": "no ledger took the payment"}, UNAVAILABLE)
        return _answer(
            {
                "successful": True,
                "hash": record.hash,
                "ledger": record.ledger,
                "envelope_xdr": record.envelope,
                "result_xdr": record.result,
            }
        )

    async def faucet(self, request: Request) -> Response:
        """Pay one or several amounts in one transaction and wait for its ledger."""
        try:
            body = _decode(await request.body())
            payments = self._payments(body)
            memo = _memo(body.get("memo"))
            record = await self._tills.send(payments, payer=self._identity.distributor, memo=memo)
            _check(record)
        except FaucetRefusalError as error:
            return _refuse(str(error))
        except PaymentDroppedError:
            return _answer({"detail": "no ledger took the payment"}, UNAVAILABLE)
        answer = {"hash": record.hash, "ledger": record.ledger}
        if "amount" in body:
            answer["amount"] = body["amount"]
        return _answer(answer)

    async def _give_xlm(self, address: str) -> TransactionRecord:
        account = read_account(self._ledger.entries, address)
        payer = self._identity.friendbot
        if account is not None and account.balance >= STARTING_XLM * 10**7:
            raise FaucetRefusalError("account already funded to starting balance")
        operation: CreateAccount | Payment
        if account is None:
            operation = CreateAccount(address, str(STARTING_XLM), source=payer.public_key)
        else:
            asset = sdk_asset(NATIVE)
            operation = Payment(address, asset, str(STARTING_XLM), source=payer.public_key)
        record = await self._tills.send([operation], payer=payer)
        _check(record)
        return record

    def _payments(self, body: Mapping[str, Any]) -> list[Payment]:
        unknown = set(body) - {"address", "amount", "memo", "payments", "asset"}
        if unknown:
            raise FaucetRefusalError(f"unknown field {min(unknown)}")
        code = body.get("asset", self._identity.usdc.code)
        asset = self._assets.get(code) if isinstance(code, str) else None
        if asset is None:
            raise FaucetRefusalError(f"asset must be one of {', '.join(self._assets)}")
        given = body.get("payments", [body])
        if "payments" in body and ("address" in body or "amount" in body):
            raise FaucetRefusalError("give either payments or address and amount")
        if not isinstance(given, list) or not 1 <= len(given) <= PAYMENTS_MAX:
            raise FaucetRefusalError(f"payments must be a list of 1 to {PAYMENTS_MAX}")
        return [self._payment(item, asset) for item in given]

    def _payment(self, item: object, asset: AssetRef) -> Payment:
        if not isinstance(item, Mapping):
            raise FaucetRefusalError("a payment must be an object")
        address, amount = item.get("address"), item.get("amount")
        if not isinstance(amount, str) or AMOUNT.fullmatch(amount) is None:
            raise FaucetRefusalError("amount must be a decimal string with at most 7 decimals")
        if not amount.strip("0."):
            raise FaucetRefusalError("amount must be greater than zero")
        if Decimal(amount) * 10**7 > rules.INT64_MAX:
            raise FaucetRefusalError("amount is more than a ledger can hold")
        account = _account_of(address)
        if read_account(self._ledger.entries, account) is None:
            raise FaucetRefusalError(f"account {account} does not exist")
        if read_trustline(self._ledger.entries, account, asset) is None:
            raise FaucetRefusalError(f"account {account} does not trust {asset.name}")
        return Payment(
            str(address), sdk_asset(asset), amount, source=self._identity.distributor.public_key
        )


def _account_of(address: object) -> str:
    """Return the G… of a G… or M… address."""
    try:
        return MuxedAccount.from_account(str(address)).account_id
    except (ValueError, SdkError) as error:
        raise FaucetRefusalError("address must be an account address (G… or M…)") from error


def _memo(given: object) -> Memo | None:
    if given is None:
        return None
    if isinstance(given, str) and 1 <= len(given.encode()) <= MEMO_BYTES_MAX:
        return TextMemo(given)
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 1 << 64:
        return IdMemo(given)
    raise FaucetRefusalError(f"memo must be 1 to {MEMO_BYTES_MAX} bytes of text, or a number")


def _check(record: TransactionRecord) -> None:
    if record.successful:
        return
    result = xdr.TransactionResult.from_xdr(record.result).result
    raise FaucetRefusalError(f"payment failed: {', '.join(_codes(result.results or []))}")


def _codes(results: Sequence[xdr.OperationResult]) -> list[str]:
    codes = []
    for result in results:
        own = result.tr.payment_result if result.tr is not None else None
        codes.append(own.code.name if own is not None else result.code.name)
    return codes


def _decode(raw: bytes) -> Mapping[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise FaucetRefusalError("body must be JSON") from error
    if not isinstance(body, dict):
        raise FaucetRefusalError("body must be an object")
    return body


def _refuse(detail: str) -> Response:
    return _answer({"status": BAD_REQUEST, "title": "Bad Request", "detail": detail}, BAD_REQUEST)


def _answer(body: Mapping[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")
