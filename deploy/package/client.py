"""The client under its name in the checkout, for the commands of the installed package.

Not used in a checkout, where the folder `client` is found.
"""

from orchestrator.client import *  # type: ignore[import-not-found]  # noqa: F403 - the same names
