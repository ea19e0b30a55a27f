"""Key-encryption keys in HashiCorp Vault's transit engine. They never leave the engine.

The context of a key is sent as associated data, so Vault itself refuses to unwrap a data key for
another wallet. Source: Vault HTTP API, transit: encrypt and decrypt with `associated_data`.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import aiohttp
import pydantic

from services.escrow.outgoing import Outgoing
from services.escrow.wallets.vault import KeyUnusable
from services.escrow.wallets.vault_login import VaultLogin

OK, FORBIDDEN = 200, 403


class VaultTransitKeyProvider:
    """Wraps and unwraps over HTTP. Fails closed: without Vault there is no signature.

    url: of Vault; login: provides the token; key: name of an aes256-gcm96 key; mount: where the
    engine is mounted.
    """

    def __init__(
        self,
        *,
        url: str,
        login: VaultLogin,
        key: str,
        mount: str = "transit",
        timeout_seconds: int = 5,
    ) -> None:
        self._engine = f"{url.rstrip('/')}/v1/{mount}"
        self._login = login
        self._key = key
        self._outgoing = Outgoing(timeout_seconds=timeout_seconds)

    def __repr__(self) -> str:
        return f"<transit key {self._key} of {self._engine}>"

    @property
    def current(self) -> str:
        """The id of the key. Vault's ciphertext itself says which version of the key wrapped."""
        return f"transit:{self._key}"

    async def wrap(self, data_key: bytes, *, context: bytes) -> tuple[str, bytes]:
        """Encrypt a data key under the newest version; return the key's id too.

        Raises: KeyUnusable.
        """
        answer = await self._ask("encrypt", plaintext=_text(data_key), context=context)
        ciphertext = answer.get("ciphertext")
        if not isinstance(ciphertext, str):
            raise KeyUnusable("Vault gave no ciphertext")
        return self.current, ciphertext.encode()

    async def unwrap(self, wrapped: bytes, *, kek_id: str, context: bytes) -> bytes:
        """Decrypt a data key. Raises: KeyUnusable."""
        if kek_id != self.current:
            raise KeyUnusable(f"no key-encryption key {kek_id}")
        ciphertext = wrapped.decode("ascii", "replace")
        answer = await self._ask("decrypt", ciphertext=ciphertext, context=context)
        try:
            return base64.b64decode(answer["plaintext"], validate=True)
        except (KeyError, TypeError, binascii.Error) as error:
            raise KeyUnusable("Vault gave no data key") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._outgoing.close()
        await self._login.close()

    async def _ask(self, action: str, *, context: bytes, **fields: str) -> dict[str, Any]:
        body = {**fields, "associated_data": _text(context)}
        token = await self._login.token()
        status, document = await self._send(action, body, token)
        if status == FORBIDDEN and self._login.refused(token):
            # The token ended early. The request has changed nothing, and is sent once more.
            status, document = await self._send(action, body, await self._login.token())
        if status != OK or not isinstance(document, dict):
            raise KeyUnusable(f"Vault refused to {action}: {status}")
        data = document.get("data")
        return data if isinstance(data, dict) else {}

    async def _send(
        self, action: str, body: Mapping[str, str], token: pydantic.SecretStr
    ) -> tuple[int, Any]:
        headers = {"X-Vault-Token": token.get_secret_value(), "X-Vault-Request": "true"}
        url = f"{self._engine}/{action}/{self._key}"
        try:
            async with self._outgoing.request("POST", url, json=body, headers=headers) as answer:
                # Vault's errors may repeat the request, so only the status is passed on.
                document = await answer.json(content_type=None) if answer.status == OK else {}
                return answer.status, document
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise KeyUnusable("Vault did not answer") from error


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
