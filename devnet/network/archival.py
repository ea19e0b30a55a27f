"""Archived entries: how a simulation asks for their restoration, since protocol 23 and before.

A fault can make a simulation report live entries as archived. Marking live entries has no effect
when the transaction is applied. Source: CAP-62, CAP-66.
"""

from dataclasses import replace

from stellar_sdk import xdr

from devnet.chain.addresses import present
from devnet.chain.state import Readable
from devnet.network.simulate import Simulation

RENT_FEE = 50_000
CODE, DATA = xdr.LedgerEntryType.CONTRACT_CODE, xdr.LedgerEntryType.CONTRACT_DATA
# The types of the entries that are reported as archived, by the mode of the fault.
ARCHIVED = {"code": {CODE}, "contract": {DATA}, "all": {CODE, DATA}}


def restoring(done: Simulation, *, mode: str, ledger: Readable) -> Simulation:
    """Return a simulation that reports entries as archived that the call only reads.

    The transaction itself restores them: it declares them as written, and names them by their
    indexes.
    """
    data = present(done.data)
    footprint = data.resources.footprint
    # Missing entries are not archived either.
    slept = [
        key
        for key in footprint.read_only
        if key.type in ARCHIVED[mode] and ledger.get(key.to_xdr_bytes()) is not None
    ]
    kept = [key for key in footprint.read_only if key not in slept]
    first = len(footprint.read_write)
    places = [xdr.Uint32(place) for place in range(first, first + len(slept))]
    fee = data.resource_fee.int64 + RENT_FEE * len(slept)
    told = xdr.SorobanTransactionData(
        xdr.SorobanTransactionDataExt(1, resource_ext=xdr.SorobanResourcesExtV0(places)),
        xdr.SorobanResources(
            footprint=xdr.LedgerFootprint(kept, [*footprint.read_write, *slept]),
            instructions=data.resources.instructions,
            disk_read_bytes=data.resources.disk_read_bytes,
            write_bytes=data.resources.write_bytes,
        ),
        xdr.Int64(fee),
    )
    return replace(done, data=told, resource_fee=fee)


def preamble(done: Simulation) -> dict[str, str]:
    """Return what a node before protocol 23 requires to be restored in a separate transaction."""
    data = present(done.data)
    footprint = data.resources.footprint
    slept = [key for key in footprint.read_only if key.type in {CODE, DATA}]
    told = xdr.SorobanTransactionData(
        xdr.SorobanTransactionDataExt(0),
        xdr.SorobanResources(
            footprint=xdr.LedgerFootprint([], slept),
            instructions=xdr.Uint32(0),
            disk_read_bytes=data.resources.disk_read_bytes,
            write_bytes=data.resources.disk_read_bytes,
        ),
        xdr.Int64(RENT_FEE),
    )
    return {"transactionData": told.to_xdr(), "minResourceFee": str(RENT_FEE)}
