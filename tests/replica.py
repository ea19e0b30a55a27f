"""Second replicas of programs, beside those of a running stack.

Replicas of a program work on the same rows, and know of each other only through these rows.
"""

import contextlib
import sys
from collections.abc import Iterator, Mapping

from bench.checkout import Checkout
from deploy.local import credentials, settings
from deploy.local.ports import HOST, free_port
from deploy.local.services import Program, grpc_ready, http_ready
from deploy.local.stack import chain_settings
from deploy.local.wiring import Wiring
from tests.running_stack import RunningStack


def second(
    stack: RunningStack,
    name: str,
    *,
    port: int,
    more: Mapping[str, str] | None = None,
    is_forked: bool = False,
    checkout: Checkout | None = None,
) -> Program:
    """Make a second replica of a program on its own port; the caller starts the replica.

    more: settings in which it differs from the first one. checkout: whose program it is; None: of
    the code that runs this.
    """
    wiring, health_port = _wiring(stack), free_port()
    if name == "gateway":
        module, ready = name, http_ready(f"http://{HOST}:{port}/api/v1/health")
        own = {**wiring.gateway(), "GATEWAY_PORT": str(port)}
    else:
        module, ready = f"services.{name}", grpc_ready(health_port)
        network = chain_settings(stack.document["devnetUrl"]) if name == "escrow" else {}
        own = {
            **wiring.service(name, network=network),
            "GRPC_PORT": str(port),
            "HEALTH_PORT": str(health_port),
        }
    source = Checkout() if checkout is None else checkout
    return Program(
        name=f"{name}-2",
        module=module,
        environment={**own, "METRICS_PORT": "0", "PYTHONPATH": source.path, **(more or {})},
        log_folder=stack.run_dir / "logs",
        ready=ready,
        is_forked=is_forked,
        folder=source.folder,
        python=sys.executable if checkout is None else checkout.python,
    )


@contextlib.contextmanager
def running(*programs: Program) -> Iterator[None]:
    """Start programs at once, wait until all are ready, and stop them after the block."""
    with contextlib.ExitStack() as opened:
        for program in programs:
            program.start()
            opened.callback(_stop, program)
        for program in programs:
            program.wait_ready()
        yield


def _stop(program: Program) -> None:
    """Stop the program's current process, because the program may have been restarted."""
    program.process.stop(timeout_seconds=60)


@contextlib.contextmanager
def replica(stack: RunningStack, **more: str) -> Iterator[str]:
    """Run a second orders, and a gateway that asks it; yields the gateway's URL.

    more: settings of orders.
    """
    orders_port, port = free_port(), free_port()
    orders = second(stack, "orders", port=orders_port, is_forked=True, more=more)
    asks = {"ORDERS_ADDRESS": f"{HOST}:{orders_port}"}
    gateway = second(stack, "gateway", port=port, is_forked=True, more=asks)
    with running(orders, gateway):
        yield f"http://{HOST}:{port}"


@contextlib.contextmanager
def another_gateway(stack: RunningStack, **more: str) -> Iterator[str]:
    """Run a second gateway; yields its URL. more: settings in which it differs."""
    port = free_port()
    with running(second(stack, "gateway", port=port, is_forked=True, more=more)):
        yield f"http://{HOST}:{port}"


def gateway_environment(stack: RunningStack) -> dict[str, str]:
    """Return the settings that a stack's gateway runs with."""
    return _wiring(stack).gateway()


def _wiring(stack: RunningStack) -> Wiring:
    """Return the settings of each part, made as by the stack itself."""
    return Wiring(
        settings=settings.read(stack.process.command.environment),
        credentials=credentials.load(stack.run_dir),
        database_url=stack.document["databaseUrl"],
        nats_url=stack.document["natsUrl"],
    )
