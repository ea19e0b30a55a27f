"""Pages of the largest cases: they hold fewer cases, and none is lost."""

from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2

from chassis.wire import PAGE_BYTES
from kernel.ids import new_id
from tests.integration.disputes.test_cases import evidence, opened
from tests.serving import Client

CASES, LINKS, LINK_LENGTH, BATCHES = 6, 20, 2048, 5


async def test_cases_with_the_most_links_are_listed_in_full(disputes: Client) -> None:
    made = [await opened_with_links(disputes) for _ in range(CASES)]

    found: list[disputes_pb2.Dispute] = []
    token, pages = "", 0
    while not pages or token:
        page = common_pb2.PageRequest(page_size=100, page_token=token)
        answer = await disputes.call("ListDisputes", disputes_pb2.ListDisputesRequest(page=page))
        assert answer.ByteSize() < PAGE_BYTES + 1000
        found += answer.disputes
        token, pages = answer.next_page_token, pages + 1

    assert [case.id for case in found] == made[::-1]
    assert pages > 1
    assert {len(case.evidence) for case in found} == {LINKS * BATCHES}


async def opened_with_links(disputes: Client) -> str:
    """Open a case with the most and longest links allowed; returns its id."""
    case = await opened(disputes, evidence=links())
    for _ in range(BATCHES - 1):
        await disputes.call("AddEvidence", evidence(case.id, *links()))
    return case.id


def links() -> list[str]:
    """Make different links of the greatest length."""
    return [f"https://cdn.example.com/{new_id()}/".ljust(LINK_LENGTH, "a") for _ in range(LINKS)]
