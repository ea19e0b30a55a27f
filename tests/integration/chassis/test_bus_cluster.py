"""A cluster of three NATS servers: each keeps the whole stream, and one of them may be lost."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.errors import Error as NatsError

from chassis.bus import Bus, Message, keep_stream, publish_all
from chassis.nats_settings import STREAM, StreamLimits
from deploy.local.nats import executable
from deploy.local.ports import HOST, free_port, greeting
from deploy.local.process import Command, Process
from tests.patience import PATIENCE_SECONDS, pauses

_CONFIGURATION = """\
listen: "{host}:{port}"
server_name: "{name}"
jetstream {{ store_dir: "{store}" }}
cluster {{
  name: events
  listen: "{host}:{inner}"
  routes: [{routes}]
}}
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[int, Process]]:
    """Three servers by their ports."""
    ports, inner = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
    routes = ", ".join(f'"nats://{HOST}:{port}"' for port in inner)
    running: dict[int, Process] = {}
    for number, (port, route) in enumerate(zip(ports, inner, strict=True)):
        path = tmp_path / f"nats-{number}.conf"
        path.write_text(
            _CONFIGURATION.format(
                host=HOST,
                port=port,
                name=f"nats-{number}",
                store=tmp_path / f"store-{number}",
                inner=route,
                routes=routes,
            )
        )
        command = Command(
            name=f"nats-{number}",
            argv=[executable(), "-c", str(path)],
            environment={"PATH": os.defpath},
        )
        running[port] = Process(command, tmp_path / f"nats-{number}.log")
    for port, process in running.items():
        process.wait_until(lambda at=port: greeting(at).startswith(b"INFO "))  # type: ignore[misc]
    yield running
    for process in running.values():
        process.kill()


async def kept(url: str, limits: StreamLimits) -> None:
    """Make the stream as soon as the servers have found each other."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for pause in pauses():
            try:
                await keep_stream(url, limits=limits)
            except (NatsError, OSError, TimeoutError):
                await asyncio.sleep(pause)
            else:
                return


@pytest.mark.slow
async def test_acknowledged_events_survive_the_loss_of_the_leader(
    cluster: dict[int, Process],
) -> None:
    url = ",".join(f"nats://{HOST}:{port}" for port in cluster)
    await kept(url, StreamLimits(replicas=3))
    bus = Bus(url=url, name="test", limits=None)
    context = await bus.stream()
    messages = [
        Message(subject="order.created", message_id=f"evt_{n}", headers={}, body=b"{}")
        for n in range(20)
    ]
    assert all(await publish_all(context, messages))
    before = await context.stream_info(STREAM)
    assert before.config.num_replicas == 3
    assert before.cluster is not None

    leader = str(before.cluster.leader)
    list(cluster.values())[int(leader[-1])].kill()

    async with asyncio.timeout(PATIENCE_SECONDS):
        for pause in pauses():
            try:
                again = await (await bus.stream()).stream_info(STREAM)
            except (NatsError, OSError, TimeoutError):
                await asyncio.sleep(pause)
                continue
            if again.cluster is not None and again.cluster.leader not in {None, leader}:
                break
            await asyncio.sleep(pause)
    assert again.state.messages == 20
    more = [Message(subject="order.created", message_id="evt_x", headers={}, body=b"{}")]
    assert all(await publish_all(await bus.stream(), more))
    await bus.close()
