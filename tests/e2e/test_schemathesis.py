"""schemathesis on the OpenAPI document of a running stack; `make prove` runs it for longer."""

from pathlib import Path

import pytest

from tests import settings
from tests.e2e.fuzzing import fuzz, write_report
from tests.e2e.tenants import key_store, tenant
from tests.running_stack import RunningStack

pytestmark = pytest.mark.slow

PHASES = "examples,coverage,fuzzing,stateful"


async def test_every_response_is_documented_in_openapi(stack: RunningStack, tmp_path: Path) -> None:
    examples = settings.fuzz_examples()
    async with key_store(stack) as store:
        own = await tenant(stack, store)
        own.allow_credits()
        arguments = ("--phases", PHASES, "-n", str(examples), "--generation-deterministic")

        report = await fuzz(own, tmp_path, arguments=arguments)

    assert report.problems == 0, report.text
    assert report.figures["complete"], report.text
    # What was tried is the whole document, and every operation was once carried out.
    operations = report.figures["operations"]
    assert operations["tested"] == operations["total"] == len(report.accepted)
    refused = [name for name, count in report.accepted.items() if count == 0]
    # The clock of a live marketplace cannot be moved.
    assert refused == ["POST /api/v1/test/clock"]
    if (folder := settings.reports_folder()) is not None:
        write_report(folder / "schemathesis.md", report, examples=examples)
