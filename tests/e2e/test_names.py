"""An id names one user: after every refusal and success, every route resolves it the same way."""

import uuid
from collections.abc import Callable

import pytest

from kernel.ids import to_public
from tests.shop import Shop, data_of

ROUTES = ("/users/{}", "/users/{}/balance", "/users/{}/wallet", "/users/{}/wallet/deposit")
SPELLINGS: dict[str, Callable[[uuid.UUID], str]] = {
    "base62": lambda own: to_public("usr", own),
    "uuid": str,
    "upper case": lambda own: str(own).upper(),
}


async def named(shop: Shop, name: str) -> set[str]:
    """Return the user that each route finds for a text; 404: none."""
    found = set()
    for route in ROUTES:
        answer = await shop.client.get(route.format(name))
        data = answer.json().get("data", {})
        found.add(data.get("userId") or data.get("id") or str(answer.status_code))
    return found


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_id_that_names_another_user_is_refused(shop: Shop, spelling: str) -> None:
    tag = uuid.uuid4().hex[:12]
    ann = data_of(await shop.post("/users", {"externalUserId": tag, "id": f"usr_ann{tag}"}))
    name = SPELLINGS[spelling](uuid.UUID(ann["uuid"]))
    assert await named(shop, name) == {ann["id"]}

    chosen = await shop.post("/users", {"externalUserId": f"{tag}-2", "id": name})
    called = await shop.post("/users", {"externalUserId": name})
    bob = data_of(await shop.post("/users", {"externalUserId": f"{tag}-3"}))

    assert (chosen.status_code, chosen.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert [one["field"] for one in chosen.json()["error"]["details"]["fields"]] == ["id"]
    assert (called.status_code, called.json()["error"]["code"]) == (409, "USER_ID_TAKEN")
    assert await named(shop, name) == {ann["id"]}
    assert await named(shop, bob["id"]) == {bob["id"]}
