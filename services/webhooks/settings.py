"""The settings of webhooks: the common ones, the key of all secrets, closed networks."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator

from chassis.settings import Secret, ServiceSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(value: str) -> str:
    _read(value)
    return value


def _read(value: str) -> tuple[Network, ...]:
    return tuple(map(ipaddress.ip_network, filter(None, map(str.strip, value.split(",")))))


class WebhooksSettings(ServiceSettings):
    """Read from the environment, once."""

    # The key from which the secrets of all webhooks are derived. Another key changes all secrets.
    webhook_key: Secret
    # The operator's networks that no webhook may reach, such as "203.0.113.0/24, 2a00:1::/32".
    webhook_closed_networks: Annotated[str, AfterValidator(_networks)] = ""

    def closed_networks(self) -> tuple[Network, ...]:
        """Return the networks that no webhook may reach."""
        return _read(self.webhook_closed_networks)
