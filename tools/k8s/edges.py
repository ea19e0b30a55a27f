"""The allowed connections: exactly those in ARCHITECTURE's table of contexts.

A connection is allowed if both sides allow it. So the two sides are compared with each other, and
with the calls of the table and the servers that every program needs.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tools.k8s.render import ROOT, Document, Objects, name, selects, title

PORTS = {"orders": 8081, "ledger": 8082, "escrow": 8083, "disputes": 8084, "webhooks": 8085}
PROGRAMS = (*PORTS, "gateway")
# Servers outside the table: their clients, and their ports.
SERVERS = {
    ("nats", 4222): (*PROGRAMS, "operator"),
    ("postgres", 5432): (*PROGRAMS, "migrations", "operator"),
}
# The services that an operator's command calls.
OPERATOR_CALLS = ("orders", "ledger", "escrow")
DEVNET = ("escrow", "devnet", 8000)
# The ports that Prometheus reads, from its namespace.
METRICS = 9090
# Where programs send traces, in the collector's namespace.
TRACES = 4318
# Allowed between servers of one kind, if there are several.
AMONG_THEMSELVES = frozenset({"nats", "postgres"})
# Programs that may reach addresses outside the cluster, and their ports.
OUTSIDE = {"gateway": {443}, "escrow": {443}, "webhooks": {443, 8443}}
# The PostgreSQL operator reaches the cluster's API and the backup store.
FREE = frozenset({"postgres"})
PRIVATE = frozenset({"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"})
_ROW = re.compile(r"^\| \*\*(\w+)\*\* .*\| (?P<calls>[^|]+) \|$", re.MULTILINE)

Edge = tuple[str, str, int]


def calls(text: str | None = None) -> dict[str, list[str]]:
    """Return the calls between contexts in ARCHITECTURE's table."""
    table = (ROOT / "ARCHITECTURE.md").read_text() if text is None else text
    found = {row[1]: row["calls"] for row in _ROW.finditer(table)}
    return {
        caller: sorted(PORTS) if said == "all five" else [peer for peer in PORTS if peer in said]
        for caller, said in found.items()
    }


def meant() -> set[Edge]:
    """Return every connection between programs and their servers."""
    edges = {(caller, peer, PORTS[peer]) for caller, peers in calls().items() for peer in peers}
    edges |= {("operator", peer, PORTS[peer]) for peer in OPERATOR_CALLS}
    return edges | {
        (program, server, port) for (server, port), needed in SERVERS.items() for program in needed
    }


def faults(objects: Objects) -> Iterator[str]:
    """List connections that the network policies wrongly allow or deny."""
    out, into = _edges(objects, "egress", "to"), _edges(objects, "ingress", "from")
    if set(calls()) != set(PROGRAMS):
        yield f"ARCHITECTURE's table names {sorted(calls())}"
    for caller, peer, port in sorted(out ^ into):
        yield f"{caller} → {peer}:{port} is allowed by one side only"
    inner = {edge for edge in out | into if edge[0] == edge[1] and edge[0] in AMONG_THEMSELVES}
    wanted = meant() | inner
    if "devnet" in objects.pods():
        wanted.add(DEVNET)
    for caller, peer, port in sorted((out | into) - wanted):
        yield f"{caller} → {peer}:{port} is allowed, but not needed"
    for caller, peer, port in sorted(wanted - (out & into)):
        yield f"{caller} → {peer}:{port} is needed, but not allowed"
    yield from _defaults(objects)
    for policy in objects.of("NetworkPolicy"):
        mine = set(_chosen(objects.pods(), policy["spec"]["podSelector"]))
        if name(policy) != "dns" and not mine <= FREE:
            yield from _ways_out(policy, mine)
            yield from _ways_in(policy, mine)


def _edges(objects: Objects, side: str, peers: str) -> set[Edge]:
    """Return the connections inside of the namespace that one side allows."""
    pods, found = objects.pods(), set[Edge]()
    for policy in objects.of("NetworkPolicy"):
        mine = _chosen(pods, policy["spec"]["podSelector"])
        for rule in policy["spec"].get(side, []):
            ports = [port.get("port", 0) for port in rule.get("ports", [{}])]
            for peer in rule.get(peers, []):
                if "podSelector" not in peer or "namespaceSelector" in peer:
                    continue
                others = _chosen(pods, peer["podSelector"])
                found |= {
                    (me, other, port) if side == "egress" else (other, me, port)
                    for me in mine
                    for other in others
                    for port in ports
                }
    return found


def _chosen(pods: Mapping[str, Mapping[str, str]], selector: Mapping[str, Any]) -> list[str]:
    return [pod for pod, labels in pods.items() if selects(selector, labels)]


def _defaults(objects: Objects) -> Iterator[str]:
    closed = [
        policy
        for policy in objects.of("NetworkPolicy")
        if not policy["spec"]["podSelector"]
        and set(policy["spec"].get("policyTypes", [])) == {"Ingress", "Egress"}
        and not policy["spec"].get("ingress")
        and not policy["spec"].get("egress")
    ]
    if not closed:
        yield "there is no default policy that denies both directions"
    pods = objects.pods()
    for policy in objects.of("NetworkPolicy"):
        if policy["spec"]["podSelector"] and not _chosen(pods, policy["spec"]["podSelector"]):
            yield f"{title(policy)}: selects nothing"


def _ways_out(policy: Document, mine: set[str]) -> Iterator[str]:
    """List connections out of the namespace that are not needed."""
    where = title(policy)
    for rule in policy["spec"].get("egress", []):
        if not rule.get("to"):
            yield f"{where}: reaches everything"
        ports = {port.get("port") for port in rule.get("ports", [])}
        for peer in rule.get("to", []):
            chosen = peer.get("namespaceSelector", {}).get("matchLabels")
            is_for_traces = bool(chosen) and ports == {TRACES} and mine <= set(PROGRAMS)
            if "namespaceSelector" in peer and not is_for_traces:
                yield f"{where}: reaches another namespace"
            if "ipBlock" not in peer:
                continue
            if any(ports != OUTSIDE.get(pod) for pod in mine):
                yield f"{where}: reaches the outside at {sorted(map(str, ports))}"
            if not set(peer["ipBlock"].get("except", [])) >= PRIVATE:
                yield f"{where}: reaches addresses inside the cluster"


def _ways_in(policy: Document, mine: set[str]) -> Iterator[str]:
    """List connections into the namespace that are not needed."""
    where = title(policy)
    for rule in policy["spec"].get("ingress", []):
        if not rule.get("from") or not rule.get("ports"):
            yield f"{where}: is open to everything"
        is_for_metrics = [port.get("port") for port in rule.get("ports", [])] == [METRICS]
        for peer in rule.get("from", []):
            others = "namespaceSelector" in peer and mine != {"gateway"} and not is_for_metrics
            if "ipBlock" in peer or others:
                yield f"{where}: is open to other namespaces"
