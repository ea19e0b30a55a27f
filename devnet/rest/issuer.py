"""POST /issuer: actions of an asset's issuer on a holder, as transactions of the issuer."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from stellar_sdk import (
    Address,
    Asset,
    AuthorizationFlag,
    Clawback,
    InvokeHostFunction,
    Operation,
    SetOptions,
    SetTrustLineFlags,
    TrustLineFlags,
    scval,
    xdr,
)

from devnet.chain.addresses import is_contract
from devnet.chain.assets import contract_id, sdk_asset
from devnet.network.identity import Identity
from devnet.rest.till import PaymentDroppedError, Tills

BAD_REQUEST = 400
ISSUERS = {"USDC": "usdc-issuer", "EURC": "eurc-issuer"}


class Issuer:
    """Signs for the issuers of the network's own assets."""

    def __init__(self, *, identity: Identity, tills: Tills) -> None:
        self._identity = identity
        self._tills = tills

    async def act(self, request: Request) -> Response:
        """Freeze, unfreeze or take back a holder's balance, and wait for the ledger."""
        try:
            body = orjson.loads(await request.body())
            code = str(body.get("asset", "USDC"))
            operation = self._operation(body, code)
            payer = self._identity.keypair(ISSUERS[code])
            record = await self._tills.send([operation], payer=payer)
        except (KeyError, ValueError, AttributeError, TypeError, PaymentDroppedError) as error:
            detail = f"{type(error).__name__}: {error}"
            return Response(orjson.dumps({"detail": detail}), status_code=BAD_REQUEST)
        answer = {"hash": record.hash, "ledger": record.ledger, "successful": record.successful}
        return Response(orjson.dumps(answer), media_type="application/json")

    def _operation(self, body: dict[str, Any], code: str) -> Operation:
        reference = self._identity.usdc if code == "USDC" else self._identity.other_asset
        asset, issuer = sdk_asset(reference), self._identity.address(ISSUERS[code])
        action = body["action"]
        if action == "allow_clawback":
            return SetOptions(
                set_flags=AuthorizationFlag.AUTHORIZATION_CLAWBACK_ENABLED, source=issuer
            )
        holder = str(body["address"])
        if action == "clawback":
            return Clawback(asset, holder, str(body["amount"]), source=issuer)
        if action not in {"freeze", "unfreeze"}:
            raise ValueError("action must be freeze, unfreeze, clawback or allow_clawback")
        if is_contract(holder):
            token = contract_id(reference, self._identity.passphrase)
            return _authorization(token, holder, authorized=action == "unfreeze", issuer=issuer)
        return _line_flags(asset, holder, authorized=action == "unfreeze", issuer=issuer)


def _line_flags(asset: Asset, holder: str, *, authorized: bool, issuer: str) -> Operation:
    flag = TrustLineFlags.AUTHORIZED_FLAG
    return SetTrustLineFlags(
        holder,
        asset,
        clear_flags=None if authorized else flag,
        set_flags=flag if authorized else None,
        source=issuer,
    )


def _authorization(token: str, holder: str, *, authorized: bool, issuer: str) -> Operation:
    call = xdr.InvokeContractArgs(
        Address(token).to_xdr_sc_address(),
        xdr.SCSymbol(b"set_authorized"),
        [scval.to_address(holder), scval.to_bool(authorized)],
    )
    kind = xdr.HostFunctionType.HOST_FUNCTION_TYPE_INVOKE_CONTRACT
    return InvokeHostFunction(
        host_function=xdr.HostFunction(kind, invoke_contract=call), source=issuer
    )
