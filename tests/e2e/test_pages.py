"""The shell blocks of README and every page of docs/ do what the page says.

The blocks of docs/runbook.md are tested in test_runbook.py.
"""

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from deploy.local.settings import ROOT
from tests.e2e.test_runbook import PLAYS
from tests.hook import Hook, hook
from tests.runbook import blocks, typed_through
from tests.running_stack import RunningStack

RUNBOOK = ROOT / "docs" / "runbook.md"
# Reports are what programs printed.
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
# What a page must have printed when all of it was typed.
PRINTS: Mapping[str, tuple[str, ...]] = {
    "README.md": (
        '"marketplace":"demo"',
        '"id":"usr_bob"',
        '"status":"FUNDS_RESERVED"',
        '"status":"ESCROW_CREATING"',
        '"status":"IN_PROGRESS"',
        '"finalStatus":"RELEASED"',
        '"available":"80.00"',
        '"items":[',
    ),
    "docs/cli.md": (
        "demo (test), kept in ",
        "order.released  ord_",
        "order.closed  ord_",
        "order.canceled  ord_",
        "withdrawal.completed  wd_",
        "usr_cli_buyer has ",
        "  200  GET",
        "id,status,finalStatus,",
    ),
    "docs/grpc.md": ("billing/identity.pem", "ledger.GetBalance"),
    "docs/events.md": ("tls://my-shop:",),
    "docs/marketplace.md": (
        "ohk_live_",
        "ohk_test_",
        '"finalStatus":"RELEASED"',
        '"finalStatus":"CANCELED"',
        '"finalStatus":"REFUNDED"',
        '"status":"UNDER_REVIEW"',
        '"releaseAmount":"50.00"',
        '"refundAmount":"20.00"',
        '"status":"COMPLETED"',
        '"name":"order.released"',
        "a reservation without an escrow is canceled after 3 days",
        '"clockOffsetSeconds":691200',
    ),
    "docs/money.md": ("ok      I1 ",),
    "docs/operator.md": (
        "Usage: orchestrator ",
        "Usage: orchestrator reconcile",
        '"marketplaces": [',
    ),
    "docs/party.md": (
        '"status":"delivered"',
        '"status":"completed"',
        '"platform_fee":15.00',
        '"amount":35.00',
        '"code":"withdrawal"',
    ),
    "docs/support.md": ('"supportId":"support:', '"name":"Ann"', '"hasMore":'),
}
# Pages whose commands fail where they find something: on a shared stack, what a test left.
FINDS = {"docs/money.md"}
# How many blocks of a page are marked as needing what is not here.
ELSEWHERE = {
    "README.md": 5,
    "docs/client.md": 2,
    "docs/events.md": 2,
    "docs/marketplace.md": 3,
    "docs/operator.md": 1,
}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_code_block_names_its_language(page: Path) -> None:
    fences = re.findall(r"^```(.*)$", page.read_text(), re.MULTILINE)

    opened, closed = fences[::2], fences[1::2]
    assert set(closed) <= {""}
    assert [fence for fence in opened if not re.fullmatch(r"[a-z]+|sh elsewhere", fence)] == []
    assert "bash" not in opened
    assert "shell" not in opened


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_shell_block_is_run_or_marked_elsewhere(page: Path) -> None:
    found = blocks("sh", path=page)
    marked = [block for block in found if block.is_elsewhere]

    assert len(marked) == ELSEWHERE.get(name(page), 0)
    if page == RUNBOOK:
        assert {block.name for block in found} == set(PLAYS)
    else:
        assert (len(found) > len(marked)) is (name(page) in PRINTS)


@pytest.fixture(scope="module")
def developer() -> Iterator[Hook]:
    """The program of a reader of docs/cli.md."""
    with hook() as opened:
        yield opened


@pytest.fixture(scope="module")
def typing(
    stack: RunningStack, developer: Hook
) -> Iterator[Mapping[str, Future[CompletedProcess[str]]]]:
    """Run all pages at the same time: most of the time, each waits for the chain."""
    places = {
        "http://127.0.0.1:8080": stack.url,
        "http://127.0.0.1:8085": str(stack.document["devnetUrl"]),
        "http://localhost:3000": developer.url,
        ".run/stack.json": str(stack.run_dir / "stack.json"),
    }
    with ThreadPoolExecutor(max_workers=len(PRINTS)) as readers:
        yield {
            page: readers.submit(typed_through, ROOT / page, run_dir=stack.run_dir, places=places)
            for page in PRINTS
        }


@pytest.mark.parametrize("page", PRINTS)
def test_page_run_from_start_to_end_prints_what_it_says(
    typing: Mapping[str, Future[CompletedProcess[str]]], page: str
) -> None:
    done = typing[page].result()

    said = done.stdout + done.stderr
    assert [text for text in PRINTS[page] if text not in done.stdout] == [], said
    assert done.returncode == 0 or page in FINDS, said


def test_events_of_a_developers_guide_are_signed_as_webhooks_are(
    typing: Mapping[str, Future[CompletedProcess[str]]], developer: Hook
) -> None:
    said = typing["docs/cli.md"].result().stdout

    [secret] = re.findall(r"^Signing secret: (whsec_\S+)$", said, re.MULTILINE)
    events = developer.verified(secret)
    assert [event["eventType"].removeprefix("order.") for event in events] == [
        "created",
        "funds_reserved",
        "escrow_creating",
        "escrow_funding",
        "escrow_funded",
        "in_progress",
        "delivered",
        "release_requested",
        "released",
        "closed",
    ]
    assert len({event["aggregateId"] for event in events}) == 1
