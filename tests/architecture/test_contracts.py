"""Contracts and code say the same.

Every RPC has its method and its line in the allow-list, and every enum on the wire has the members
of its twin in the code.
"""

import enum
import importlib
from types import ModuleType
from typing import Any

import pytest
from google.protobuf.descriptor import EnumDescriptor, ServiceDescriptor

SERVICES = ("orders", "ledger", "escrow", "disputes", "webhooks")
# The modules of a service that define enums of the wire.
MODULES = (
    "domain",
    "order.domain",
    "lookups.filters",
    "people.users",
    "ports",
    "intents",
    "sending.flows",
    "operating.network",
    "talk.domain",
)
# Enums of the wire whose twin has another name in the code.
OTHER_NAMES = {
    "OrderState": "State",
    "OrderSort": "Sort",
    "DisputeDecision": "Decision",
    "FlowChangeKind": "Change",
    "DeliveryStatus": "State",
}


def contract(service: str) -> Any:
    return importlib.import_module(f"orchestrator.{service}.v1.{service}_pb2").DESCRIPTOR


def service_of(service: str) -> ServiceDescriptor:
    found: ServiceDescriptor
    (found,) = contract(service).services_by_name.values()
    return found


def rpcs() -> list[tuple[str, str]]:
    return [(name, method.name) for name in SERVICES for method in service_of(name).methods]


def servicer(service: str) -> ModuleType:
    return importlib.import_module(f"services.{service}.servicer")


@pytest.mark.parametrize(("service", "rpc"), rpcs())
def test_every_rpc_is_implemented_and_on_the_allow_list(service: str, rpc: str) -> None:
    generated = importlib.import_module(f"orchestrator.{service}.v1.{service}_pb2_grpc")
    promised = getattr(generated, f"{service_of(service).name}Servicer")
    written = [
        cls
        for cls in vars(servicer(service)).values()
        if isinstance(cls, type) and issubclass(cls, promised) and cls is not promised
    ]

    assert len(written) == 1
    assert getattr(written[0], rpc) is not getattr(promised, rpc)
    assert rpc in servicer(service).ACCESS


@pytest.mark.parametrize("service", SERVICES)
def test_the_allow_list_names_no_rpc_that_is_gone(service: str) -> None:
    assert set(servicer(service).ACCESS) <= {method.name for method in service_of(service).methods}


@pytest.mark.parametrize("service", SERVICES)
def test_every_line_of_an_allow_list_admits_a_caller(service: str) -> None:
    for rpc, access in servicer(service).ACCESS.items():
        assert access.callers, rpc


def enums() -> list[tuple[str, str]]:
    return [(name, found) for name in SERVICES for found in contract(name).enum_types_by_name]


def members(wire: EnumDescriptor) -> set[str]:
    """The values of an enum without their prefix and without UNSPECIFIED."""
    prefix = wire.values[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix) for value in wire.values[1:]}


def twin(service: str, name: str) -> type[enum.Enum] | None:
    """The enum of the code that means the same, wherever the service defines it."""
    for module in MODULES:
        try:
            room = importlib.import_module(f"services.{service}.{module}")
        except ModuleNotFoundError:
            continue
        found = getattr(room, name, None) or getattr(room, OTHER_NAMES.get(name, name), None)
        if isinstance(found, type) and issubclass(found, enum.Enum):
            return found
    return None


@pytest.mark.parametrize(("service", "name"), enums())
def test_an_enum_of_the_wire_has_the_members_of_its_twin(service: str, name: str) -> None:
    found = twin(service, name)

    assert found is not None, f"{name} has no twin in services/{service}"
    assert members(contract(service).enum_types_by_name[name]) == set(found.__members__)
