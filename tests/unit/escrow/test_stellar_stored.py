"""A contract counts as the deployed one only if it stores what its deployment wrote."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from stellar_sdk import scval, xdr

from services.escrow.contracts.evidence import EscrowView
from services.escrow.contracts.intents import DeployEscrow
from services.escrow.stellar.chain import StellarChain
from services.escrow.stellar.views import _view
from tests.unit.escrow.answering import AnsweringHttp, rpc_of
from tests.unit.escrow.stellar_envelopes import (
    ESCROW,
    INTENTS,
    OPTIONS,
    SELLER,
    WASM_HASH,
    blueprints,
)

Fields = dict[str, xdr.SCVal]
MEANT = INTENTS["deploy_escrow"]
assert isinstance(MEANT, DeployEscrow)
TEXT, NUMBER = scval.to_string("another"), scval.to_uint32(7)


def chain() -> StellarChain:
    http = AnsweringHttp()
    return StellarChain(options=OPTIONS, http=http, rpc=rpc_of(http), blueprints=blueprints())


def stored(change: Callable[[Fields], None] = lambda _: None) -> bytes:
    """Return the value that the deployment stores, changed."""
    assert isinstance(MEANT, DeployEscrow)
    fields = scval.from_struct(xdr.SCVal.from_xdr_bytes(blueprints().stored(MEANT)))
    change(fields)
    return scval.to_struct(fields).to_xdr_bytes()


def view(raw: bytes, **changed: Any) -> EscrowView:
    value = xdr.SCVal.from_xdr_bytes(raw)
    found = _view(
        ESCROW,
        value,
        wasm_hash=WASM_HASH,
        balance=0,
        is_archived=False,
        read_at=5,
        account=None,
    )
    return replace(found, **changed)


def is_meant(shown: EscrowView) -> bool:
    assert isinstance(MEANT, DeployEscrow)
    return chain().is_deployed_as(shown, MEANT)


def within(name: str, **changed: xdr.SCVal) -> Callable[[Fields], None]:
    """Change fields of a structure in the stored value."""

    def change(fields: Fields) -> None:
        fields[name] = scval.to_struct({**scval.from_struct(fields[name]), **changed})

    return change


def milestone(**changed: xdr.SCVal) -> Callable[[Fields], None]:
    """Change fields of the second milestone."""

    def change(fields: Fields) -> None:
        first, second = scval.from_vec(fields["milestones"])
        second = scval.to_struct({**scval.from_struct(second), **changed})
        fields["milestones"] = scval.to_vec([first, second])

    return change


def field(name: str, value: xdr.SCVal) -> Callable[[Fields], None]:
    """Change one field."""
    return lambda fields: fields.update({name: value})


STRANGE = {
    "amount": field("amount", scval.to_int128(1)),
    "title": field("title", TEXT),
    "description": field("description", TEXT),
    "engagement": field("engagement_id", TEXT),
    "memo": field("receiver_memo", NUMBER),
    "fee": field("platform_fee", NUMBER),
    "token": within("trustline", address=scval.to_address(SELLER)),
    "no milestones": field("milestones", scval.to_vec([])),
    "milestone": milestone(description=TEXT),
    "status": milestone(status=TEXT),
    "evidence": milestone(evidence=TEXT),
    "another field": field("zeal", TEXT),
    **{
        f"role {name}": within("roles", **{name: scval.to_address(ESCROW)})
        for name in (
            "approver",
            "dispute_resolver",
            "platform",
            "receiver",
            "release_signer",
            "service_provider",
        )
    },
}
OURS = {
    "nothing": lambda _: None,
    "completed": milestone(status=scval.to_string("completed")),
    "approved": milestone(approved=scval.to_bool(True)),
    "disputed": within("flags", disputed=scval.to_bool(True)),
    "released": within("flags", released=scval.to_bool(True)),
}


@pytest.mark.parametrize("change", STRANGE.values(), ids=STRANGE)
def test_contract_that_differs_in_any_field_is_not_ours(
    change: Callable[[Fields], None],
) -> None:
    assert not is_meant(view(stored(change)))


@pytest.mark.parametrize("change", OURS.values(), ids=OURS)
def test_contract_changed_by_our_own_steps_is_still_ours(
    change: Callable[[Fields], None],
) -> None:
    assert is_meant(view(stored(change)))


def test_contract_with_other_code_is_not_ours() -> None:
    assert not is_meant(view(stored(), wasm_hash="00" * 32))


def test_stored_value_that_is_no_escrow_is_not_ours() -> None:
    raw = scval.to_struct({"amount": scval.to_int128(1)}).to_xdr_bytes()

    assert not is_meant(replace(view(stored()), raw=raw))
