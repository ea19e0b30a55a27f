"""A second replica of orders with a gateway of its own, beside those of a running stack.

Both orders processes work on the same rows, and neither knows of the other but through them.
"""

import contextlib
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from deploy.local import credentials
from deploy.local.ports import HOST, free_port
from deploy.local.services import Program, grpc_ready, http_ready
from deploy.local.settings import StackSettings, child_environment
from deploy.local.wiring import Wiring
from tests.running_stack import RunningStack


@contextlib.contextmanager
def replica(stack: RunningStack, **settings: str) -> Iterator[str]:
    """Run the two for the block; yields the gateway's URL. settings: of the orders process."""
    wiring, orders_port, port = _wiring(stack), free_port(), free_port()
    health_port = free_port()
    url = f"http://{HOST}:{port}"
    orders = _program(
        stack,
        "orders",
        {
            **wiring.service("orders", network={}),
            "GRPC_PORT": str(orders_port),
            "HEALTH_PORT": str(health_port),
            "METRICS_PORT": "0",
            **settings,
        },
    )
    gateway = _program(
        stack,
        "gateway",
        {
            **wiring.gateway(),
            "GATEWAY_PORT": str(port),
            "METRICS_PORT": "0",
            "ORDERS_ADDRESS": f"{HOST}:{orders_port}",
        },
    )
    orders.ready = grpc_ready(health_port)
    gateway.ready = http_ready(f"{url}/api/v1/health")
    with contextlib.ExitStack() as running:
        for program in (orders, gateway):
            program.start()
            running.callback(program.process.stop)
        for program in (orders, gateway):
            program.wait_ready()
        yield url


@contextlib.contextmanager
def another_gateway(stack: RunningStack, **settings: str) -> Iterator[str]:
    """Run a gateway with settings of its own beside a stack's; yields its URL."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    own = {"GATEWAY_PORT": str(port), "METRICS_PORT": "0"}
    environment = {**gateway_environment(stack), **own, **settings}
    gateway = _program(stack, "gateway", environment)
    gateway.ready = http_ready(f"{url}/api/v1/health")
    gateway.start()
    try:
        gateway.wait_ready()
        yield url
    finally:
        gateway.process.stop()


def gateway_environment(stack: RunningStack) -> dict[str, str]:
    """Return the settings that a stack's gateway runs with."""
    return _wiring(stack).gateway()


def _wiring(stack: RunningStack) -> Wiring:
    document = stack.document
    return Wiring(
        settings=StackSettings(
            run_dir=stack.run_dir,
            port_base=urlsplit(document["url"]).port or 0,
            database_url="",
            nats_url="",
            stellar_rpc_url="",
            environment=child_environment(),
        ),
        credentials=credentials.load(stack.run_dir),
        database_url=document["databaseUrl"],
        nats_url=document["natsUrl"],
    )


def _program(stack: RunningStack, name: str, environment: Mapping[str, str]) -> Program:
    return Program(
        name=f"second-{name}",
        module="gateway" if name == "gateway" else f"services.{name}",
        is_forked=True,
        environment=environment,
        log_folder=stack.run_dir / "logs",
        ready=bool,
    )
