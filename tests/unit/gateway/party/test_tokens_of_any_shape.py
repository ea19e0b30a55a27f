"""Access tokens with any JSON as header and claims are accepted or refused, never an error."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.party.claims import TokenNotValid
from gateway.party.tokens import Tokens

from .minting import SHARED, claims, spelled

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
# A token's own words with any values, beside any others.
HEADERS = st.dictionaries(
    st.sampled_from(["alg", "typ", "kid"]) | st.text(max_size=8), JSON_VALUES, max_size=4
)
CLAIMS = st.dictionaries(
    st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "role"])
    | st.text(max_size=8),
    JSON_VALUES,
    max_size=4,
)


@settings(max_examples=400, deadline=None)
@given(header=HEADERS, said=CLAIMS, is_bare=st.booleans())
async def test_any_token_is_verified_or_refused(
    header: dict[str, Any], said: dict[str, Any], *, is_bare: bool
) -> None:
    whole = header if is_bare else {"alg": "HS256", "typ": "JWT"} | header
    token = spelled(json.dumps(claims() | said).encode(), json.dumps(whole).encode())
    try:
        found = await Tokens([SHARED]).verify(token)
    except TokenNotValid:
        return
    role = said.get("role")
    is_admin = "admin" in (role if isinstance(role, list) else [role])
    assert (found.issuer, found.role) == (SHARED, "admin" if is_admin else "user")
