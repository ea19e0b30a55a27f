"""The stack: starts its parts in the order of their dependencies, and stops them."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from nats.errors import Error as NatsError
from psycopg import sql

from chassis.addresses import joined
from chassis.bus import keep_stream
from deploy.local import (
    authority,
    checking,
    credentials,
    forked,
    identities,
    nats_users,
    seed,
    state,
)
from deploy.local.devnet import Devnet, network_info
from deploy.local.nats import NatsServer
from deploy.local.ports import HOST, PortTakenError, is_free
from deploy.local.postgres import NOT_DURABLE, PostgresServer
from deploy.local.process import Command, NotReadyError, Process, python_module
from deploy.local.services import Program, grpc_ready, http_ready
from deploy.local.settings import ROOT, StackSettings
from deploy.local.supervisor import Part, Supervisor
from deploy.local.wiring import SERVICES, Wiring, role_password

# The reverse order of starting. The parts of one group are stopped at the same time.
STOP_ORDER = (
    ("gateway",),
    ("orders",),
    ("ledger", "escrow", "disputes", "webhooks"),
    ("devnet",),
    ("nats",),
    ("postgres",),
)
# Escrow's settings, and the names under which a devnet reports them.
_CHAIN_SETTINGS = {
    "STELLAR_RPC_URL": "rpcUrl",
    "STELLAR_NETWORK_PASSPHRASE": "networkPassphrase",
    "STELLAR_FRIENDBOT_URL": "friendbotUrl",
    "STELLAR_FAUCET_URL": "faucetUrl",
    "USDC_ISSUER": "usdcIssuer",
    "ESCROW_FACTORY_ID": "factoryId",
    "ESCROW_WASM_HASH": "wasmHash",
    "TRUSTLESS_WORK_FEE_ADDRESS": "feeAddress",
    "TRUSTLESS_WORK_URL": "trustlessWorkUrl",
}
# The ports of a killed stack may stay in use for this long, until its children have stopped.
LEFTOVER_SECONDS = 15.0


class Stack:
    """One stack. Call `start()`, then `watch()` repeatedly, then `stop()`."""

    def __init__(self, settings: StackSettings, *, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._logs = settings.run_dir / "logs"
        self._credentials = credentials.load(settings.run_dir)
        identities.keep(settings.run_dir)
        authority.keep(settings.run_dir)
        self._postgres = PostgresServer(
            home=settings.run_dir / "postgres",
            port=settings.port("postgres"),
            log_folder=self._logs,
            options=() if settings.has_fsync else NOT_DURABLE,
        )
        self._nats = NatsServer(
            home=settings.run_dir / "nats",
            port=settings.port("nats"),
            monitor_port=settings.port("monitor"),
            log_folder=self._logs,
            users=self._nats_users,
            tls=authority.files(settings.run_dir, "nats"),
        )
        self._wiring = Wiring(
            settings=settings,
            credentials=self._credentials,
            database_url=settings.database_url or self._postgres.url(),
            nats_url=settings.nats_url or self._nats.url,
        )
        self._devnet = Devnet(
            home=settings.run_dir / "devnet",
            port=settings.port("devnet"),
            log_folder=self._logs,
            environment=self._wiring.devnet(),
            is_forked=settings.has_forks,
        )
        self._supervisor = Supervisor(
            say=say,
            changed=self._publish,
            last_pause_seconds=settings.restart_pause_seconds,
            log_bytes=settings.log_bytes,
        )
        self._document: dict[str, Any] = {}

    def start(self) -> Mapping[str, Any]:
        """Start everything; returns the content of stack.json.

        Raises: PortTakenError; NotReadyError: a part ended or hangs. Other parts still run: call
            stop().
        """
        if self._settings.has_forks:
            forked.prepare()
        self._check_settings()
        self._check_ports()
        self._start_foundations()
        network = self._prepare()
        programs = self._start_programs(network)
        # Done while the programs start.
        self._make_api_keys()
        self._wait_for(programs)
        self._document = self._describe(network)
        self._publish()
        return self._document

    def watch(self) -> None:
        """Restart parts that have ended, and wait until the next look is due."""
        self._supervisor.look()
        self._supervisor.wait()

    def stop(self) -> dict[str, int]:
        """Stop all parts in the reverse order of starting; returns exit codes by part."""
        state.remove(self._settings.run_dir)
        return self._supervisor.stop(STOP_ORDER)

    def _embedded(self) -> dict[str, tuple[str, ...]]:
        """The ports of the embedded parts, by part."""
        replaced = {
            "postgres": self._settings.database_url,
            "nats": self._settings.nats_url,
            "devnet": self._settings.stellar_rpc_url,
        }
        ports: dict[str, tuple[str, ...]] = {
            name: (name, f"{name}-health", f"{name}-metrics") for name in SERVICES
        }
        ports["gateway"] = ("gateway", "gateway-metrics")
        ports["nats"] = ("nats", "monitor")
        names = ("gateway", *SERVICES, "devnet", "postgres", "nats")
        return {name: ports.get(name, (name,)) for name in names if not replaced.get(name)}

    def _check_settings(self) -> None:
        has_devnet = not self._settings.stellar_rpc_url
        network = {"STELLAR_RPC_URL": self._settings.stellar_rpc_url}
        checking.check(
            self._wiring,
            network=checking.TOLD_LATER if has_devnet else network,
            has_devnet=has_devnet,
        )

    def _check_ports(self) -> None:
        patience = LEFTOVER_SECONDS if state.was_killed(self._settings.run_dir) else 0
        deadline = time.monotonic() + patience
        for ports in self._embedded().values():
            for name in ports:
                while not is_free(self._settings.port(name)):
                    if time.monotonic() > deadline:
                        raise PortTakenError(self._settings.port(name), name)
                    time.sleep(0.1)
        state.remove(self._settings.run_dir)

    def _start_foundations(self) -> None:
        """Start NATS and PostgreSQL, then devnet: its fork waits until the code is imported."""
        embedded = self._embedded()
        parts: dict[str, Part] = {
            "nats": self._nats,
            "postgres": self._postgres,
            "devnet": self._devnet,
        }
        for name, part in parts.items():
            if name in embedded:
                part.start()
                self._supervisor.add(name, part)
        if "postgres" in embedded:
            with self._reported("postgres"):
                self._postgres.wait_ready()

    def _prepare(self) -> dict[str, str]:
        """Migrate the database while NATS and devnet start; returns the settings of the chain."""
        command = Command(
            name="migrations",
            argv=python_module("chassis.migrations"),
            environment=self._wiring.migrations(),
            folder=ROOT,
            is_forked=self._settings.has_forks,
        )
        migrations = Process(command, self._logs / "migrations.log")
        embedded = self._embedded()
        if "nats" in embedded:
            with self._reported("nats"):
                self._nats.wait_ready()
                self._keep_stream()
        # For a network elsewhere, the other settings are in the environment.
        network = {"STELLAR_RPC_URL": self._settings.stellar_rpc_url}
        if "devnet" in embedded:
            with self._reported("devnet"):
                self._devnet.wait_ready()
            network = chain_settings(self._devnet.url)
        with self._reported("migrations"):
            migrations.wait_until(lambda: migrations.exit_code() == 0, timeout_seconds=120)
        self._give_passwords()
        return network

    def _nats_users(self) -> Sequence[nats_users.NatsUser]:
        readers = credentials.readers(self._settings.run_dir)
        return nats_users.users(self._credentials.nats, readers=readers)

    def _nats_authority(self) -> Path | None:
        """Return the authority of NATS' certificate, a file; None: the system's authorities."""
        given = self._settings.environment.get("NATS_CA_FILE")
        if self._settings.nats_url:
            return Path(given) if given else None
        return authority.files(self._settings.run_dir, "nats").authority

    def _keep_stream(self) -> None:
        """Set the limits of the stream from the settings; services may only create the stream."""
        url, limits = self._wiring.nats_url(nats_users.ADMIN), self._settings.stream_limits
        try:
            asyncio.run(keep_stream(url, limits=limits, authority=self._nats_authority()))
        except (NatsError, OSError, TimeoutError) as error:
            raise NotReadyError("nats", None, f"it refused the stream: {error}") from error

    def _give_passwords(self) -> None:
        """Set the passwords of the services' roles, if the server requires passwords."""
        if role_password(self._settings.database_url, "") is None:
            return
        with psycopg.connect(self._settings.database_url, autocommit=True) as connection:
            for role in (*SERVICES, "gateway"):
                password = role_password(self._settings.database_url, role)
                if f"{role.upper()}_DATABASE_URL" not in self._settings.environment:
                    statement = sql.SQL("alter role {} password {}")
                    connection.execute(
                        statement.format(sql.Identifier(role), sql.Literal(password))
                    )

    def _start_programs(self, network: Mapping[str, str]) -> list[Program]:
        programs = [self._service(name, network) for name in SERVICES]
        programs.append(
            Program(
                name="gateway",
                module="gateway",
                environment=self._wiring.gateway(),
                log_folder=self._logs,
                ready=http_ready(f"{self.url}/api/v1/health"),
                is_forked=self._settings.has_forks,
            )
        )
        for program in programs:
            program.start()
            self._supervisor.add(program.name, program)
        return programs

    def _wait_for(self, programs: Sequence[Program]) -> None:
        for program in programs:
            with self._reported(program.name):
                program.wait_ready()

    def _service(self, name: str, network: Mapping[str, str]) -> Program:
        return Program(
            name=name,
            module=f"services.{name}",
            environment=self._wiring.service(name, network=network),
            log_folder=self._logs,
            ready=grpc_ready(self._settings.port(f"{name}-health")),
            is_forked=self._settings.has_forks,
        )

    def _make_api_keys(self) -> None:
        """Create the demo marketplace's keys, unless this database has them already."""
        settings = self._wiring.gateway()

        def key(known: str, environment: str) -> str:
            if known and seed.is_known(known, settings=settings):
                return known
            forked = self._settings.has_forks
            return seed.make_api_key(settings, environment=environment, is_forked=forked)

        before = self._credentials
        with ThreadPoolExecutor() as both:
            live = both.submit(key, before.api_key, seed.LIVE)
            test = both.submit(key, before.test_key, seed.TEST)
        self._credentials = credentials.remember_keys(
            self._settings.run_dir,
            credentials=before,
            api_key=live.result(),
            test_key=test.result(),
        )

    @property
    def url(self) -> str:
        """The gateway's URL."""
        given = self._settings.environment.get("GATEWAY_HOST", HOST).strip("[]")
        host = HOST if given in {"::", "0.0.0.0"} else given  # noqa: S104 - it is not bound here
        return f"http://{joined(host, self._settings.port('gateway'))}"

    def _describe(self, network: Mapping[str, str]) -> dict[str, Any]:
        embedded = self._embedded()
        chain = {**self._settings.environment, **network}
        return {
            "url": self.url,
            "docsUrl": f"{self.url}/docs",
            "apiKey": self._credentials.api_key,
            "testKey": self._credentials.test_key,
            **self._wiring.tokens(),
            "natsUrl": self._wiring.nats_url(nats_users.READER),
            "natsCaFile": str(self._nats_authority() or ""),
            "natsAdminUrl": self._wiring.nats_url(nats_users.ADMIN),
            "rpcUrl": chain.get("STELLAR_RPC_URL"),
            "networkPassphrase": chain.get("STELLAR_NETWORK_PASSPHRASE"),
            "usdcIssuer": chain.get("USDC_ISSUER"),
            "faucetUrl": chain.get("STELLAR_FAUCET_URL"),
            "devnetUrl": self._devnet.url if "devnet" in embedded else None,
            "databaseUrl": self._settings.database_url or self._postgres.url(),
            "services": {name: f"{HOST}:{self._settings.port(name)}" for name in SERVICES},
            "metrics": {
                name: f"http://{HOST}:{self._settings.port(f'{name}-metrics')}/metrics"
                for name in ("gateway", *SERVICES)
            },
            "logs": str(self._logs),
        }

    def _publish(self) -> None:
        """Write stack.json, after everything is ready."""
        if self._document:
            document = {**self._document, "pids": self._supervisor.pids()}
            state.write(self._settings.run_dir, document)

    @contextmanager
    def _reported(self, name: str) -> Iterator[None]:
        self._say(f"{name:<11} starting")
        started = time.monotonic()
        yield
        self._say(f"{name:<11} ready after {time.monotonic() - started:.1f} s")


def chain_settings(url: str) -> dict[str, str]:
    """Return escrow's settings for the network of a devnet.

    Raises: NotReadyError: the devnet does not report its network.
    """
    info = network_info(url)
    if not info:
        raise NotReadyError("devnet", None, f"{url}/network-info does not answer")
    return {name: str(info[key]) for name, key in _CHAIN_SETTINGS.items()}
