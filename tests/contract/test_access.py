"""Every RPC is implemented, is on the allow-list, and refuses everyone else."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor

from chassis.identity import (
    PEOPLE,
    ROLE_ADMIN,
    ROLE_MARKETPLACE,
    ROLE_SUPPORT,
    ROLE_USER,
    Identity,
    system,
)
from gateway.auth import CALLER, anonymous
from kernel.errors import DomainError
from tests.contract.builders import VALID
from tests.contract.city import WAYS, City, Way
from tests.contract.descriptors import METHODS, SERVICES, label
from tests.identities import BILLING, GRANT

each_method = pytest.mark.parametrize(("name", "method"), METHODS, ids=label)
each_way = pytest.mark.parametrize("way", WAYS)
# People may call what the party API needs. A new line here needs a check of whom the request is
# about, and a test of this check in test_people.py.
OPEN_TO_PEOPLE = {
    "orders": {
        "RegisterUser",
        "GetUser",
        "CreateOrder",
        "GetOrder",
        "GetPreview",
        "ListPartyOrders",
        "GetReceipt",
        "CancelOrder",
        "OpenDispute",
        "DeliverOrder",
        "ConfirmOrder",
        "PayOrder",
        "MakeOffer",
        "AcceptOffer",
        "DeclineOffer",
        "GetOffer",
        "ListOffers",
        "CreateWithdrawal",
        "CommitWithdrawal",
        "CancelWithdrawal",
        "GetWithdrawal",
        "ListWithdrawals",
    },
    "disputes": {"GetDispute", "AddEvidence", "AddMessage", "ListMessages"},
    "ledger": {"GetBalance", "ListEntries"},
    "escrow": {"GetWallet"},
    "webhooks": set(),
}
# The RPCs for people of support. Only a decision may change money.
OPEN_TO_SUPPORT = {
    "orders": {
        "GetOrder",
        "GetOrders",
        "ListOrders",
        "GetTimeline",
        "GetOffer",
        "ListOffers",
        "GetPreview",
        "GetReconciliation",
        "ResolveDispute",
    },
    "disputes": {
        "GetDispute",
        "ListDisputes",
        "AssignDispute",
        "UnassignDispute",
        "AddMessage",
        "ListMessages",
        "AddNote",
        "ListNotes",
    },
    "ledger": {"GetBooks"},
    "escrow": {"ListConcerns"},
    "webhooks": set(),
}


def open_to(role: str) -> Mapping[str, set[str]]:
    """Return the RPCs that principals of a role may call, by service."""
    if role == ROLE_SUPPORT:
        return OPEN_TO_SUPPORT
    return OPEN_TO_PEOPLE if role in PEOPLE else {name: set() for name in SERVICES}


CLOSED = [
    (name, method, role)
    for name, method in METHODS
    for role in (ROLE_USER, ROLE_ADMIN, ROLE_SUPPORT, anonymous().role)
    if method.name not in open_to(role)[name]
]
EVERY_SCOPE = frozenset({"read", "write", "support", "admin"})


def base_of(servicer: type, service: str) -> Any:
    """Return the generated class that answers UNIMPLEMENTED."""
    [base] = [kind for kind in servicer.__mro__ if kind.__name__ == f"{service}Servicer"]
    return base


def a_caller(caller: str, scopes: frozenset[str] = frozenset()) -> Identity:
    return Identity(
        caller=caller,
        marketplace_id=uuid.uuid4(),
        principal="key:test",
        role=ROLE_MARKETPLACE,
        scopes=scopes,
    )


def somebody(role: str, *, caller: str) -> Identity:
    """Return a person or an anonymous principal, called by an allowed service."""
    if role == ROLE_SUPPORT:
        return replace(a_caller(caller, EVERY_SCOPE), principal="support:7", role=role)
    if role not in PEOPLE:
        return replace(anonymous(), caller=caller, marketplace_id=uuid.uuid4())
    user_id = uuid.uuid4()
    who = a_caller(caller, EVERY_SCOPE)
    return replace(who, principal=f"user:{user_id}", role=role, user_id=user_id)


async def refusal(call: Any) -> DomainError:
    with pytest.raises(DomainError) as refused:
        await call
    return refused.value


@each_method
async def test_every_rpc_is_implemented(city: City, name: str, method: MethodDescriptor) -> None:
    servicer = type((await city.get(name)).app.binding.servicer)
    generated = base_of(servicer, method.containing_service.name)

    assert getattr(servicer, method.name) is not getattr(generated, method.name)


@pytest.mark.parametrize("name", SERVICES)
async def test_allow_list_matches_the_contract(city: City, name: str) -> None:
    binding = (await city.get(name)).app.binding

    assert set(binding.access) == {method.name for method in SERVICES[name].methods}
    assert all(access.callers for access in binding.access.values())


@each_way
@each_method
async def test_caller_that_is_not_on_the_allow_list_is_refused(
    city: City, name: str, method: MethodDescriptor, way: Way
) -> None:
    client = (await city.get(name)).client(way)
    stranger = a_caller("stranger", EVERY_SCOPE)

    error = await refusal(client.call(method.name, VALID[name][method.name](), who=stranger))

    assert (error.kind, error.reason) == ("PERMISSION_DENIED", "CALLER_NOT_ALLOWED")
    assert city.rows(stranger.marketplace_id) == {}


def billing(**changes: Any) -> Identity:
    """Return the identity of an external caller that was granted one RPC."""
    who = system(caller=BILLING, marketplace_id=uuid.uuid4())
    return replace(who, **({"scopes": frozenset({"read"})} | changes))


@each_way
@each_method
async def test_external_caller_gets_only_what_it_was_granted(
    city: City, name: str, method: MethodDescriptor, way: Way
) -> None:
    client, who = (await city.get(name)).client(way), billing()

    error = await refusal(client.call(method.name, VALID[name][method.name](), who=who))

    is_granted = f"{name}.{method.name}" in GRANT.rpcs
    # A granted RPC is carried out, and then does not find the user.
    expected = (
        ("NOT_FOUND", "USER_NOT_FOUND")
        if is_granted
        else ("PERMISSION_DENIED", "CALLER_NOT_ALLOWED")
    )
    assert (error.kind, error.reason) == expected
    assert city.rows(who.marketplace_id) == {}


@each_way
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"role": ROLE_MARKETPLACE}, "CALLER_NOT_ALLOWED"),
        ({"principal": "key:1"}, "CALLER_NOT_ALLOWED"),
        ({"principal": "operator:alice"}, "CALLER_NOT_ALLOWED"),
        ({"role": ROLE_ADMIN, "user_id": uuid.UUID(int=1)}, "CALLER_NOT_ALLOWED"),
        ({"scopes": frozenset({"read", "write"})}, "INSUFFICIENT_SCOPE"),
        ({"scopes": frozenset()}, "INSUFFICIENT_SCOPE"),
    ],
    ids=["of a marketplace", "a key", "an operator", "an admin", "more scopes", "no scope"],
)
async def test_external_caller_acts_only_for_itself_and_within_its_scopes(
    city: City, way: Way, changes: dict[str, Any], reason: str
) -> None:
    client = (await city.get("ledger")).client(way)
    request = VALID["ledger"]["GetBalance"]()

    error = await refusal(client.call("GetBalance", request, who=billing(**changes)))

    assert (error.kind, error.reason) == ("PERMISSION_DENIED", reason)


@pytest.mark.parametrize("name", SERVICES)
async def test_people_can_call_only_what_the_party_api_needs(city: City, name: str) -> None:
    access = (await city.get(name)).app.binding.access

    for role in PEOPLE:
        admitted = {method for method, line in access.items() if role in line.roles}
        assert admitted == OPEN_TO_PEOPLE[name]
    assert not any(anonymous().role in line.roles for line in access.values())


@pytest.mark.parametrize("name", SERVICES)
async def test_every_rpc_open_to_the_gateway_needs_a_scope(city: City, name: str) -> None:
    access = (await city.get(name)).app.binding.access

    assert not [
        method for method, line in access.items() if CALLER in line.callers and line.scope is None
    ]


@each_way
@pytest.mark.parametrize(("name", "method", "role"), CLOSED, ids=label)
async def test_role_that_is_not_on_the_allow_list_is_refused(
    city: City, name: str, method: MethodDescriptor, role: str, way: Way
) -> None:
    served = await city.get(name)
    who = somebody(role, caller=served.caller(method.name))

    error = await refusal(served.client(way).call(method.name, VALID[name][method.name](), who=who))

    assert (error.kind, error.reason) == ("PERMISSION_DENIED", "CALLER_NOT_ALLOWED")
    assert city.rows(who.marketplace_id) == {}


@each_way
async def test_principal_without_the_scope_is_refused(city: City, way: Way) -> None:
    refused = set()
    for name, method in METHODS:
        served = await city.get(name)
        scope = served.app.binding.access[method.name].scope
        if scope is None:
            continue
        without = a_caller(served.caller(method.name), frozenset({"none"}))
        error = await refusal(
            served.client(way).call(method.name, VALID[name][method.name](), who=without)
        )
        assert (error.kind, error.reason) == ("PERMISSION_DENIED", "INSUFFICIENT_SCOPE")
        assert error.details == {"required_scope": scope, "current_scopes": ["none"]}
        assert city.rows(without.marketplace_id) == {}
        refused.add(method.name)

    assert refused >= {"AssignDispute", "AddEvidence"}
