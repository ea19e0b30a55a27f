"""The contracts of the five services, as lists for generated tests."""

from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from orchestrator.disputes.v1 import disputes_pb2, disputes_pb2_grpc
from orchestrator.escrow.v1 import escrow_pb2, escrow_pb2_grpc
from orchestrator.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from orchestrator.orders.v1 import orders_pb2, orders_pb2_grpc
from orchestrator.webhooks.v1 import webhooks_pb2, webhooks_pb2_grpc

SERVICES: dict[str, ServiceDescriptor] = {
    "ledger": ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"],
    "escrow": escrow_pb2.DESCRIPTOR.services_by_name["EscrowService"],
    "disputes": disputes_pb2.DESCRIPTOR.services_by_name["DisputesService"],
    "orders": orders_pb2.DESCRIPTOR.services_by_name["OrdersService"],
    "webhooks": webhooks_pb2.DESCRIPTOR.services_by_name["WebhooksService"],
}
STUBS: dict[str, Any] = {
    "ledger": ledger_pb2_grpc.LedgerServiceStub,
    "escrow": escrow_pb2_grpc.EscrowServiceStub,
    "disputes": disputes_pb2_grpc.DisputesServiceStub,
    "orders": orders_pb2_grpc.OrdersServiceStub,
    "webhooks": webhooks_pb2_grpc.WebhooksServiceStub,
}
METHODS: list[tuple[str, MethodDescriptor]] = [
    (name, method) for name, service in SERVICES.items() for method in service.methods
]
MUTATING: list[tuple[str, MethodDescriptor]] = [
    (name, method) for name, method in METHODS if "request_id" in method.input_type.fields_by_name
]


def label(value: Any) -> str | None:
    """Name a parameter in a test's id."""
    return value.name if isinstance(value, MethodDescriptor) else None
