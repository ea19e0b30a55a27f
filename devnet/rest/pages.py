"""The network's description of itself, and the routes that control its faults."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from devnet.chain.addresses import present
from devnet.faults import Faults, InvalidFaultError
from devnet.network.identity import Identity

ABOUT = (
    "A local Stellar network and Trustless Work API for development. XDR, signatures, sequence "
    "numbers, fees, authorisation and events are real; no wasm runs here: the escrow and asset "
    "contracts are written in Python after their published interface."
)


class Pages:
    """Plain JSON routes of the devnet itself."""

    def __init__(self, *, identity: Identity, faults: Faults) -> None:
        self._identity = identity
        self._faults = faults

    async def about(self, _request: Request) -> Response:
        """Describe the devnet."""
        return _answer(
            {
                "about": ABOUT,
                "runsWasm": False,
                "routes": {
                    "rpc": "POST /rpc",
                    "networkInfo": "GET /network-info",
                    "friendbot": "GET /friendbot?addr=G…",
                    "faucet": 'POST /faucet {"address", "amount"}',
                    "faults": 'GET, POST, DELETE /faults {"kind", "count", "function", "mode"}',
                    "trustlessWork": "POST /deployer/single-release, /escrow/…, /helper/…",
                },
            }
        )

    async def network_info(self, request: Request) -> Response:
        """Return every id that a client's configuration needs."""
        identity, base = self._identity, str(request.base_url).rstrip("/")
        usdc, other = identity.usdc, identity.other_asset
        return _answer(
            {
                "networkPassphrase": identity.passphrase,
                "rpcUrl": f"{base}/rpc",
                "friendbotUrl": f"{base}/friendbot",
                "faucetUrl": f"{base}/faucet",
                "trustlessWorkUrl": base,
                "assetCode": usdc.code,
                "usdcIssuer": present(usdc.issuer),
                "assetContractId": identity.usdc_contract,
                "otherAssetCode": other.code,
                "otherAssetIssuer": present(other.issuer),
                "factoryId": identity.factory,
                "wasmHash": identity.profile.wasm_hash.hex(),
                "contractProfile": identity.profile.name,
                "contracts": "emulated; no wasm runs",
                "feeAddress": identity.fee_address,
                "distributorAddress": identity.distributor.public_key,
            }
        )

    async def faults(self, request: Request) -> Response:
        """Show, arm or clear faults."""
        if request.method == "POST":
            try:
                body = orjson.loads(await request.body())
                if not isinstance(body, dict):
                    body = {"kind": body}
                self._faults.arm(body)
            except (InvalidFaultError, orjson.JSONDecodeError) as error:
                return _answer({"detail": str(error)}, 400)
        elif request.method == "DELETE":
            self._faults.clear()
        return _answer({"faults": self._faults.armed()})


def _answer(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")
