"""An unknown id is NOT_FOUND, with a reason that the contract lists."""

import re
from pathlib import Path

import pytest
from google.protobuf.descriptor import MethodDescriptor

from kernel.errors import NotFound
from tests.contract.builders import VALID
from tests.contract.city import WAYS, City, Way
from tests.contract.descriptors import METHODS, label

PROTOS = Path(__file__).resolve().parents[2] / "protos"
# RPCs that create or list something, and so name no existing object.
NEEDS_NOTHING = {
    ("ledger", "OpenAccount"),
    ("ledger", "PostTransfers"),
    ("ledger", "CheckTransfers"),
    ("ledger", "ListTransfers"),
    ("ledger", "ListAccounts"),
    ("ledger", "GetPlatformBalance"),
    ("ledger", "ListPlatformEntries"),
    ("ledger", "CheckInvariants"),
    ("ledger", "GetBooks"),
    ("ledger", "ListSuspense"),
    ("ledger", "ListCorrections"),
    ("ledger", "ListOpenHolds"),
    ("escrow", "CreateWallet"),
    ("escrow", "GetNetwork"),
    ("escrow", "ListTransactions"),
    ("escrow", "ListHoldings"),
    ("escrow", "ListConcerns"),
    ("escrow", "CheckNetwork"),
    ("escrow", "StopFlow"),
    ("escrow", "ResumeFlow"),
    ("escrow", "LimitFlow"),
    ("escrow", "ListFlows"),
    ("escrow", "RewrapKeys"),
    ("disputes", "OpenDispute"),
    ("disputes", "ListDisputes"),
    ("webhooks", "CreateWebhook"),
    ("webhooks", "ListWebhooks"),
    ("webhooks", "ListEvents"),
    ("disputes", "AgeAnswers"),
    ("orders", "RegisterUser"),
    ("orders", "ListUsers"),
    ("orders", "GetOrders"),
    ("orders", "ListOrders"),
    ("orders", "ListPartyOrders"),
    ("orders", "GetReconciliation"),
    ("orders", "GetMarketplace"),
    ("orders", "AdvanceClock"),
    ("escrow", "ConfirmChain"),
}
NAMING = [(name, method) for name, method in METHODS if (name, method.name) not in NEEDS_NOTHING]


def documented_reasons(method: MethodDescriptor) -> set[str]:
    """Read the reasons in the comment above an RPC."""
    text = (PROTOS / method.containing_service.file.name).read_text()
    [comment] = re.findall(rf"((?:^ *//.*\n)+) *rpc {method.name}\(", text, re.MULTILINE)
    return set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", comment))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "method"), NAMING, ids=label)
async def test_unknown_id_is_not_found(
    city: City, name: str, method: MethodDescriptor, way: Way
) -> None:
    served = await city.get(name)
    client = served.client(way)
    if method.name == "CreditUser":
        city.allow_credits(client.marketplace_id)

    with pytest.raises(NotFound) as refusal:
        await client.call(
            method.name, VALID[name][method.name](), caller=served.caller(method.name)
        )

    assert refusal.value.reason in documented_reasons(method)
