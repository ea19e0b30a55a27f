"""Assembles the devnet's parts."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from devnet.chain import keys
from devnet.chain.instances import decode_instance
from devnet.faults import Faults
from devnet.network.identity import Identity
from devnet.network.journal import Journal
from devnet.network.ledger import Ledger
from devnet.rest.faucet import Faucet
from devnet.rest.issuer import Issuer
from devnet.rest.pages import Pages
from devnet.rest.till import Tills
from devnet.rpc.entrance import Entrance
from devnet.rpc.nodes import Nodes
from devnet.settings import Settings, SettingsError
from devnet.soroban.host import Contracts
from devnet.soroban.invoke import Environment
from devnet.soroban.profiles import PROFILE_B, Profile
from devnet.soroban.registry import Registry
from devnet.trustless_work.api import TrustlessWork


@dataclass(frozen=True, slots=True)
class Devnet:
    """A devnet whose ledger is not running yet."""

    web: Entrance
    ledger: Ledger
    journal: Journal


def build(settings: Settings, *, base_url: str) -> Devnet:
    """Open the data directory and build all parts.

    base_url: the URL of the process. Raises: OSError; WrongNetworkError; SettingsError.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    profile, code = _build(settings.escrow_wasm)
    identity = Identity(settings.passphrase, profile)
    contracts: Contracts = Registry(fee_address=identity.fee_address)
    if code is not None:
        contracts = code(contracts)
    journal = Journal(settings.data_dir / "ledger.sqlite3", passphrase=settings.passphrase)
    environment = Environment(
        passphrase=identity.passphrase,
        network_id=identity.network_id,
        contracts=contracts,
        lifetimes=settings.lifetimes,
        rent_per_kilobyte=settings.rent,
        has_full_meta=settings.has_full_meta,
    )
    ledger = Ledger(
        identity=identity,
        environment=environment,
        journal=journal,
        ledger_seconds=settings.ledger_seconds,
        lane_size=settings.lane_size,
    )
    factory = ledger.entries.get(keys.instance(identity.factory))
    if factory is None or decode_instance(factory.data).wasm_hash != profile.wasm_hash:
        journal.close()
        raise SettingsError(
            "DEVNET_DATA_DIR holds a network whose factory runs other code than"
            " DEVNET_ESCROW_WASM says: name an empty folder"
        )
    faults = Faults()
    nodes = Nodes(
        ledger=ledger, identity=identity, faults=faults, friendbot_url=f"{base_url}/friendbot"
    )
    routes = [
        *_rpc_routes(nodes),
        *_own_routes(ledger, identity, faults),
        *TrustlessWork(
            ledger=ledger,
            identity=identity,
            faults=faults,
            api_key=settings.api_key,
            rate_limit=settings.rate_limit,
        ).routes(),
    ]
    # Stellar RPC answers web pages of any origin. Source: stellar-rpc, jsonrpc.go.
    anybody = Middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"]
    )
    web = Entrance(routes=Starlette(routes=routes, middleware=[anybody]), rpc=nodes.usual)
    return Devnet(web, ledger, journal)


def _build(path: Path | None) -> tuple[Profile, Callable[[Contracts], Contracts] | None]:
    """Return the factory's build, and what replaces the Python rules by its code.

    Raises: SettingsError: the file cannot be read, or wasmtime is not installed.
    """
    if path is None:
        return PROFILE_B, None
    try:
        # wasmtime is a development dependency: the image does not have it.
        wasm = importlib.import_module("devnet.wasm.contract")
    except ImportError as error:
        raise SettingsError(f"DEVNET_ESCROW_WASM: {error}; run from a checkout") from error
    try:
        module = wasm.read(path)
    except wasm.UnreadableWasmError as error:
        raise SettingsError(f"DEVNET_ESCROW_WASM: {error}") from error
    profile = replace(PROFILE_B, code=path.read_bytes())
    return profile, partial(wasm.WasmContracts, module)


def _rpc_routes(nodes: Nodes) -> list[Route]:
    return [
        Route("/rpc", nodes.usual.handle, methods=["POST"]),
        Route("/", nodes.usual.handle, methods=["POST"]),
        Route("/nodes/{name}/rpc", nodes.handle, methods=["POST"]),
    ]


def _own_routes(ledger: Ledger, identity: Identity, faults: Faults) -> list[Route]:
    tills = Tills(ledger=ledger, identity=identity)
    faucet = Faucet(ledger=ledger, identity=identity, tills=tills)
    issuer = Issuer(identity=identity, tills=tills)
    pages = Pages(identity=identity, faults=faults, ledger=ledger)
    return [
        Route("/", pages.about, methods=["GET"]),
        Route("/network-info", pages.network_info, methods=["GET"]),
        Route("/ledgers", pages.ledgers, methods=["POST"]),
        Route("/reset", pages.reset, methods=["POST"]),
        Route("/issuer", issuer.act, methods=["POST"]),
        Route("/archive", pages.archive, methods=["POST"]),
        Route("/faults", pages.faults, methods=["GET", "POST", "DELETE"]),
        Route("/friendbot", faucet.friendbot, methods=["GET", "POST"]),
        Route("/faucet", faucet.faucet, methods=["POST"]),
    ]
