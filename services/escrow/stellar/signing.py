"""Signing: each account that acts in a verified envelope signs all of it.

An account that pays for an envelope instead of its source signs a fee bump around it.
"""

from collections.abc import Mapping
from dataclasses import replace

from stellar_sdk.exceptions import BadSignatureError

from services.escrow.contracts.evidence import Prepared
from services.escrow.ports import EnvelopeRefused, Signer
from services.escrow.stellar.addresses import public_key
from services.escrow.stellar.envelope import (
    bump_digest,
    bumped,
    decoded,
    decorated,
    digest_of,
    enclose,
    enclose_bump,
)
from services.escrow.stellar.verify import Verified


class MissingSigner(ValueError):
    """No signer was given for an address that the intent needs."""


async def sign(
    verified: Verified, *, source: str, signers: Mapping[str, Signer], passphrase: str
) -> Prepared:
    """Sign a verified transaction for its source and for every wallet that acts in it.

    Raises: MissingSigner; EnvelopeRefused: a signature that does not belong to its address.
    """
    digest = digest_of(verified.transaction, passphrase=passphrase)
    accounts = sorted({source, *verified.signers})
    signatures = [await _signature(_signer(signers, account), digest) for account in accounts]
    return Prepared(
        hash=digest.hex(),
        envelope_xdr=enclose(verified.transaction, signatures),
        source=source,
        sequence=verified.sequence,
        max_time=verified.max_time,
        max_fee=verified.fee,
        network=passphrase,
    )


async def pay(prepared: Prepared, *, payer: Signer, fee: int) -> Prepared:
    """Let another account pay for a signed envelope: put a fee bump with its own fee around it.

    The transaction inside keeps its hash, its sequence number and its time limit. It can land only
    once, no matter which account pays its fee.
    Raises: EnvelopeRefused: as `sign`.
    """
    bump = bumped(decoded(prepared.envelope_xdr), payer=payer.address, fee=fee)
    digest = bump_digest(bump, passphrase=prepared.network)
    return replace(
        prepared,
        bump_hash=digest.hex(),
        envelope_xdr=enclose_bump(bump, await _signature(payer, digest)),
        max_fee=fee,
    )


async def _signature(signer: Signer, digest: bytes) -> bytes:
    signature, key = await signer.sign(payload=digest), public_key(signer.address)
    try:
        key.verify(digest, signature)
    except BadSignatureError as error:
        raise EnvelopeRefused(f"{signer.address} signed with another key") from error
    return decorated(signature, hint=key.signature_hint())


def _signer(signers: Mapping[str, Signer], address: str) -> Signer:
    signer = signers.get(address)
    if signer is None or signer.address != address:
        raise MissingSigner(f"nobody signs for {address}")
    return signer
