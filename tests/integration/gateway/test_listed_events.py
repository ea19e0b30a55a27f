"""The list of events: who gets it instead of the stream, what it asks for, what it refuses."""

import base64

import httpx
import pytest
from orchestrator.webhooks.v1 import webhooks_pb2

from kernel.errors import InvalidArgument, NotFound, Unavailable
from kernel.ids import new_id, to_public

from .conftest import Services
from .messages import an_event, at
from .test_access import refusal

LIST = {"accept": "application/json"}
PATH = "/api/v1/events"


async def test_a_client_that_asks_for_json_gets_a_page(
    rest: httpx.AsyncClient, services: Services
) -> None:
    event = an_event()
    services.webhooks.answers["ListEvents"] = webhooks_pb2.ListEventsResponse(
        events=[event], next_page_token="bmV4dA"
    )

    answer = await rest.get(PATH, headers=LIST)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert (body["success"], body["hasMore"], body["nextCursor"]) == (True, True, "bmV4dA")
    # As it was published, byte for byte.
    assert event.event_json in answer.text
    asked = services.webhooks.last("ListEvents")
    assert asked == webhooks_pb2.ListEventsRequest(page={"page_size": 20})


async def test_filters_are_passed_on(rest: httpx.AsyncClient, services: Services) -> None:
    services.webhooks.answers["ListEvents"] = webhooks_pb2.ListEventsResponse()
    query = {
        "types": "offer.*, order.created",
        "resourceTypes": "Order,Offer",
        "aggregateId": "ord_x",
        "from": "2026-02-18T10:00:00Z",
        "to": "2026-02-18T11:00:00.5Z",
        "limit": "7",
        "cursor": "bmV4dA",
    }

    assert (await rest.get(PATH, params=query, headers=LIST)).status_code == 200

    assert services.webhooks.last("ListEvents") == webhooks_pb2.ListEventsRequest(
        page={"page_size": 7, "page_token": "bmV4dA"},
        event_types=[
            *("offer.accepted", "offer.created", "offer.declined", "offer.lapsed"),
            "order.created",
        ],
        aggregate_id="ord_x",
        occurred_from=at("2026-02-18T10:00:00Z"),
        occurred_to=at("2026-02-18T11:00:00.500Z"),
    )


async def test_every_wildcard_means_all(rest: httpx.AsyncClient, services: Services) -> None:
    services.webhooks.answers["ListEvents"] = webhooks_pb2.ListEventsResponse()

    assert (await rest.get(PATH, params={"types": "*"}, headers=LIST)).status_code == 200

    assert list(services.webhooks.last("ListEvents").event_types) == []


async def test_filters_that_exclude_each_other_match_nothing(
    rest: httpx.AsyncClient, services: Services
) -> None:
    query = {"types": "order.*", "resourceTypes": "Balance"}

    answer = await rest.get(PATH, params=query, headers=LIST)

    assert answer.json() == {"success": True, "data": [], "hasMore": False, "nextCursor": None}
    assert services.webhooks.asked == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"types": "order"}, "types"),
        ({"types": "nothing.*"}, "types"),
        ({"types": "*.*"}, "types"),
        ({"resourceTypes": "Nothing"}, "resourceTypes"),
        ({"aggregateId": ""}, "aggregateId"),
        ({"aggregateId": "ord x"}, "aggregateId"),
        ({"aggregateId": "x" * 101}, "aggregateId"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30T10:00:00Z"}, "from"),
        ({"to": "2026-02-18T10:00:00+01:00"}, "to"),
        ({"from": "2026-02-18T10:00:00Z", "to": "2026-02-18T10:00:00Z"}, "to"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"cursor": ""}, "cursor"),
        ({"since": "2026-02-18T10:00:00Z"}, "since"),
    ],
)
async def test_an_invalid_filter_is_refused_by_its_name(
    rest: httpx.AsyncClient, services: Services, query: dict[str, str], field: str
) -> None:
    answer = await rest.get(PATH, params=query, headers=LIST)

    assert refusal(answer, 400, "VALIDATION_ERROR")["fields"][0]["field"] == field
    assert services.webhooks.asked == []


@pytest.mark.parametrize("name", ["cursor", "limit", "aggregateId", "from", "to"])
async def test_a_stream_takes_no_filter_of_the_list(rest: httpx.AsyncClient, name: str) -> None:
    answer = await rest.get(PATH, params={name: "1"})

    assert refusal(answer, 400, "VALIDATION_ERROR")["fields"][0]["field"] == name


async def test_a_cursor_that_the_service_does_not_know_is_refused(
    rest: httpx.AsyncClient, services: Services
) -> None:
    fields = [("cursor", "is not a cursor of this API")]
    services.webhooks.answers["ListEvents"] = InvalidArgument("Unknown cursor", fields=fields)
    query = {"cursor": base64.urlsafe_b64encode(b"17").decode()}

    answer = await rest.get(PATH, params=query, headers=LIST)

    assert refusal(answer, 400, "VALIDATION_ERROR")["fields"][0]["field"] == "cursor"


async def test_an_event_is_read_in_both_spellings_of_its_id(
    rest: httpx.AsyncClient, services: Services
) -> None:
    value, event = new_id(), an_event()
    services.webhooks.answers["GetEvent"] = event
    for name in (to_public("evt", value), str(value)):
        answer = await rest.get(f"{PATH}/{name}")

        assert answer.status_code == 200
        assert answer.text == f'{{"success":true,"data":{event.event_json}}}'
        assert services.webhooks.last("GetEvent").event_id == to_public("evt", value)


@pytest.mark.parametrize("name", ["x", "evt_", "ord_" + "0" * 21 + "1", "evt_" + "z" * 22])
async def test_invalid_event_id_is_not_found(
    rest: httpx.AsyncClient, services: Services, name: str
) -> None:
    refusal(await rest.get(f"{PATH}/{name}"), 404, "EVENT_NOT_FOUND")
    assert services.webhooks.asked == []


async def test_an_unknown_event_is_not_found(rest: httpx.AsyncClient, services: Services) -> None:
    services.webhooks.answers["GetEvent"] = NotFound("Event not found", reason="EVENT_NOT_FOUND")

    refusal(await rest.get(f"{PATH}/{to_public('evt', new_id())}"), 404, "EVENT_NOT_FOUND")


@pytest.mark.parametrize("path", [PATH, f"{PATH}/evt_02VN2GxyMChfxRE0vvYCTA"])
async def test_list_is_unavailable_while_webhooks_is_unavailable(
    rest: httpx.AsyncClient, services: Services, path: str
) -> None:
    for method in ("ListEvents", "GetEvent"):
        services.webhooks.answers[method] = Unavailable("The database is unavailable")

    answer = await rest.get(path, headers=LIST)

    refusal(answer, 503, "PROVIDER_UNAVAILABLE")
    assert answer.headers["retry-after"]
