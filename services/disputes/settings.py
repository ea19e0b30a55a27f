"""The settings of disputes: only the common ones."""

from chassis.settings import ServiceSettings


class DisputesSettings(ServiceSettings):
    """Read from the environment, once."""
