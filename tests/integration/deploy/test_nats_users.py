"""The users of NATS: each may do what its program does, and a real server refuses the rest."""

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig
from nats.js.errors import BadRequestError

from chassis.bus import Bus, Message, keep_stream, publish_all, stream_config
from chassis.nats_settings import STREAM, SUBJECTS, StreamLimits
from deploy.local.nats import NatsServer
from deploy.local.nats_users import (
    ADMIN,
    DEPOSIT_SUBJECT,
    DEPOSITS,
    GATEWAY,
    HOUSE,
    PUBLISHES,
    READER,
    configuration,
    users,
)
from deploy.local.ports import free_port
from deploy.local.wiring import with_user
from services.ledger.deposits.consumer import SUBJECT
from services.ledger.deposits.service import CONSUMER
from tests.patience import PATIENCE_SECONDS

PASSWORDS = {name: secrets.token_urlsafe(16) for name in HOUSE}
SHOP = "my-shop"
READERS = {SHOP: secrets.token_urlsafe(16)}
EVERYBODY = {**PASSWORDS, **READERS}
READING = (READER, SHOP)
API = "$JS.API"
WAIT_SECONDS = 30
# Subjects that change the stream or its consumers: only for the administrator.
CHANGES = [
    f"{API}.STREAM.{call}.{STREAM}"
    for call in (
        "UPDATE",
        "DELETE",
        "PURGE",
        "MSG.DELETE",
        "SNAPSHOT",
        "RESTORE",
        "LEADER.STEPDOWN",
    )
] + [f"{API}.STREAM.CREATE.ANOTHER", f"{API}.STREAM.DELETE.ANOTHER"]
OF_DEPOSITS = [
    f"{API}.CONSUMER.DELETE.{STREAM}.{DEPOSITS}",
    f"{API}.CONSUMER.PAUSE.{STREAM}.{DEPOSITS}",
    f"{API}.CONSUMER.CREATE.{STREAM}.{DEPOSITS}",
    f"{API}.CONSUMER.CREATE.{STREAM}.{DEPOSITS}.>",
    f"{API}.CONSUMER.DURABLE.CREATE.{STREAM}.{DEPOSITS}",
]
USE_OF_DEPOSITS = [
    f"{API}.CONSUMER.MSG.NEXT.{STREAM}.{DEPOSITS}",
    f"{API}.CONSUMER.CREATE.{STREAM}.{DEPOSITS}.{DEPOSIT_SUBJECT}",
    f"$JS.ACK.{STREAM}.{DEPOSITS}.1.1.1.1.1",
]


class User:
    """A connection, and what the server has refused it."""

    def __init__(self) -> None:
        self.client: Client
        self.refusals: list[str] = []
        self._said = asyncio.Event()

    async def hear(self, error: Exception) -> None:
        self.refusals.append(str(error).lower())
        self._said.set()

    async def is_refused(self, subject: str, body: bytes = b"{}") -> bool:
        """Publish, and tell whether the server refused it; it says so a moment later."""
        await self.client.publish(subject, body, reply=f"{self.inbox}.x")
        await self.client.flush()
        return await self.was_told(f'permissions violation for publish to "{subject.lower()}"')

    async def was_told(self, text: str) -> bool:
        """Tell whether the server refuses something in these words."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                while text not in str(self.refusals):
                    self._said.clear()
                    await self._said.wait()
        return text in str(self.refusals)

    @property
    def inbox(self) -> str:
        return bytes(self.client._inbox_prefix).decode()


@pytest.fixture(scope="module")
def server(session_folder: Path) -> Iterator[NatsServer]:
    """A server with the users of a stack and a reader of a customer's."""
    made = NatsServer(
        home=session_folder / "nats-users",
        port=free_port(),
        log_folder=session_folder / "nats-users",
        users=lambda: users(PASSWORDS, readers=READERS),
    )
    made.start()
    try:
        made.wait_ready()
        yield made
    finally:
        made.stop()


@pytest.fixture(autouse=True)
async def stream(server: NatsServer) -> None:
    """The stream, and the durable consumers of ledger and shop."""
    admin = url(server, ADMIN)
    await keep_stream(admin, limits=StreamLimits())
    async with connected(server, ADMIN) as user:
        context = user.client.jetstream(timeout=PATIENCE_SECONDS)
        for name, subjects in ((DEPOSITS, [DEPOSIT_SUBJECT]), (SHOP, list(SUBJECTS))):
            config = ConsumerConfig(durable_name=name, name=name, filter_subjects=subjects)
            await context.add_consumer(STREAM, config)


def url(server: NatsServer, name: str) -> str:
    return with_user(server.url, name, EVERYBODY[name])


@asynccontextmanager
async def connected(server: NatsServer, name: str) -> AsyncIterator[User]:
    user = User()
    user.client = await nats.connect(
        url(server, name),
        inbox_prefix=f"_INBOX.{name}",
        error_cb=user.hear,
        allow_reconnect=False,
    )
    try:
        yield user
    finally:
        await user.client.close()


async def stored(server: NatsServer) -> int:
    async with connected(server, ADMIN) as user:
        return (
            await user.client.jetstream(timeout=PATIENCE_SECONDS).stream_info(STREAM)
        ).state.messages


@pytest.mark.parametrize(
    "who",
    [{}, {"user": "nobody", "pass": "x"}, {"user": "escrow", "pass": "x"}, {"user": "admin"}],
)
async def test_an_unknown_user_is_refused(server: NatsServer, who: dict[str, str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    said = {"verbose": False, "pedantic": False, "lang": "x", "version": "1", **who}

    assert (await reader.readline()).startswith(b"INFO ")
    writer.write(b"CONNECT " + json.dumps(said).encode() + b"\r\nPING\r\n")
    answer = await asyncio.wait_for(reader.read(), timeout=PATIENCE_SECONDS)
    writer.close()
    await writer.wait_closed()

    assert answer == b"-ERR 'Authorization Violation'\r\n"


async def test_each_service_publishes_its_own_subjects_and_no_others(server: NatsServer) -> None:
    for name, own in PUBLISHES.items():
        before = await stored(server)
        bus = Bus(url=url(server, name), name=name)
        messages = [
            Message(
                subject=one.replace("*", "x"), message_id=f"{name} {one}", headers={}, body=b"{}"
            )
            for one in own
        ]
        assert all(await publish_all(await bus.stream(), messages))
        await bus.close()

        async with connected(server, name) as user:
            foreign = [one for one in SUBJECTS if one not in own]
            for subject in foreign:
                assert await user.is_refused(subject.replace("*", "x")), (name, subject)
            assert await user.is_refused("anything.else")
            assert await user.is_refused("_INBOX.ledger.x")

        assert await stored(server) == before + len(own)


@pytest.mark.parametrize("name", [GATEWAY, *READING])
async def test_readers_cannot_publish(server: NatsServer, name: str) -> None:
    before = await stored(server)

    async with connected(server, name) as user:
        for subject in (*SUBJECTS, "anything.else", "_INBOX.ledger.x"):
            assert await user.is_refused(subject.replace("*", "x")), subject

    assert await stored(server) == before


@pytest.mark.parametrize("name", [name for name in EVERYBODY if name != ADMIN])
async def test_only_the_administrator_changes_the_stream_or_another_consumer(
    server: NatsServer, name: str
) -> None:
    foreign = OF_DEPOSITS if name == "ledger" else [*OF_DEPOSITS, *USE_OF_DEPOSITS]

    async with connected(server, name) as user:
        for subject in (*CHANGES, *foreign):
            assert await user.is_refused(subject), subject

    async with connected(server, ADMIN) as user:
        left = await user.client.jetstream(timeout=PATIENCE_SECONDS).consumers_info(STREAM)
    assert {DEPOSITS, SHOP} <= {found.name for found in left}


@pytest.mark.parametrize("name", READING)
async def test_a_reader_changes_no_consumer_not_even_its_own(server: NatsServer, name: str) -> None:
    calls = [
        f"{API}.CONSUMER.{call}.{STREAM}.{one}"
        for call in ("CREATE", "DURABLE.CREATE", "DELETE", "PAUSE", "UNPIN")
        for one in (name, "another", f"{name}.order.*")
    ]

    async with connected(server, name) as user:
        for subject in (*calls, f"{API}.CONSUMER.CREATE.{STREAM}", f"{API}.STREAM.CREATE.{STREAM}"):
            assert await user.is_refused(subject), subject


@pytest.mark.parametrize("name", [name for name in EVERYBODY if name != ADMIN])
async def test_no_user_can_listen_to_the_answers_of_others(server: NatsServer, name: str) -> None:
    others = [one for one in EVERYBODY if one != name]

    async with connected(server, name) as user:
        for subject in ("_INBOX.>", ">", *(f"_INBOX.{one}.>" for one in others)):
            user.refusals.clear()
            await user.client.subscribe(subject)
            await user.client.flush()
            assert await user.was_told("permissions violation for subscription"), subject


async def test_gateway_cannot_change_the_ledgers_consumer_by_an_unnamed_create(
    server: NatsServer,
) -> None:
    body = {
        "stream_name": STREAM,
        "config": {"name": DEPOSITS, "durable_name": DEPOSITS, "ack_policy": "explicit"},
    }

    async with connected(server, GATEWAY) as user:
        answer = await user.client.request(
            f"{API}.CONSUMER.CREATE.{STREAM}", json.dumps(body).encode(), timeout=PATIENCE_SECONDS
        )
    async with connected(server, ADMIN) as user:
        found = await user.client.jetstream(timeout=PATIENCE_SECONDS).consumer_info(
            STREAM, DEPOSITS
        )

    assert "error" in json.loads(answer.data)
    assert found.config.filter_subjects == [DEPOSIT_SUBJECT]


async def test_reader_reads_with_its_durable_consumer_and_a_live_subscription(
    server: NatsServer,
) -> None:
    async with connected(server, SHOP) as user, connected(server, "orders") as orders:
        live = await user.client.subscribe("order.*")
        await user.client.flush()
        heard = None
        while heard is None:
            # A plain subscription may lose a message: the next one comes.
            await orders.client.jetstream(timeout=PATIENCE_SECONDS).publish("order.told", b"told")
            with contextlib.suppress(nats.errors.TimeoutError):
                heard = await live.next_msg(timeout=WAIT_SECONDS / 10)
        durable = await user.client.jetstream(timeout=PATIENCE_SECONDS).pull_subscribe(
            "order.*", durable=SHOP, stream=STREAM
        )
        read = await _read(durable, until=b"told")

    assert heard.data == b"told"
    assert read[-1] == b"told"
    assert user.refusals == []


async def _read(durable: nats.js.JetStreamContext.PullSubscription, *, until: bytes) -> list[bytes]:
    found: list[bytes] = []
    while until not in found:
        for message in await durable.fetch(64, timeout=PATIENCE_SECONDS):
            await message.ack_sync(timeout=PATIENCE_SECONDS)
            found.append(message.data)
    return found


async def test_a_service_that_may_create_the_stream_cannot_change_an_existing_one(
    server: NatsServer,
) -> None:
    async with connected(server, "orders") as user:
        context = user.client.jetstream(timeout=PATIENCE_SECONDS)
        for other in ({"max_msgs": 1}, {"subjects": ["order.*"]}, {"max_age": 3600}):
            config = replace(stream_config(StreamLimits()), **other)
            with pytest.raises(BadRequestError, match="already in use"):
                await context.add_stream(config)
        found = (await context.stream_info(STREAM)).config

    assert (found.max_msgs, found.subjects, found.max_age) == (-1, list(SUBJECTS), 30 * 86_400)


async def test_a_service_recreates_a_lost_stream_and_the_gateway_does_not(
    server: NatsServer,
) -> None:
    async with connected(server, ADMIN) as user:
        await user.client.jetstream(timeout=PATIENCE_SECONDS).delete_stream(STREAM)
    gateway = Bus(url=url(server, GATEWAY), name=GATEWAY, limits=None)
    with pytest.raises(nats.js.errors.NotFoundError):
        await gateway.stream()

    ledger = Bus(url=url(server, "ledger"), name="ledger")
    await ledger.stream()
    found = await (await gateway.stream()).stream_info(STREAM)

    await gateway.close()
    await ledger.close()
    assert found.config.subjects == list(SUBJECTS)


async def test_a_new_reader_can_connect_after_the_server_reloads_its_users(
    server: NatsServer,
) -> None:
    later = {"later": "pw"}
    server.users = lambda: users(PASSWORDS, readers={**READERS, **later})
    address = with_user(server.url, "later", "pw")
    bus = Bus(url=address, name="later", limits=None)

    server.configure()
    os.kill(server.process.pid, 1)
    client = await bus._connect()  # tries until it is let in

    assert client.is_connected
    await client.close()


def test_only_the_owner_can_read_the_file_of_users(server: NatsServer) -> None:
    assert (server.home / "nats.conf").stat().st_mode & 0o777 == 0o600


def test_the_ledgers_consumer_is_the_one_in_the_permissions() -> None:
    assert (DEPOSITS, DEPOSIT_SUBJECT) == (CONSUMER, SUBJECT)


def test_the_users_for_a_server_of_your_own_name_no_password() -> None:
    variables: Mapping[str, str] = {name: f"$NATS_{name.upper()}" for name in HOUSE}
    text = configuration(users(variables, readers={}))

    assert all(f"password: {variable}" in text for variable in variables.values())
    assert {one for own in PUBLISHES.values() for one in own} == set(SUBJECTS)
