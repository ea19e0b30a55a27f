"""The credentials of people of support. Their tokens come from the same issuers as the parties'."""

from gateway.auth import Credential
from gateway.party.people import People
from gateway.party.tokens import Tokens


class SupportStaff:
    """Admits people of support to the marketplace API, with the token code of the party API."""

    def __init__(self, *, tokens: Tokens, people: People) -> None:
        self._tokens = tokens
        self._people = people

    def seems_support(self, token: str) -> bool:
        """Return whether a token claims to be of support. The token is not verified."""
        return self._tokens.seems_support(token)

    async def credential(self, token: str) -> Credential:
        """Verify a person of support's token. Raises: TokenNotValid; Unavailable."""
        return await self._people.support(await self._tokens.verify(token))
