"""Garbled envelopes are refused as invalid; no other error occurs."""

import base64
import contextlib
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from stellar_sdk import Account, Keypair, TransactionBuilder, scval

from devnet.chain import validity
from devnet.chain.envelope import InvalidEnvelopeError, parse
from devnet.network.apply import apply_transaction
from devnet.network.simulate import SimulationError, simulate
from tests.unit.devnet.world import IDENTITY, World, address, an_escrow

SIGNER = Keypair.from_raw_ed25519_seed(b"platform".ljust(32, b"."))
WORLD = World()


def prepared() -> bytes:
    args = WORLD.deploy_args(an_escrow(), salt=b"\x03" * 32)
    builder = TransactionBuilder(Account(address("platform"), 0), IDENTITY.passphrase, 5_000_000)
    builder.append_invoke_contract_function_op(
        IDENTITY.factory, "tw_new_single_release_escrow", [*args[:5], scval.to_vec([])]
    )
    draft = builder.add_time_bounds(0, 0).build()
    done = simulate(
        parse(draft.to_xdr(), network_id=IDENTITY.network_id),
        ledger=WORLD.view,
        sequence=2,
        environment=WORLD.environment,
        auth_mode=None,
    )
    draft.transaction.soroban_data = done.data
    operation = draft.transaction.operations[0]
    operation.auth = list(done.auth)  # type: ignore[attr-defined]  # the operation built above
    draft.sign(SIGNER)
    return base64.b64decode(draft.to_xdr())


GOOD = prepared()
CHANGES = st.lists(
    st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4
)


def garbled(changes: list[tuple[int, int]], cut: int) -> str:
    raw = bytearray(GOOD)
    for place, value in changes:
        raw[place] = value
    return base64.b64encode(bytes(raw[: len(raw) - cut])).decode()


@settings(max_examples=200)
@given(changes=CHANGES, cut=st.sampled_from([0, 0, 0, 0, 1, 4, 40]))
def test_a_garbled_envelope_is_refused_simulated_or_applied(
    changes: list[tuple[int, int]], cut: int
) -> None:
    try:
        envelope = parse(garbled(changes, cut), network_id=IDENTITY.network_id)
    except InvalidEnvelopeError:
        return
    validity.check(envelope, view=WORLD.view, now=0)
    with contextlib.suppress(SimulationError):
        simulate(
            envelope,
            ledger=WORLD.view,
            sequence=2,
            environment=WORLD.environment,
            auth_mode=None,
        )
    resigned = replace(
        envelope,
        signatures=[SIGNER.sign_decorated(envelope.inner_hash).to_xdr_object()],
        fee_bump=None,
    )
    if validity.check(resigned, view=WORLD.view, now=0) is None:
        apply_transaction(resigned, ledger=WORLD.view.child(), environment=WORLD.environment)


@given(st.text())
def test_any_text_is_an_envelope_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidEnvelopeError):
        parse(text, network_id=IDENTITY.network_id)


def test_the_untouched_envelope_works() -> None:
    envelope = parse(base64.b64encode(GOOD).decode(), network_id=IDENTITY.network_id)

    assert validity.check(envelope, view=WORLD.view, now=0) is None
    outcome = apply_transaction(envelope, ledger=WORLD.view.child(), environment=WORLD.environment)
    assert outcome.successful
