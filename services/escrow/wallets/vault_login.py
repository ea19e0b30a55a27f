"""How escrow authenticates to Vault: with a given token, or by a login with its pod's account.

Source: Vault HTTP API, Kubernetes auth method: POST /v1/auth/<mount>/login with `role` and `jwt`.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import aiohttp
import pydantic

from chassis.telemetry import logger
from chassis.watched import Watched
from services.escrow.outgoing import Outgoing
from services.escrow.wallets.vault import KeyUnusable

OK = 200
# A token is renewed after this share of its time. For the rest of it Vault may be unavailable.
RENEW_SHARE = 0.5
# The pause between failed logins while the token is still valid.
AGAIN_SECONDS = 5.0
# For a token that never expires.
LOOK_AGAIN_SECONDS = 3600.0
log = logger()


class VaultLogin(Protocol):
    """Provides the token that requests carry."""

    async def token(self) -> pydantic.SecretStr:
        """Return a token that is valid now. Raises: KeyUnusable."""
        ...

    def refused(self, token: pydantic.SecretStr) -> bool:
        """Note that Vault refused a token; return whether another one may be had."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class GivenToken:
    """A token from the settings, or from a file that another program renews, like Vault's agent."""

    def __init__(self, read: Callable[[], pydantic.SecretStr]) -> None:
        self._read = read

    @classmethod
    def in_file(cls, path: Path) -> "GivenToken":
        """Use a file, read again when it changes.

        Raises: OSError, ValueError: it holds no token.
        """
        return cls(Watched([path], _only_word).current)

    async def token(self) -> pydantic.SecretStr:
        """Return the current token."""
        return self._read()

    def refused(self, token: pydantic.SecretStr) -> bool:
        """Tell whether the file holds another token by now."""
        return self._read() != token

    async def close(self) -> None:
        """Do nothing, because nothing is open."""


class KubernetesLogin:
    """Logs in with the token of the pod's service account, which Kubernetes renews in its file.

    url: of Vault; mount: where the auth method is mounted; role: Vault's role for escrow.
    """

    def __init__(
        self, *, url: str, mount: str, role: str, account_file: Path, timeout_seconds: int = 5
    ) -> None:
        self._url = f"{url.rstrip('/')}/v1/auth/{mount}/login"
        self._role = role
        self._account_file = account_file
        self._outgoing = Outgoing(timeout_seconds=timeout_seconds)
        self._token: pydantic.SecretStr | None = None
        self._renew_at = self._ends_at = 0.0
        self._login = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<login of {self._role} at {self._url}>"

    async def token(self) -> pydantic.SecretStr:
        """Return a token; log in if it is time to. Raises: KeyUnusable: there is no token."""
        async with self._login:
            now = time.monotonic()
            if self._token is not None and now < self._renew_at:
                return self._token
            try:
                await self._log_in()
            except KeyUnusable as error:
                if self._token is None or now >= self._ends_at:
                    raise
                self._renew_at = now + AGAIN_SECONDS
                log.warning("vault.not_renewed", why=error.message)
        assert self._token is not None  # noqa: S101 - it was kept, or a login gave one
        return self._token

    def refused(self, token: pydantic.SecretStr) -> bool:
        """Forget a token that Vault has ended early.

        Return True: another login may give a new one.
        """
        if self._token == token:
            self._token = None
        return True

    async def close(self) -> None:
        """Close the connections."""
        await self._outgoing.close()

    async def _log_in(self) -> None:
        try:
            account = _only_word([self._account_file.read_bytes()])
        except (OSError, ValueError):
            raise KeyUnusable("the service account's token cannot be read") from None
        body = {"role": self._role, "jwt": account.get_secret_value()}
        began = time.monotonic()
        try:
            async with self._outgoing.request("POST", self._url, json=body) as answer:
                document = await answer.json(content_type=None) if answer.status == OK else {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise KeyUnusable("Vault did not answer a login") from error
        auth = document.get("auth") if isinstance(document, dict) else None
        auth = auth if isinstance(auth, dict) else {}
        token, seconds = auth.get("client_token"), auth.get("lease_duration")
        if not isinstance(token, str) or not token or not isinstance(seconds, int):
            raise KeyUnusable(f"Vault refused a login: {answer.status}")
        lasting = float(seconds) or LOOK_AGAIN_SECONDS
        self._token = pydantic.SecretStr(token)
        self._renew_at, self._ends_at = began + lasting * RENEW_SHARE, began + lasting
        log.info("vault.logged_in", seconds=seconds)


def _only_word(contents: Sequence[bytes]) -> pydantic.SecretStr:
    """Parse a file that holds a token and nothing else. Raises: ValueError."""
    [text] = contents
    word = text.decode("ascii").strip()
    if not word or any(letter.isspace() for letter in word):
        raise ValueError("it holds no token")
    return pydantic.SecretStr(word)
