"""An RPC call creates no new pydantic model classes, because that would cost much CPU."""

import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from stellar_sdk.soroban_rpc import Request, Response

from services.escrow.contracts.intents import TrustAsset
from services.escrow.ports import ChainRefused
from services.escrow.stellar.http import Http
from services.escrow.stellar.rpc import Rpc
from tests.unit.escrow.stellar_envelopes import BUYER, OPTIONS, account, valid_envelope

ENVELOPE = valid_envelope(TrustAsset(account=BUYER))
CALLS: dict[str, Callable[[Rpc], Awaitable[Any]]] = {
    "latest ledger": lambda rpc: rpc.latest_ledger(),
    "oldest ledger": lambda rpc: rpc.oldest_ledger(),
    "inclusion fee": lambda rpc: rpc.inclusion_fee(),
    "entries": lambda rpc: rpc.entries([account(BUYER)]),
    "simulate": lambda rpc: rpc.simulate(ENVELOPE),
    "send": lambda rpc: rpc.send(ENVELOPE),
    "transaction": lambda rpc: rpc.transaction("a" * 64),
    "transactions": lambda rpc: rpc.transactions(start_ledger=1, cursor=None, limit=1),
    "events": lambda rpc: rpc.events(
        contract_id="C", topics=(("*",),), start_ledger=1, cursor=None, limit=1
    ),
}


class Refusing:
    """A node that refuses every request."""

    async def post(self, *_: Any, **__: Any) -> Any:
        refusal = {"jsonrpc": "2.0", "id": "1", "error": {"code": -32601, "message": "unknown"}}
        return SimpleNamespace(json=lambda: refusal)


@contextmanager
def nothing_forgotten() -> Iterator[None]:
    """Collect garbage now, and turn the collection off for the block.

    Otherwise a collected class could hide a new one in the comparison.
    """
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def models() -> set[type]:
    return {*Request.__subclasses__(), *Response.__subclasses__()}


@pytest.mark.parametrize("name", CALLS)
async def test_call_reuses_the_existing_model_classes(name: str) -> None:
    rpc = Rpc(options=OPTIONS, http=cast("Http", Refusing()))
    with nothing_forgotten():
        known = models()

        with pytest.raises(ChainRefused):
            await CALLS[name](rpc)

        assert models() == known
