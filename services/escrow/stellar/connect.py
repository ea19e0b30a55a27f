"""Where the chain and its builder are put together; the service's app calls this."""

from services.escrow.ports import Chain, EscrowBuilder, StellarOptions
from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.chain import StellarChain
from services.escrow.stellar.direct import DirectBuilder
from services.escrow.stellar.rpc import Rpc


def connect(options: StellarOptions) -> tuple[Chain, EscrowBuilder]:
    """Return a network and the builder for it; close both. Opens no connection yet."""
    rpc = Rpc(options=options)
    blueprints = Blueprints(options=options)
    chain = StellarChain(options=options, rpc=rpc, blueprints=blueprints)
    return chain, DirectBuilder(rpc=rpc, blueprints=blueprints)
