"""The sandbox: users with worthless money, which the faucet of a test network pays."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from client import Marketplace
from deploy.developer.command import LateError, RefusedError
from deploy.developer.settings import Place

ARRIVES_SECONDS = 120.0
PAUSE_SECONDS = 0.25
FAUCET_SECONDS = 30.0
PUBLIC = "PUBLIC"
LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A marketplace whose money is worth nothing."""

    api: Marketplace
    faucet_url: str

    @classmethod
    def of(cls, api: Marketplace, place: Place) -> "Sandbox":
        """Open the sandbox. Raises: RefusedError: no faucet pays in this place."""
        if not place.faucet_url:
            raise RefusedError(
                "NO_FAUCET",
                "no faucet is known; name the test network's with `login --faucet-url`",
            )
        return cls(api=api, faucet_url=place.faucet_url)

    def user(self, name: str) -> str:
        """Register a user and return the id. Repeated, it returns the same user."""
        return self.api.register_user(externalUserId=name, id=f"usr_{name}")["id"]

    def fund(self, user: str, amount: str) -> str:
        """Pay into a user's wallet, wait until it is credited, and return the available amount.

        Raises: RefusedError: the network's money is real, or the faucet refuses; LateError.
        """
        deposit = self.api.get_deposit(user)
        if deposit["network"] == PUBLIC:
            raise RefusedError("LIVE_NETWORK", "this marketplace is on the network of real money")
        before = self.api.get_user_balance(user)["available"]
        body = {"address": deposit["address"], "amount": amount}
        try:
            paid = httpx.post(self.faucet_url, json=body, timeout=FAUCET_SECONDS)
        except httpx.TransportError as error:
            raise LateError(f"the faucet does not answer: {error!r}") from None
        if not paid.is_success:
            raise RefusedError("FAUCET_REFUSED", f"the faucet answered {paid.status_code}")

        def available() -> str | None:
            now = self.api.get_user_balance(user)["available"]
            return None if now == before else now

        return wait(available, what=f"the deposit for {user} did not arrive")


def wait(look: Callable[[], str | None], *, what: str) -> str:
    """Wait until `look` returns a text. Raises: LateError: it does not in time; names `what`."""
    deadline = time.monotonic() + ARRIVES_SECONDS
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise LateError(f"{what} within {ARRIVES_SECONDS:.0f} s")
        time.sleep(PAUSE_SECONDS)
