"""Alerts and dashboard query exported metrics only; each alert names its runbook section."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY

from chassis import metrics
from services.disputes.measures import MEASURES as DISPUTES
from services.escrow.measures import FOREIGN_CHANGES, FOREIGN_PAYOUTS, LIFETIMES, LUMENS, RESERVES
from services.escrow.measures import MEASURES as ESCROW
from services.ledger.measures import BATCH_TRANSFERS
from services.ledger.measures import MEASURES as LEDGER
from services.orders.measures import MEASURES as ORDERS
from services.webhooks.measures import MEASURES as WEBHOOKS
from tools.k8s.render import ROOT

FOLDER = ROOT / "deploy/k8s/components/monitoring"
RULES: dict[str, Any] = yaml.safe_load((FOLDER / "rules.yaml").read_text())
ALERTS = [rule for group in RULES["spec"]["groups"] for rule in group["rules"]]
MEASURES = (*metrics.OUTBOX, *DISPUTES, *ESCROW, *LEDGER, *ORDERS, *WEBHOOKS)


def sections() -> set[str]:
    """Return the anchors of the runbook's sections, as GitHub makes them."""
    text = (ROOT / "docs/runbook.md").read_text()
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def selectors(expression: Any) -> Iterator[Any]:
    """Yield every selector of a PromQL expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for name in ("lhs", "rhs", "expr", "vector_selector", "vs"):
        if (inner := getattr(expression, name, None)) is not None:
            yield from selectors(inner)
    for inner in getattr(expression, "args", None) or ():
        yield from selectors(inner)


def told() -> dict[str, set[str]]:
    """Return the labels of every exported metric, by its name in a scrape."""
    found = {measure.name: set(measure.labels) for measure in MEASURES}
    for one in (metrics.RPC_SECONDS, metrics.HTTP_SECONDS, BATCH_TRANSFERS):
        for ending in ("_count", "_sum", "_bucket"):
            extra = {"le"} if ending == "_bucket" else set[str]()
            found[one._name + ending] = {*one._labelnames, *extra}
    found |= {one.name: set() for one in REGISTRY.collect() if one.name not in found}
    found[f"{FOREIGN_PAYOUTS._name}_total"] = set()
    found[f"{FOREIGN_CHANGES._name}_total"] = set()
    return found | {metrics.CONNECTIONS._name: {"state"}, LUMENS._name: {"account"}}


def questions() -> list[str]:
    """Return the expressions of the alerts and of the dashboard."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [*(rule["expr"] for rule in ALERTS), *asked]


@pytest.mark.parametrize("expression", questions())
def test_queried_metrics_and_labels_are_exported(expression: str) -> None:
    asked = list(selectors(promql_parser.parse(expression)))

    assert asked
    for selector in asked:
        assert selector.name in told(), selector.name
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert labels <= told()[selector.name]


@pytest.mark.parametrize("alert", ALERTS, ids=[rule["alert"] for rule in ALERTS])
def test_alert_names_an_existing_section_of_the_runbook(alert: dict[str, Any]) -> None:
    page, _, section = alert["annotations"]["runbook"].partition("#")

    assert page == "docs/runbook.md"
    assert section in sections()


def test_every_measure_is_used_by_an_alert_or_the_dashboard() -> None:
    asked = {s.name for one in questions() for s in selectors(promql_parser.parse(one))}

    assert {measure.name for measure in MEASURES} - asked == {
        # For manual queries only.
        "orchestrator_orders_users_waiting",
        "orchestrator_outbox_waiting",
        "orchestrator_escrow_unreadable_transfers",
        "orchestrator_webhook_deliveries_waiting",
    }


def test_every_alert_has_data_on_which_it_fires_and_data_on_which_it_does_not() -> None:
    data = yaml.safe_load((FOLDER / "rules.test.yaml").read_text())
    fires, rests = (
        {case["alertname"]: case["exp_alerts"] for case in one["alert_rule_test"]}
        for one in data["tests"]
    )

    assert set(fires) == set(rests) == {alert["alert"] for alert in ALERTS}
    assert all(fires.values())
    assert not any(rests.values())


def test_the_page_of_metrics_has_every_metric_and_alert() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    named = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    of_programs = (
        metrics.RPC_SECONDS,
        metrics.HTTP_SECONDS,
        metrics.CONNECTIONS,
        LIFETIMES,
        LUMENS,
        RESERVES,
        BATCH_TRANSFERS,
    )

    measured = {measure.name for measure in MEASURES} | {one._name for one in of_programs}
    alerts = {alert["alert"] for alert in ALERTS}
    assert named == measured | alerts | {
        "orchestrator_measured_timestamp_seconds",
        "orchestrator_not_measured_total",
        "orchestrator_escrow_fee_lumens_total",
        "orchestrator_escrow_foreign_changes_total",
        "orchestrator_escrow_foreign_payouts_total",
        "orchestrator_escrow_wallets_merged_total",
        "orchestrator_webhook_attempts_total",
        "orchestrator_requests_not_logged_total",
    }
