"""The people of support: their credentials, from tokens of the issuers that people have, too."""

from gateway.auth import Credential
from gateway.party.people import People
from gateway.party.tokens import Tokens


class SupportStaff:
    """Admits people of support to the marketplace API. The room of the tokens is the parties'."""

    def __init__(self, *, tokens: Tokens, people: People) -> None:
        self._tokens = tokens
        self._people = people

    def seems_support(self, token: str) -> bool:
        """Tell whether a token says that it is of support. It is not verified."""
        return self._tokens.seems_support(token)

    async def credential(self, token: str) -> Credential:
        """Verify a token of support. Raises: TokenNotValid; Unavailable."""
        return await self._people.support(await self._tokens.verify(token))
