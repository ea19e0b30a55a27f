"""Messages of both sides and support, and notes of support, over gRPC with PostgreSQL."""

import asyncio
import uuid
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2

from chassis.identity import ROLE_ADMIN, ROLE_SUPPORT, ROLE_USER, Identity
from services.disputes.talk import domain
from tests.conftest import TestDatabase
from tests.serving import Client, identity_of

from .test_cases import Rows, assignment, completion, decision, opened, refusal, told

SCOPES = frozenset({"read", "write"})


def person(disputes: Client, user: str, role: str = ROLE_USER) -> Identity:
    who = identity_of("gateway", marketplace_id=disputes.marketplace_id, scopes=SCOPES)
    return replace(who, principal=f"user:{user}", role=role, user_id=uuid.UUID(user))


def ann(disputes: Client, name: str = "Ann Lée") -> Identity:
    """Return a person of support."""
    scopes = frozenset({"read", "support"})
    who = identity_of("gateway", marketplace_id=disputes.marketplace_id, scopes=scopes)
    return replace(who, principal="support:ann", role=ROLE_SUPPORT, name=name)


def writing(dispute_id: str, text: str, **more: Any) -> disputes_pb2.AddMessageRequest:
    known = {"request_id": str(uuid.uuid4()), "dispute_id": dispute_id, "text": text}
    return disputes_pb2.AddMessageRequest(**{**known, **more})


def noting(dispute_id: str, text: str) -> disputes_pb2.AddNoteRequest:
    return disputes_pb2.AddNoteRequest(
        request_id=str(uuid.uuid4()), dispute_id=dispute_id, text=text
    )


async def a_case(disputes: Client) -> tuple[str, str, str]:
    """Open a case; returns its id, its buyer and its seller."""
    buyer, seller = str(uuid.uuid4()), str(uuid.uuid4())
    return (await opened(disputes, buyer_id=buyer, seller_id=seller)).id, buyer, seller


async def read_all(
    disputes: Client, dispute_id: str, *, who: Identity | None = None, size: int = 20
) -> list[disputes_pb2.DisputeMessage]:
    """Read all pages of messages."""
    found: list[disputes_pb2.DisputeMessage] = []
    token = ""
    while True:
        page = common_pb2.PageRequest(page_size=size, page_token=token)
        request = disputes_pb2.ListMessagesRequest(dispute_id=dispute_id, page=page)
        answer = await disputes.call("ListMessages", request, who=who)
        found += answer.messages
        token = answer.next_page_token
        if not token:
            return found


async def test_both_sides_and_support_read_what_each_wrote(disputes: Client, read: Rows) -> None:
    dispute_id, buyer, seller = await a_case(disputes)
    said = "«Où sont les chiffres?» \u202e\n\U0001f9fe " + "é" * 3900

    await disputes.call(
        "AddMessage", writing(dispute_id, "Nothing works"), who=person(disputes, buyer)
    )
    await disputes.call("AddMessage", writing(dispute_id, said), who=ann(disputes))
    await disputes.call("AddMessage", writing(dispute_id, "Here"), who=person(disputes, seller))
    await disputes.call("AddMessage", writing(dispute_id, "By the shop"))

    for_support = await read_all(disputes, dispute_id, who=ann(disputes), size=3)
    assert [(one.author, one.text) for one in for_support] == [
        (disputes_pb2.DISPUTE_AUTHOR_SUPPORT, "By the shop"),
        (disputes_pb2.DISPUTE_AUTHOR_SELLER, "Here"),
        (disputes_pb2.DISPUTE_AUTHOR_SUPPORT, said),
        (disputes_pb2.DISPUTE_AUTHOR_BUYER, "Nothing works"),
    ]
    assert (for_support[2].author_id, for_support[2].author_name) == ("support:ann", "Ann Lée")
    assert for_support[3].author_id == f"user:{buyer}"
    for user, role in ((buyer, ROLE_USER), (seller, ROLE_USER), (str(uuid.uuid4()), ROLE_ADMIN)):
        seen = await read_all(disputes, dispute_id, who=person(disputes, user, role))
        assert [one.text for one in seen] == [one.text for one in for_support]
        assert {(one.author_id, one.author_name) for one in seen} == {("", "")}
    events = told(read, disputes.marketplace_id)
    assert [(kind, version) for kind, version, _ in events] == [
        ("dispute.opened", 1),
        *(("dispute.message_added", version) for version in (2, 3, 4, 5)),
    ]
    assert [payload["writtenBy"] for _, _, payload in events[1:]] == [
        "BUYER",
        "SUPPORT",
        "SELLER",
        "SUPPORT",
    ]
    assert "chiffres" not in str(events)


async def test_notes_are_visible_to_support_only(disputes: Client, read: Rows) -> None:
    dispute_id, buyer, _ = await a_case(disputes)
    by_id = disputes_pb2.GetDisputeRequest(dispute_id=dispute_id)
    before = await disputes.call("GetDispute", by_id)

    noted = await disputes.call("AddNote", noting(dispute_id, "They lie"), who=ann(disputes))

    listing = disputes_pb2.ListNotesRequest(dispute_id=dispute_id)
    for who in (None, ann(disputes)):
        assert list((await disputes.call("ListNotes", listing, who=who)).notes) == [noted]
    assert (noted.author_id, noted.author_name) == ("support:ann", "Ann Lée")
    assert await disputes.call("GetDispute", by_id) == before
    assert await read_all(disputes, dispute_id, who=person(disputes, buyer)) == []
    assert [kind for kind, _, _ in told(read, disputes.marketplace_id)] == ["dispute.opened"]
    for role in (ROLE_USER, ROLE_ADMIN):
        who = replace(person(disputes, buyer, role), scopes=SCOPES | {"support"})
        for method, request in (("ListNotes", listing), ("AddNote", noting(dispute_id, "x"))):
            error = await refusal(disputes.call(method, request, who=who))
            assert error.reason == "CALLER_NOT_ALLOWED"


async def test_strangers_and_admins_cannot_write(disputes: Client) -> None:
    dispute_id, buyer, _ = await a_case(disputes)
    own = await disputes.call(
        "AddMessage", writing(dispute_id, "Mine"), who=person(disputes, buyer)
    )

    for role in (ROLE_USER, ROLE_ADMIN):
        who = person(disputes, str(uuid.uuid4()), role)
        error = await refusal(disputes.call("AddMessage", writing(dispute_id, "Hm"), who=who))
        assert error.reason == "NOT_PARTY"
    stranger = person(disputes, str(uuid.uuid4()))
    error = await refusal(read_all(disputes, dispute_id, who=stranger))
    assert error.reason == "NOT_PARTY"
    other = replace(ann(disputes), marketplace_id=uuid.uuid4())
    error = await refusal(disputes.call("AddMessage", writing(dispute_id, "Hm"), who=other))
    assert error.reason == "DISPUTE_NOT_FOUND"
    assert [one.id for one in await read_all(disputes, dispute_id)] == [own.id]


async def test_repeated_message_is_stored_once_and_keys_are_scoped_to_a_person(
    disputes: Client,
) -> None:
    dispute_id, buyer, seller = await a_case(disputes)
    people = (person(disputes, buyer), person(disputes, seller), ann(disputes))
    request = writing(dispute_id, "Again")

    firsts = [await disputes.call("AddMessage", request, who=who) for who in people]
    for who, first in zip(people, firsts, strict=True):
        again, is_replayed = await disputes.call_with_replay("AddMessage", request, who=who)
        assert (again, is_replayed) == (first, True)
    changed = writing(dispute_id, "Other", request_id=request.request_id)
    error = await refusal(disputes.call("AddMessage", changed, who=ann(disputes)))

    assert error.reason == "IDEMPOTENCY_KEY_REUSED"
    assert len(await read_all(disputes, dispute_id)) == 3


async def test_concurrent_messages_are_all_kept_once_and_in_one_order(disputes: Client) -> None:
    dispute_id, buyer, seller = await a_case(disputes)
    writers = (person(disputes, buyer), person(disputes, seller), ann(disputes), None)

    await asyncio.gather(
        *(
            disputes.call("AddMessage", writing(dispute_id, str(n)), who=writers[n % 4])
            for n in range(12)
        )
    )

    in_one = await read_all(disputes, dispute_id)
    assert sorted(int(one.text) for one in in_one) == [*range(12)]
    assert await read_all(disputes, dispute_id, size=5) == in_one


@pytest.mark.parametrize("text", ["", "a" * 4001, "nul \0"], ids=["empty", "long", "nul"])
async def test_invalid_text_is_refused(disputes: Client, text: str) -> None:
    dispute_id, *_ = await a_case(disputes)

    for method, request in (
        ("AddMessage", writing(dispute_id, text)),
        ("AddNote", noting(dispute_id, text)),
    ):
        error = await refusal(disputes.call(method, request))
        assert error.kind == "INVALID_ARGUMENT"
    assert await read_all(disputes, dispute_id) == []


async def test_number_of_messages_of_a_case_is_limited(
    disputes: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain, "REMARKS_MAX", 2)
    dispute_id, *_ = await a_case(disputes)
    for method, request in (
        ("AddMessage", lambda: writing(dispute_id, "x")),
        ("AddNote", lambda: noting(dispute_id, "x")),
    ):
        for _ in range(2):
            await disputes.call(method, request())
        error = await refusal(disputes.call(method, request()))
        assert (error.kind, error.reason) == ("FAILED_PRECONDITION", "TOO_MANY_MESSAGES")


async def test_a_resolved_case_takes_notes_and_no_messages(disputes: Client) -> None:
    dispute_id, buyer, _ = await a_case(disputes)
    await disputes.call("DecideDispute", decision(dispute_id), caller="orders")
    await disputes.call("CompleteDispute", completion(dispute_id), caller="orders")

    error = await refusal(
        disputes.call("AddMessage", writing(dispute_id, "But"), who=person(disputes, buyer))
    )
    noted = await disputes.call("AddNote", noting(dispute_id, "Closed"), who=ann(disputes))

    assert error.reason == "INVALID_STATE"
    assert noted.text == "Closed"


async def test_case_is_assigned_reassigned_and_unassigned(disputes: Client, read: Rows) -> None:
    dispute_id, *_ = await a_case(disputes)
    off = disputes_pb2.UnassignDisputeRequest(request_id=str(uuid.uuid4()), dispute_id=dispute_id)
    unassigned = await refusal(disputes.call("UnassignDispute", off))

    own = await disputes.call(
        "AssignDispute", assignment(dispute_id, "support:ann"), who=ann(disputes)
    )
    given = await disputes.call(
        "AssignDispute", assignment(dispute_id, "support:bo"), who=ann(disputes)
    )
    off.request_id = str(uuid.uuid4())
    free = await disputes.call("UnassignDispute", off, who=ann(disputes))

    assert unassigned.reason == "INVALID_STATE"
    assert (own.assigned_to, own.assigned_to_name) == ("support:ann", "Ann Lée")
    assert (given.assigned_to, given.assigned_to_name) == ("support:bo", "")
    assert (free.assigned_to, free.assigned_to_name, free.assignment_notes) == ("", "", "")
    assert free.status == disputes_pb2.DISPUTE_STATUS_OPEN
    assert [kind for kind, _, _ in told(read, disputes.marketplace_id)][1:] == [
        "dispute.under_review",
        "dispute.under_review",
        "dispute.unassigned",
    ]


@pytest.mark.parametrize("table", ["messages", "notes"])
@pytest.mark.parametrize("change", ["update disputes.{} set text = 'x'", "delete from disputes.{}"])
def test_the_services_role_cannot_rewrite_what_was_written(
    disputes_database: TestDatabase, table: str, change: str
) -> None:
    with (
        psycopg.connect(disputes_database.url("disputes")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(change.format(table))
