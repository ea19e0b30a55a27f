"""Guarded HTTP: only checked addresses, no redirects, no proxies, a time limit, 2 KiB."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from deploy.local import authority
from deploy.local.ports import free_port
from services.webhooks import addresses, outgoing
from services.webhooks.addresses import Rules
from services.webhooks.domain import ANSWER_BYTES, Trouble
from services.webhooks.outgoing import Names, Outgoing

from .conftest import Received, Receiver, never

DEV = Rules(allows_loopback=True)
HEADERS = {"webhook-id": "evt_1"}


class Resolver:
    """Answers with one list of addresses after the other, and counts the questions."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def test_name_that_changes_from_a_public_to_a_private_address_is_not_reached(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(receiver.url.rpartition(":")[2].partition("/")[0])
    monkeypatch.setattr(addresses, "PORTS", (port,))
    # The first answer stands for a public address; the check is asked about each.
    resolve = Resolver(["127.0.0.1"], ["10.0.0.1"], ["127.0.0.2"], ["8.8.8.8", "169.254.169.254"])
    allowed = {"127.0.0.1"}
    monkeypatch.setattr(
        addresses, "is_allowed", lambda address, _rules: str(address) in allowed | {"8.8.8.8"}
    )
    sending = Outgoing(Rules(), resolve=resolve)
    url = f"https://rebinding.example:{port}/"
    outcomes = [await sending.post(url, body=b"{}", headers=HEADERS) for _ in range(4)]
    await sending.close()
    # The receiver speaks no TLS: it was connected to, and nothing more.
    assert outcomes[0].trouble is Trouble.CONNECTION_FAILED
    assert {one.trouble for one in outcomes[1:]} == {Trouble.ADDRESS_NOT_ALLOWED}
    assert resolve.asked == ["rebinding.example"] * 4
    assert receiver.received == []


async def test_unanswered_dns_lookups_delay_no_other_event(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "NAME_SECONDS", 0.5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        names = Names([f"127.0.0.1:{silent.getsockname()[1]}"])
        sending = Outgoing(DEV, resolve=names.resolved)
        waiting = [
            asyncio.create_task(
                sending.post(f"https://shop{number}.example/", body=b"{}", headers=HEADERS)
            )
            for number in range(100)
        ]
        await asyncio.to_thread(silent.recv, 1)
        outcome = await sending.post(receiver.url, body=b"{}", headers=HEADERS)
        undecided = [one for one in waiting if not one.done()]
        outcomes = await asyncio.gather(*waiting)
        await sending.close()
        await names.close()

    assert outcome.status == 200
    assert len(undecided) == len(waiting)
    assert {one.trouble for one in outcomes} == {Trouble.TIMEOUT}


async def test_hosts_file_is_used(receiver: Receiver) -> None:
    sending = Outgoing(DEV)
    url = receiver.url.replace("127.0.0.1", "localhost")

    outcome = await sending.post(url, body=b"{}", headers=HEADERS)
    unknown = await sending.post("https://shop.invalid/", body=b"{}", headers=HEADERS)
    await sending.close()

    assert outcome.status == 200
    assert unknown.trouble is Trouble.NAME_NOT_RESOLVED


@pytest.mark.parametrize(
    "found",
    [
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a9fe:a9fe"],
        ["2002:7f00:1::"],
        ["8.8.8.8", "192.168.0.1"],
        ["fe80::1"],
    ],
)
async def test_a_name_of_an_address_that_is_not_public_is_not_connected_to(
    found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connected(*_: object) -> None:
        raise AssertionError("it was connected to")

    monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", connected)
    sending = Outgoing(Rules(), resolve=Resolver(found))
    outcome = await sending.post("https://innocent.example/", body=b"{}", headers=HEADERS)
    await sending.close()
    assert outcome.trouble is Trouble.ADDRESS_NOT_ALLOWED


async def test_the_connection_goes_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached: list[str] = []

    async def connected(_self: object, host: str, *_: object) -> None:
        reached.append(host)
        raise OSError("no further")

    monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", connected)
    sending = Outgoing(Rules(), resolve=Resolver(["93.184.215.14"], ["10.0.0.1"]))
    outcome = await sending.post("https://a.example/", body=b"{}", headers=HEADERS)
    await sending.close()
    assert reached == ["93.184.215.14"]
    assert outcome.trouble is Trouble.CONNECTION_FAILED


async def test_tls_and_host_header_use_the_name(tmp_path: Path) -> None:
    made, _ = authority.Authority.new()
    pair = made.issue("localhost")
    certificate, key = tmp_path / "a.crt", tmp_path / "a.key"
    certificate.write_text(pair.certificate)
    key.write_text(pair.key)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate, key)
    hosts: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        hosts.append(request.headers["Host"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/", answer)
    runner, port = web.AppRunner(app, shutdown_timeout=0.1), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=serving).start()
    trusted = ssl.create_default_context(cadata=made.certificate)
    sending = Outgoing(DEV, resolve=Resolver(["127.0.0.1"]), trusted=trusted)
    try:
        right = await sending.post(f"https://localhost:{port}/", body=b"{}", headers=HEADERS)
        wrong = await sending.post(f"https://a.localhost:{port}/", body=b"{}", headers=HEADERS)
    finally:
        await sending.close()
        await runner.cleanup()
    assert (right.status, right.trouble) == (200, None)
    assert wrong.trouble is Trouble.CONNECTION_FAILED
    assert hosts == [f"localhost:{port}"]


async def test_a_receiver_that_does_not_answer_is_given_up(receiver: Receiver) -> None:
    receiver.answer = never
    sending = Outgoing(DEV, seconds=0.2)
    outcome = await sending.post(receiver.url, body=b"{}", headers=HEADERS)
    await sending.close()
    assert outcome.trouble is Trouble.TIMEOUT
    assert outgoing.SECONDS == 10


async def test_an_answer_without_an_end_is_read_to_two_kilobytes(receiver: Receiver) -> None:
    async def endless(_: Received) -> web.Response:
        return web.Response(body=drip())

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0)

    receiver.answer = endless
    sending = Outgoing(DEV)
    outcome = await sending.post(receiver.url, body=b"{}", headers=HEADERS)
    await sending.close()
    assert outcome.trouble is None
    assert outcome.answer == "x" * ANSWER_BYTES


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    async def elsewhere(_: Received) -> web.Response:
        return web.Response(status=307, headers={"Location": receiver.url + "/elsewhere"})

    receiver.answer = elsewhere
    sending = Outgoing(DEV)
    outcome = await sending.post(receiver.url, body=b"{}", headers=HEADERS)
    await sending.close()
    assert (outcome.status, outcome.trouble) == (307, Trouble.REDIRECTED)
    assert len(receiver.received) == 1


async def test_a_proxy_of_the_environment_is_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    sending = Outgoing(DEV)
    outcome = await sending.post(receiver.url, body=b"{}", headers=HEADERS)
    await sending.close()
    assert outcome.trouble is None


async def test_every_answer_of_a_receiver_can_be_stored(receiver: Receiver) -> None:
    async def strange(_: Received) -> web.Response:
        return web.Response(body=b"a\x00b\xff")

    receiver.answer = strange
    sending = Outgoing(DEV)
    outcome = await sending.post(receiver.url, body=b"{}", headers=HEADERS)
    await sending.close()
    assert outcome.answer == "a\ufffdb\ufffd"


async def test_an_address_of_the_operators_own_network_is_not_reached() -> None:
    closed = Rules(closed=(ipaddress.ip_network("8.8.8.0/24"),))
    sending = Outgoing(closed, resolve=Resolver(["8.8.8.8"]))
    outcome = await sending.post("https://a.example/", body=b"{}", headers=HEADERS)
    await sending.close()
    assert outcome.trouble is Trouble.ADDRESS_NOT_ALLOWED
