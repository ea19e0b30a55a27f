"""The settings of disputes: what every service needs, and nothing more."""

from chassis.settings import ServiceSettings


class DisputesSettings(ServiceSettings):
    """Read from the environment, once."""
