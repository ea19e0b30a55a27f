"""The rules of OpenAPI linters on both documents; `make lint-openapi` runs the linters."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs
import pytest

from deploy.local.settings import ROOT
from gateway import models
from gateway.body import parse
from gateway.marketplace import view as marketplace
from gateway.party import view as party
from gateway.routing import OPEN, Operation
from kernel.version import VERSION

VIEWS: Mapping[str, Any] = {"marketplace": marketplace, "party": party}
PLACES = [
    pytest.param(name, one, id=f"{name} {one.method} {one.path}")
    for name, view in VIEWS.items()
    for one in view.OPERATIONS
]


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    return {name: view.document() for name, view in VIEWS.items()}


@pytest.fixture(params=VIEWS)
def document(request: pytest.FixtureRequest, documents: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = documents[request.param]
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every operation with its path."""
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def test_document_has_its_version_server_license_and_contact(document: dict[str, Any]) -> None:
    info = document["info"]

    assert document["openapi"].startswith("3.1.")
    assert [server["url"] for server in document["servers"]] == ["/"]
    assert info["version"] == VERSION
    assert info["license"] == {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    assert info["description"]
    assert info["contact"]["name"]


def test_the_project_has_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "kernel/version.py"


def test_names_of_operations_are_unique_and_fit_every_language(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]

    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z]{2,40}", name)] == []


# Clients are generated from these names: a change breaks them.
STABLE = {
    "marketplace": "createOrder listOrders getOrder getTimeline reserveFunds createEscrow "
    "fundEscrow deliverOrder cancelOrder releaseFunds refundOrder openDispute listMilestones "
    "completeMilestone makeOffer listOffers getOffer acceptOffer declineOffer registerUser "
    "redirectPayout "
    "listUsers getUser getUserBalance getBalance creditUser "
    "listEntries getWallet getDeposit createWithdrawal listWithdrawals "
    "getWithdrawal commitWithdrawal approveWithdrawal cancelWithdrawal listDisputes getDispute "
    "assignDispute unassignDispute addMessage listMessages addNote listNotes addEvidence "
    "resolveDispute streamEvents getEvent createKey listKeys revokeKey "
    "listAudit getMe createWebhook listWebhooks getWebhook updateWebhook deleteWebhook "
    "listRequests getRequest rotateWebhookSecret "
    "sendWebhookTest listWebhookDeliveries resendWebhookDelivery resendWebhookDeliveries "
    "getBooks getMarketplace advanceClock getHealth getDetailedHealth getPlatformBalance "
    "listPlatformEntries withdrawFees listFeeWithdrawals getFeeWithdrawal commitFeeWithdrawal "
    "approveFeeWithdrawal cancelFeeWithdrawal exportOrders exportWithdrawals exportPlatform "
    "exportFees exportFeeWithdrawals exportAudit exportStatement",
    "party": "createOrder listOrders getOrder payOrder deliverOrder confirmOrder cancelOrder "
    "makeOffer listOffers getOffer acceptOffer declineOffer openDispute getDispute addEvidence "
    "addMessage listMessages getReceipt getMe streamEvents getBalance listEntries getDeposit "
    "createWithdrawal listWithdrawals getWithdrawal commitWithdrawal cancelWithdrawal "
    "exportStatement",
}


@pytest.mark.parametrize("name", VIEWS)
def test_names_of_operations_do_not_change(documents: dict[str, Any], name: str) -> None:
    names = {operation["operationId"] for _, operation in operations(documents[name])}

    assert names == set(STABLE[name].split())


def test_every_tag_is_declared_with_a_description_and_used(document: dict[str, Any]) -> None:
    declared = {tag["name"] for tag in document["tags"] if tag["description"]}
    used = [operation["tags"] for _, operation in operations(document)]

    assert all(len(tags) == 1 for tags in used)
    assert {tag for tags in used for tag in tags} == declared


# The one path that the party API's document prints with a slash at its end.
PRINTED = "/api/v1/orders/"


def test_every_path_follows_the_linters_rules(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        assert not path.endswith("/") or path == PRINTED
        declared = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))


def test_every_operation_has_a_description_and_its_outcomes(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        assert operation["summary"], path
        assert operation["description"], path
        statuses = operation["responses"]
        assert any(status.startswith("2") for status in statuses), path
        assert any(status.startswith("4") for status in statuses), path


@pytest.mark.parametrize(("name", "operation"), PLACES)
def test_every_operation_names_exactly_its_credentials(
    documents: dict[str, Any], name: str, operation: Operation
) -> None:
    document = documents[name]
    path = document["paths"][f"/api/v1{operation.path}"][operation.method.lower()]

    used = {scheme for one in path["security"] for scheme in one}
    known = set(document["components"]["securitySchemes"])
    assert used == (set() if operation.scope == OPEN else known - {"supportToken"}) | (
        {"supportToken"} if operation.support else set()
    )


@pytest.mark.parametrize(("name", "operation"), PLACES)
def test_body_examples_are_accepted_by_schema_and_server(
    documents: dict[str, Any], name: str, operation: Operation
) -> None:
    document = documents[name]
    path = document["paths"][f"/api/v1{operation.path}"][operation.method.lower()]
    if operation.body is None:
        assert "requestBody" not in path
        return

    content = path["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": document["components"]}
    assert content["examples"]
    for example in content["examples"].values():
        assert jsonschema_rs.is_valid(schema, example["value"]), example
        # As it is sent: the party view reads numbers from their digits.
        raw = json.dumps(example["value"]).encode()
        models.validated(operation.body, parse(raw, is_exact=True))
