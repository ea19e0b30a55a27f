"""Provides the client under its name in the checkout, for commands of the installed package.

It is not used in a checkout, where Python finds the folder `client`.
"""

from orchestrator.client import *  # type: ignore[import-not-found]  # noqa: F403 - the same names
