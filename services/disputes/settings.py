"""The settings of disputes: those of every service."""

from chassis.settings import ServiceSettings


class DisputesSettings(ServiceSettings):
    """Read from the environment, once."""
