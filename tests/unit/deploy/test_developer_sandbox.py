"""Nothing is paid to a user on the network of real money."""

from typing import Any

import pytest

from client import Marketplace
from deploy.developer.command import RefusedError
from deploy.developer.sandbox import Sandbox


class OnPublicNetwork(Marketplace):
    """A marketplace on the network that the local stack has no other way to show."""

    def get_deposit(self, user: str, /) -> Any:
        """Say where to pay in on the public network."""
        return {"address": user, "network": "PUBLIC"}


def test_money_of_the_public_network_is_not_asked_for() -> None:
    with (
        OnPublicNetwork("ohk_live_key", base_url="http://127.0.0.1:9") as api,
        pytest.raises(RefusedError) as refused,
    ):
        Sandbox(api=api, faucet_url="http://127.0.0.1:9/faucet").fund("usr_a", "5.00")

    assert refused.value.reason == "LIVE_NETWORK"
