"""Signing: exactly the accounts that act in an envelope sign its hash."""

import pytest
from stellar_sdk import FeeBumpTransactionEnvelope, Keypair, xdr
from stellar_sdk.exceptions import BadSignatureError

from services.escrow.contracts.evidence import Prepared
from services.escrow.contracts.intents import Intent
from services.escrow.ports import EnvelopeRefused, Signer
from services.escrow.stellar.envelope import hash_of, is_named, parse, wrap
from services.escrow.stellar.signing import MissingSigner, pay, sign
from tests.unit.escrow.stellar_envelopes import (
    CHANNEL,
    FRAME,
    INTENTS,
    PASSPHRASE,
    key_of,
    valid_envelope,
    verifier,
)

WHO_SIGNS = {
    "deploy_escrow": {"channel", "platform"},
    "fund_escrow": {"channel", "buyer"},
    "change_milestone_status": {"channel", "seller"},
    "approve_milestone": {"channel", "buyer"},
    "release_funds": {"channel", "buyer"},
    "dispute_escrow": {"channel", "buyer"},
    "resolve_dispute": {"channel", "platform"},
    "transfer": {"channel", "platform"},
    "payment": {"channel", "seller"},
    "create_wallet": {"channel", "platform", "buyer"},
    "create_channels": {"channel", "platform"},
    "sponsor_channels": {"channel", "platform", "buyer", "seller"},
    "top_up_channels": {"channel", "platform"},
    "trust_asset": {"channel", "platform"},
    "sponsor_trust": {"channel", "platform", "buyer"},
}
NAMES = ("buyer", "seller", "platform", "channel")


class KeySigner:
    """Signs with the given key. address: the account that it claims to sign for."""

    def __init__(self, key: Keypair, *, address: str = "") -> None:
        self._key = key
        self.address = address or key.public_key

    async def sign(self, *, payload: bytes) -> bytes:
        return self._key.sign(payload)


def everybody() -> dict[str, Signer]:
    return {key_of(name).public_key: KeySigner(key_of(name)) for name in NAMES}


async def signed(intent: Intent, signers: dict[str, Signer]) -> Prepared:
    verified = verifier().verify(valid_envelope(intent), intent, **FRAME)
    return await sign(verified, source=CHANNEL, signers=signers, passphrase=PASSPHRASE)


def test_expected_signers_are_listed_for_every_intent() -> None:
    assert set(WHO_SIGNS) == set(INTENTS)


@pytest.mark.parametrize("name", INTENTS)
async def test_exactly_the_acting_accounts_sign_the_hash(name: str) -> None:
    prepared = await signed(INTENTS[name], everybody())

    envelope = xdr.TransactionEnvelope.from_xdr(prepared.envelope_xdr).v1
    assert envelope is not None
    digest = hash_of(envelope.tx, passphrase=PASSPHRASE)
    assert (prepared.hash, wrap(envelope.tx)) == (digest.hex(), valid_envelope(INTENTS[name]))
    assert {verified_by(each, digest) for each in envelope.signatures} == WHO_SIGNS[name]
    assert len(envelope.signatures) == len(WHO_SIGNS[name])


@pytest.mark.parametrize("name", INTENTS)
async def test_nothing_is_prepared_if_a_signer_is_missing(name: str) -> None:
    for missing in WHO_SIGNS[name]:
        rest = everybody()
        del rest[key_of(missing).public_key]

        with pytest.raises(MissingSigner):
            await signed(INTENTS[name], rest)


@pytest.mark.parametrize("name", INTENTS)
async def test_a_signature_of_another_key_is_refused(name: str) -> None:
    thief = key_of("thief")
    for replaced in WHO_SIGNS[name]:
        address = key_of(replaced).public_key
        signers = {**everybody(), address: KeySigner(thief, address=address)}

        with pytest.raises(EnvelopeRefused, match="another key"):
            await signed(INTENTS[name], signers)


async def test_prepared_envelope_states_its_source_sequence_time_limit_and_fee() -> None:
    prepared = await signed(INTENTS["fund_escrow"], everybody())

    assert (prepared.source, prepared.sequence) == (CHANNEL, FRAME["sequence"])
    assert (prepared.max_time, prepared.network) == (FRAME["max_time"], PASSPHRASE)
    assert prepared.max_fee == 100_100


@pytest.mark.parametrize("name", INTENTS)
async def test_payer_signs_a_fee_bump_around_the_signed_transaction(name: str) -> None:
    inside = await signed(INTENTS[name], everybody())
    payer = key_of("payer")

    paid = await pay(inside, payer=KeySigner(payer), fee=2**33)

    read = FeeBumpTransactionEnvelope.from_xdr(paid.envelope_xdr, PASSPHRASE)
    assert read.transaction.inner_transaction_envelope.to_xdr() == inside.envelope_xdr
    assert read.transaction.fee_source.account_id == payer.public_key
    assert (read.transaction.fee, paid.max_fee) == (2**33, 2**33)
    assert (read.hash_hex(), paid.hash) == (paid.bump_hash, inside.hash)
    payer.verify(read.hash(), read.signatures[0].signature)
    assert [each.signature_hint for each in read.signatures] == [payer.signature_hint()]
    assert (paid.source, paid.sequence, paid.max_time) == (
        inside.source,
        inside.sequence,
        inside.max_time,
    )
    for known in (paid.hash, paid.bump_hash):
        assert is_named(paid.envelope_xdr, known, passphrase=PASSPHRASE)
    assert not is_named(paid.envelope_xdr, "0" * 64, passphrase=PASSPHRASE)


async def test_payers_signature_of_another_key_is_refused() -> None:
    inside = await signed(INTENTS["fund_escrow"], everybody())
    liar = KeySigner(key_of("thief"), address=key_of("payer").public_key)

    with pytest.raises(EnvelopeRefused, match="another key"):
        await pay(inside, payer=liar, fee=200_200)


@pytest.mark.parametrize("name", INTENTS)
def test_fee_bump_bids_as_much_for_each_operation_as_the_inner_transaction(name: str) -> None:
    envelope = valid_envelope(INTENTS[name])
    transaction = parse(envelope).tx
    data, count = transaction.ext.soroban_data, len(transaction.operations)
    needed = 0 if data is None else data.resource_fee.int64

    verified = verifier().verify(envelope, INTENTS[name], **FRAME)

    bid, offered = verified.fee - needed, verified.bumped_fee - needed
    assert offered * count >= bid * (count + 1) > (offered - 1) * count


def verified_by(signature: xdr.DecoratedSignature, digest: bytes) -> str:
    """Return the name of the account whose key made the signature."""
    for name in NAMES:
        key = key_of(name)
        try:
            key.verify(digest, signature.signature.signature)
        except BadSignatureError:
            continue
        assert signature.hint.signature_hint == key.signature_hint()
        return name
    raise AssertionError("nobody's signature")
