"""Signing: each account that acts in an envelope signs all of it. Only verified ones come here."""

from collections.abc import Mapping

from stellar_sdk import Keypair, xdr
from stellar_sdk.exceptions import BadSignatureError

from services.escrow.contracts.evidence import Prepared
from services.escrow.ports import EnvelopeRefused, Signer
from services.escrow.stellar.envelope import hash_of, parse, wrap
from services.escrow.stellar.verify import Verified

HINT_BYTES = 4


class MissingSigner(ValueError):
    """Nobody was given who may sign for an address the intent needs."""


async def sign(
    verified: Verified, *, source: str, signers: Mapping[str, Signer], passphrase: str
) -> Prepared:
    """Sign a verified transaction for its source and for every wallet that acts in it.

    Raises: MissingSigner; EnvelopeRefused: a signature that does not belong to its address.
    """
    transaction = verified.transaction
    digest = hash_of(transaction, passphrase=passphrase)
    accounts = sorted({source, *verified.blueprint.signers})
    signatures = [await _decorated(_signer(signers, account), digest) for account in accounts]
    envelope_xdr = wrap(transaction, signatures)
    if hash_of(parse(envelope_xdr).tx, passphrase=passphrase) != digest:
        raise EnvelopeRefused("the signed envelope is not the verified one")
    return Prepared(
        hash=digest.hex(),
        envelope_xdr=envelope_xdr,
        source=source,
        sequence=transaction.seq_num.sequence_number.int64,
        max_time=_max_time(transaction),
        max_fee=transaction.fee.uint32,
        network=passphrase,
    )


async def _decorated(signer: Signer, digest: bytes) -> xdr.DecoratedSignature:
    signature = await _signature(signer, digest)
    hint = Keypair.from_public_key(signer.address).raw_public_key()[-HINT_BYTES:]
    return xdr.DecoratedSignature(xdr.SignatureHint(hint), xdr.Signature(signature))


async def _signature(signer: Signer, digest: bytes) -> bytes:
    signature = await signer.sign(payload=digest)
    try:
        Keypair.from_public_key(signer.address).verify(digest, signature)
    except BadSignatureError as error:
        raise EnvelopeRefused(f"{signer.address} signed with another key") from error
    return signature


def _signer(signers: Mapping[str, Signer], address: str) -> Signer:
    signer = signers.get(address)
    if signer is None or signer.address != address:
        raise MissingSigner(f"nobody signs for {address}")
    return signer


def _max_time(transaction: xdr.Transaction) -> int:
    bounds = transaction.cond.time_bounds
    if bounds is None:
        raise TypeError("a verified transaction has a time bound")
    return bounds.max_time.time_point.uint64
