"""Assembles the chain and its builder for the service's app."""

from services.escrow.ports import Chain, EscrowBuilder, StellarOptions, TrustlessWorkOptions
from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.chain import StellarChain
from services.escrow.stellar.direct import DirectBuilder
from services.escrow.stellar.http import Http
from services.escrow.stellar.rpc import Rpc
from services.escrow.stellar.trustless_work import TrustlessWorkBuilder


def connect(
    options: StellarOptions, *, trustless_work: TrustlessWorkOptions | None = None
) -> tuple[Chain, EscrowBuilder]:
    """Return a network and its builder; the caller closes both. No connection is opened yet.

    trustless_work: build through the provider's REST API; None builds directly.
    """
    http = Http(timeout_seconds=options.timeout_seconds)
    rpc = Rpc(options=options, http=http)
    blueprints = Blueprints(options=options)
    chain = StellarChain(options=options, http=http, rpc=rpc, blueprints=blueprints)
    direct = DirectBuilder(rpc=rpc, blueprints=blueprints)
    if trustless_work is None:
        return chain, direct
    return chain, TrustlessWorkBuilder(
        options=trustless_work, network=options, blueprints=blueprints, direct=direct
    )
