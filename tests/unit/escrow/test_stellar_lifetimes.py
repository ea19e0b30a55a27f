"""An extension of lifetimes names exactly the intended entries and writes no entry."""

import pytest
from stellar_sdk import xdr

from services.escrow.contracts.intents import ExtendLifetimes
from services.escrow.ports import EnvelopeRefused
from services.escrow.stellar.addresses import balance_key, code_key, escrow_key, instance_key
from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.direct import DirectBuilder
from services.escrow.stellar.verify import Verified
from tests.unit.escrow.answering import AnsweringHttp, rpc_of
from tests.unit.escrow.stellar_envelopes import (
    ASSET_CONTRACT,
    ESCROW,
    FACTORY,
    FRAME,
    OPTIONS,
    PLATFORM,
    WASM_HASH,
    verifier,
)
from tests.unit.escrow.test_stellar_bids import lane

KEYS = [code_key(WASM_HASH), instance_key(FACTORY), escrow_key(ESCROW)]
MEANT = ExtendLifetimes(
    account=PLATFORM, keys=tuple(key.to_xdr_bytes() for key in KEYS), ledgers=518_400
)
FOREIGN = balance_key(ASSET_CONTRACT, ESCROW)


def needed(read: list[xdr.LedgerKey], written: list[xdr.LedgerKey]) -> str:
    """Return a simulation's transaction data with this footprint, as base64 XDR."""
    resources = xdr.SorobanResources(
        footprint=xdr.LedgerFootprint(read, written),
        instructions=xdr.Uint32(0),
        disk_read_bytes=xdr.Uint32(900),
        write_bytes=xdr.Uint32(0),
    )
    extension = xdr.SorobanTransactionDataExt(0)
    return xdr.SorobanTransactionData(extension, resources, xdr.Int64(70_000)).to_xdr()


async def checked(read: list[xdr.LedgerKey], written: list[xdr.LedgerKey]) -> Verified:
    """Build the envelope from a node's simulation with this footprint, and verify it."""
    http = AnsweringHttp(
        getFeeStats={"sorobanInclusionFee": lane(1), "inclusionFee": lane(1), "latestLedger": 50},
        simulateTransaction={"latestLedger": 50, "transactionData": needed(read, written)},
    )
    builder = DirectBuilder(rpc=rpc_of(http), blueprints=Blueprints(options=OPTIONS))
    unsigned = await builder.build(MEANT, **FRAME)
    return verifier().verify(unsigned.envelope_xdr, MEANT, **FRAME)


async def test_extension_of_the_intended_entries_passes() -> None:
    verified = await checked(KEYS, [])

    assert verified.signers == {PLATFORM}


@pytest.mark.parametrize(
    ("read", "written"),
    [
        ([*KEYS, FOREIGN], []),
        ([*KEYS[:-1], FOREIGN], []),
        (KEYS[:-1], []),
        ([], []),
        (KEYS, [FOREIGN]),
        (KEYS[:-1], KEYS[-1:]),
    ],
    ids=["more", "another", "fewer", "none", "a foreign one written", "its own written"],
)
async def test_extension_of_other_entries_or_a_write_is_refused(
    read: list[xdr.LedgerKey], written: list[xdr.LedgerKey]
) -> None:
    with pytest.raises(EnvelopeRefused, match="it would"):
        await checked(read, written)
