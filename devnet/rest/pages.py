"""The network's description of itself, and the routes that control its faults."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from stellar_sdk import xdr

from devnet.chain.addresses import present
from devnet.faults import Faults, InvalidFaultError
from devnet.network.identity import Identity
from devnet.network.ledger import Ledger

SKIP_MAX = 10_000_000
ABOUT = (
    "A local Stellar network and Trustless Work API for development. XDR, signatures, sequence "
    "numbers, fees, authorisation and events are real."
)
RULES = (
    "No wasm runs here: the escrow and asset contracts are written in Python after their published "
    "interface."
)
WASM = "The escrow contract is the wasm of DEVNET_ESCROW_WASM; the asset contract is in Python."


class Pages:
    """Plain JSON routes of the devnet itself."""

    def __init__(self, *, identity: Identity, faults: Faults, ledger: Ledger) -> None:
        self._identity = identity
        self._faults = faults
        self._ledger = ledger

    async def about(self, _request: Request) -> Response:
        """Describe the devnet."""
        runs_wasm = bool(self._identity.profile.code)
        return _answer(
            {
                "about": f"{ABOUT} {WASM if runs_wasm else RULES}",
                "runsWasm": runs_wasm,
                "routes": {
                    "rpc": "POST /rpc",
                    "networkInfo": "GET /network-info",
                    "friendbot": "GET /friendbot?addr=G…",
                    "faucet": 'POST /faucet {"address", "amount"}',
                    "faults": 'GET, POST, DELETE /faults {"kind", "count", "function", "mode"}',
                    "ledgers": 'POST /ledgers {"skip": number}',
                    "archive": 'POST /archive {"keys": [ledger key, …]}, or {} for all',
                    "reset": "POST /reset",
                    "issuer": 'POST /issuer {"action", "address", "amount", "asset"}; actions: '
                    "freeze, unfreeze, clawback, allow_clawback",
                    "nodes": "POST /nodes/behind-N/rpc, N ledgers late; POST /nodes/quiet/rpc, "
                    "without classic events; POST /nodes/short-N/rpc, which keeps transactions and "
                    "events of N ledgers; POST /nodes/protocol-N/rpc, of another protocol",
                    "trustlessWork": "POST /deployer/single-release, /escrow/…, /helper/…",
                },
            }
        )

    async def network_info(self, request: Request) -> Response:
        """Return every id that a client's configuration needs."""
        identity, base = self._identity, str(request.base_url).rstrip("/")
        usdc, other, profile = identity.usdc, identity.other_asset, identity.profile
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
                "wasmHash": profile.wasm_hash.hex(),
                "contractProfile": profile.name,
                "contracts": "the escrow's wasm" if profile.code else "emulated; no wasm runs",
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

    async def ledgers(self, request: Request) -> Response:
        """Let ledgers pass without waiting for them."""
        count = (await _body(request)).get("skip")
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= SKIP_MAX:
            detail = f"skip must be a whole number from 1 to {SKIP_MAX}"
            return _answer({"detail": detail}, 400)
        return _answer({"ledger": self._ledger.skip(count)})

    async def reset(self, _request: Request) -> Response:
        """Reset the network, as the test network is reset every quarter."""
        self._ledger.reset()
        return _answer({})

    async def archive(self, request: Request) -> Response:
        """Archive contract data and code; the next ledger finds it archived."""
        given = (await _body(request)).get("keys")
        try:
            chosen = None
            if given is not None:
                chosen = [xdr.LedgerKey.from_xdr(str(key)).to_xdr_bytes() for key in list(given)]
        except (ValueError, EOFError, TypeError) as error:
            return _answer({"detail": f"keys must be ledger keys as base64 XDR: {error}"}, 400)
        return _answer({"entries": self._ledger.archive(chosen)})


async def _body(request: Request) -> dict[str, Any]:
    """Read a JSON object; anything else counts as an empty one."""
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _answer(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")
