"""Signatures over events: valid only with the writer's key and for the signed event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.signature import HEADER, EventSigner, EventVerifier, main, new_key

OLD, NEW, STRANGER = (EventSigner(new_key()) for _ in range(3))
BOTH = EventVerifier(f"{OLD.public_key}, {NEW.public_key}")
SUBJECT = "escrow.deposit_confirmed"
SUBJECTS = st.sampled_from([SUBJECT, "escrow.funded", "escrow", ""])


def holds(signature: str, *, subject: str = SUBJECT, body: bytes = b"{}") -> bool:
    return BOTH.is_signed(subject=subject, headers={HEADER: signature}, body=body)


@pytest.mark.parametrize("signer", [OLD, NEW])
def test_during_a_rotation_the_signatures_of_both_keys_are_valid(signer: EventSigner) -> None:
    assert holds(signer.sign(SUBJECT, b"{}"))


def test_a_missing_signature_or_another_key_is_refused() -> None:
    assert not holds(STRANGER.sign(SUBJECT, b"{}"))
    assert not BOTH.is_signed(subject=SUBJECT, headers={}, body=b"{}")


@given(subject=SUBJECTS, other=SUBJECTS, body=st.binary(), another=st.binary())
def test_a_signature_is_valid_only_for_its_subject_and_body(
    subject: str, other: str, body: bytes, another: bytes
) -> None:
    signature = NEW.sign(subject, body)

    is_same = (subject, body) == (other, another)
    assert holds(signature, subject=other, body=another) == is_same


@given(st.text(max_size=100))
def test_any_text_as_a_signature_is_refused(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize(
    "key",
    ["", "hunter2", "aHVudGVyMg==", new_key()[:-4], new_key() * 2],
    ids=["empty", "word", "short", "cut", "twice"],
)
def test_an_invalid_key_is_refused_without_repeating_it(key: str) -> None:
    for take in (EventSigner, EventVerifier):
        with pytest.raises(ValueError, match="must be") as refused:
            take(key)
        assert not key or key not in str(refused.value)


def test_more_keys_than_a_rotation_needs_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 4 keys"):
        EventVerifier(",".join([OLD.public_key] * 5))


def test_the_command_prints_a_pair_that_fits(capsys: pytest.CaptureFixture[str]) -> None:
    main()

    private, public = (line.split("=", 1)[1] for line in capsys.readouterr().out.splitlines())
    signature = EventSigner(private).sign(SUBJECT, b"{}")
    verifier = EventVerifier(public)
    assert verifier.is_signed(subject=SUBJECT, headers={HEADER: signature}, body=b"{}")
