"""Signing: wallets allow their calls, accounts sign the envelope. Only verified ones come here."""

import hashlib
from collections.abc import Mapping

from stellar_sdk import Keypair, scval, xdr
from stellar_sdk.auth import build_authorization_preimage
from stellar_sdk.exceptions import BadSignatureError

from services.escrow.evidence import Prepared
from services.escrow.ports import EnvelopeRefused, Signer
from services.escrow.stellar.envelope import hash_of, parse, wrap
from services.escrow.stellar.verify import Verified

HINT_BYTES = 4


class MissingSigner(ValueError):
    """Nobody was given who may sign for an address the intent needs."""


async def sign(
    verified: Verified,
    *,
    source: str,
    expires_at_ledger: int,
    signers: Mapping[str, Signer],
    passphrase: str,
) -> Prepared:
    """Sign a verified transaction: first what is inside, then the whole.

    expires_at_ledger: the last ledger that accepts a wallet's allowance.
    Raises: MissingSigner; EnvelopeRefused: a signature that does not belong to its address.
    """
    transaction, blueprint = verified.transaction, verified.blueprint
    auth_expires = 0
    if blueprint.allowance is not None and blueprint.allowance.address != source:
        entry = _entry(transaction)
        signer = _signer(signers, blueprint.allowance.address)
        await _sign_entry(entry, signer, expires=expires_at_ledger, passphrase=passphrase)
        auth_expires = expires_at_ledger
    digest = hash_of(transaction, passphrase=passphrase)
    accounts = sorted({source, *blueprint.signers})
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
        auth_expires_ledger=auth_expires,
        max_fee=transaction.fee.uint32,
        network=passphrase,
    )


async def _sign_entry(
    entry: xdr.SorobanAuthorizationEntry, signer: Signer, *, expires: int, passphrase: str
) -> None:
    credentials = entry.credentials.address or entry.credentials.address_v2
    if credentials is None:
        raise EnvelopeRefused("an allowance without an address")
    credentials.signature_expiration_ledger = xdr.Uint32(expires)
    preimage = build_authorization_preimage(entry, expires, passphrase)
    signature = await _signature(signer, hashlib.sha256(preimage.to_xdr_bytes()).digest())
    public_key = Keypair.from_public_key(signer.address).raw_public_key()
    fields = {"public_key": scval.to_bytes(public_key), "signature": scval.to_bytes(signature)}
    credentials.signature = scval.to_vec([scval.to_struct(fields)])


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


def _entry(transaction: xdr.Transaction) -> xdr.SorobanAuthorizationEntry:
    call = transaction.operations[0].body.invoke_host_function_op
    if call is None:
        raise TypeError("only contract calls carry authorisations")
    return call.auth[0]


def _max_time(transaction: xdr.Transaction) -> int:
    bounds = transaction.cond.time_bounds
    if bounds is None:
        raise TypeError("a verified transaction has a time bound")
    return bounds.max_time.time_point.uint64
