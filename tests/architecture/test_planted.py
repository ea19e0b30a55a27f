"""The checks work: one violation of each kind is planted, and each is found and named.

The imports are planted one at a time in a copy of the tree; the rules of the house in a few lines
of source each.
"""

import pathlib
import shutil
from collections.abc import Iterator

import pytest

from deploy.local.settings import ROOT
from tests.architecture.covered import COVERED
from tests.architecture.layers import lint
from tests.architecture.tidy import python_findings, text_findings

PACKAGES = ("services", "gateway", "chassis", "kernel", "devnet", "deploy", "client", "gen")

# file, what is planted in it, what the linter must say.
ILLEGAL = [
    ("services/orders/order/domain.py", "import sqlalchemy", "orders.order.domain -> sqlalchemy"),
    ("services/ledger/domain.py", "import time", "ledger.domain -> time"),
    ("services/escrow/domain.py", "import chassis.bus", "escrow.domain -> chassis.bus"),
    ("services/orders/service.py", "import services.ledger.domain", "-> services.ledger.domain"),
    ("services/orders/service.py", "import google.protobuf", "orders.service -> google"),
    (
        "services/disputes/service.py",
        "import orchestrator.disputes.v1.disputes_pb2",
        "disputes.service -> orchestrator.disputes.v1.disputes_pb2",
    ),
    (
        "services/disputes/servicer.py",
        "import services.disputes.store",
        "disputes.servicer -> services.disputes.store",
    ),
    ("services/disputes/app.py", "import stellar_sdk", "disputes.app -> stellar_sdk"),
    ("services/disputes/service.py", "import sqlalchemy", "disputes.service -> sqlalchemy"),
    ("services/escrow/servicer.py", "import psycopg", "escrow.servicer -> psycopg"),
    (
        "services/escrow/stellar/addresses.py",
        "import services.escrow.stellar.envelope",
        "stellar.addresses -> services.escrow.stellar.envelope",
    ),
    (
        "services/escrow/sending/channels.py",
        "import services.escrow.sending.sender",
        "sending.channels -> services.escrow.sending.sender",
    ),
    ("services/ledger/service.py", "import nats", "ledger.service -> nats"),
    ("client/exchange.py", "import kernel.ids", "client.exchange -> kernel.ids"),
    ("services/orders/app.py", "import devnet.app", "orders.app -> devnet.app"),
    ("services/orders/app.py", "import gateway.app", "orders.app -> gateway.app"),
    ("services/disputes/domain.py", "import services.disputes.store", "disputes.store"),
    ("services/disputes/store.py", "import services.disputes.service", "disputes.service"),
    ("services/webhooks/store.py", "import services.webhooks.service", "webhooks.service"),
    ("services/webhooks/addresses.py", "import socket", "webhooks.addresses -> socket"),
    (
        "chassis/relay.py",
        "import services.orders.order.domain",
        "relay -> services.orders.order.domain",
    ),
    ("chassis/telemetry.py", "import chassis.server", "telemetry -> chassis.server"),
    ("chassis/server.py", "import chassis.runner", "server -> chassis.runner"),
    ("kernel/money.py", "import chassis.telemetry", "kernel.money -> chassis.telemetry"),
    ("kernel/errors.py", "import kernel.money", "kernel.errors -> kernel.money"),
    ("kernel/ids.py", "import pydantic", "kernel.ids -> pydantic"),
    ("gateway/backends.py", "import sqlalchemy", "gateway.backends -> sqlalchemy"),
    ("gateway/marketplace/shapes.py", "import grpc", "marketplace.shapes -> grpc"),
    ("gateway/marketplace/order.py", "import gateway.call", "order -> gateway.call"),
    ("gateway/party/order.py", "import gateway.keys", "party.order -> gateway.keys"),
    ("gateway/models.py", "import starlette.requests", "gateway.models -> starlette"),
    ("gateway/party/actions.py", "import grpc", "party.actions -> grpc"),
    (
        "gateway/backends.py",
        "import services.orders.order.domain",
        "-> services.orders.order.domain",
    ),
    ("devnet/app.py", "import services.escrow.domain", "devnet.app -> services.escrow.domain"),
    ("devnet/app.py", "import kernel.money", "devnet.app -> kernel.money"),
    ("services/disputes/parties.py", "import asyncio", "disputes.parties -> asyncio"),
    ("services/ledger/trouble.py", "import psycopg", "ledger.trouble -> psycopg"),
    ("gateway/keys.py", "import psycopg", "gateway.keys -> psycopg"),
    ("services/ledger/batch.py", "import chassis.wire", "ledger.batch -> chassis.wire"),
    ("services/ledger/book.py", "import random", "ledger.book -> random"),
    ("services/ledger/corrections/domain.py", "import time", "corrections.domain -> time"),
    ("services/ledger/corrections/service.py", "import grpc", "corrections.service -> grpc"),
    ("services/ledger/corrections/store.py", "import grpc", "corrections.store -> grpc"),
    ("services/ledger/deposits/domain.py", "import chassis.inbox", "deposits.domain -> chassis"),
    ("services/ledger/invariants.py", "import grpc", "ledger.invariants -> grpc"),
    ("services/ledger/queries.py", "import chassis.wire", "ledger.queries -> chassis.wire"),
    ("services/ledger/statement.py", "import logging", "ledger.statement -> logging"),
    ("services/ledger/servicer.py", "import services.ledger.invariants", "ledger.invariants"),
    ("services/ledger/servicer.py", "import services.ledger.deposits.store", "deposits.store"),
    ("services/ledger/deposits/consumer.py", "import chassis.database", "-> chassis.database"),
    ("services/ledger/deposits/wire.py", "import services.ledger.tables", "-> services.ledger.tab"),
    ("services/orders/offers/offer.py", "import time", "offers.offer -> time"),
    ("services/orders/withdrawals/rules.py", "import services.orders.withdrawals.store", "-> serv"),
    ("services/orders/offers/wire.py", "import services.orders.offers.store", "offers.store"),
    ("services/orders/offers/store.py", "import services.orders.offers.service", "offers.service"),
    ("services/orders/calls.py", "import services.orders.order.store", "calls -> services.orders"),
    ("services/ledger/deposits/store.py", "import services.ledger.deposits.service", "-> services"),
    ("services/ledger/wire.py", "import services.ledger.queries", "ledger.wire -> services.ledger"),
    ("services/disputes/wire.py", "import services.disputes.store", "wire -> services.disputes.st"),
    ("services/disputes/rulings.py", "import time", "disputes.rulings -> time"),
    ("services/orders/withdrawals/wire.py", "import services.orders.withdrawals.store", "-> serv"),
    ("services/ledger/servicer.py", "import services.ledger.queries", "ledger.queries"),
]
# A file, or a whole service, that no layer names.
UNLISTED = [
    ("services/orders/extras.py", "extras"),
    ("services/orders/order/extras.py", "extras"),
    ("services/orders/operations/extras.py", "extras"),
    ("services/orders/offers/extras.py", "extras"),
    ("services/orders/funds/extras.py", "extras"),
    ("services/orders/people/extras.py", "extras"),
    ("services/orders/peers/extras.py", "extras"),
    ("services/orders/reconciliation/extras.py", "extras"),
    ("services/orders/withdrawals/extras.py", "extras"),
    ("services/ledger/extras.py", "extras"),
    ("services/ledger/corrections/extras.py", "extras"),
    ("services/ledger/deposits/extras.py", "extras"),
    ("services/escrow/extras.py", "extras"),
    ("services/escrow/contracts/extras.py", "extras"),
    ("services/escrow/operating/extras.py", "extras"),
    ("services/escrow/sending/extras.py", "extras"),
    ("services/escrow/wallets/extras.py", "extras"),
    ("services/disputes/extras.py", "extras"),
    ("services/webhooks/extras.py", "extras"),
    ("chassis/extras.py", "extras"),
    ("kernel/extras.py", "extras"),
    ("gateway/extras.py", "extras"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A copy of the project's packages, sources only, with the contracts."""
    copy = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        for source in (ROOT / package).rglob("*.py"):
            target = copy / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    shutil.copyfile(ROOT / "pyproject.toml", copy / "pyproject.toml")
    return copy


@pytest.fixture
def plant(tree: pathlib.Path) -> Iterator["Plant"]:
    """Adds a line to a file of the copy, and removes it after the test."""
    planting = Plant(tree)
    yield planting
    planting.weed()


class Plant:
    """Changes files of the copy, and remembers their original contents."""

    def __init__(self, tree: pathlib.Path) -> None:
        self._tree = tree
        self._before: dict[pathlib.Path, str | None] = {}

    def __call__(self, path: str, line: str) -> tuple[int, str]:
        """Add a line to a file (which may be new) and lint the copy."""
        self.add(path, line)
        return lint(self._tree)

    def add(self, path: str, line: str) -> None:
        """Add a line to a file, which may be new."""
        file = self._tree / path
        text = file.read_text(encoding="utf-8") if file.is_file() else None
        self._before.setdefault(file, text)
        file.write_text(f"{text or ''}\n{line}\n", encoding="utf-8")

    def weed(self) -> None:
        for file, before in self._before.items():
            if before is None:
                file.unlink()
            else:
                file.write_text(before, encoding="utf-8")


def test_the_copy_itself_is_clean(tree: pathlib.Path) -> None:
    code, said = lint(tree)

    assert code == 0, said


@pytest.mark.slow
@pytest.mark.parametrize(("path", "line", "named"), ILLEGAL)
def test_an_illegal_import_is_found_and_named(
    plant: Plant, path: str, line: str, named: str
) -> None:
    assert (ROOT / path).is_file(), "the plan names a file that is gone"

    code, said = plant(path, line)

    assert code != 0
    assert named in said


def test_contract_covers_every_module_of_its_kind(plant: Plant) -> None:
    for path, line, _ in COVERED[1:]:
        plant.add(path, line)

    path, line, _ = COVERED[0]
    _, said = plant(path, line)

    missed = [
        (path, target)
        for path, _, target in COVERED
        if f"{path.removesuffix('.py').replace('/', '.')} -> {target} " not in said
    ]
    assert not missed


@pytest.mark.slow
@pytest.mark.parametrize(("path", "named"), UNLISTED)
def test_a_file_that_no_layer_names_is_found(plant: Plant, path: str, named: str) -> None:
    code, said = plant(path, '"""A drawer."""')

    assert code != 0
    assert named in said


LONG_FUNCTION = '"""Doc."""\ndef f():\n' + "    x = 1\n" * 60
UNTIDY = [
    ("chassis/x.py", "x = 1\n", "no module docstring"),
    ("chassis/x.py", '"""Doc."""\n' + "x = 1\n" * 400, "module of 401 lines"),
    ("chassis/x.py", f'"""{"d" * 100}"""\n', "line of 106 characters"),
    ("chassis/x.py", LONG_FUNCTION, "f has 61 lines"),
    ("chassis/x.py", LONG_FUNCTION.replace("def", "async def"), "f has 61 lines"),
    ("chassis/utils.py", '"""Doc."""\n', "the name 'utils'"),
    ("services/orders/helpers.py", '"""Doc."""\n', "the name 'helpers'"),
    ("gateway/common/x.py", '"""Doc."""\n', "the name 'common'"),
    ("chassis/x.py", '"""Doc."""\nimport os\nurl = os.environ["URL"]\n', "settings.py only"),
    ("chassis/x.py", '"""Doc."""\nimport os\nurl = os.getenv("URL")\n', "settings.py only"),
    ("chassis/x.py", '"""Doc."""\nfrom os import environ\n', "settings.py only"),
    ("kernel/x.py", '"""Doc."""\ndef f(a: float) -> None: ...\n', "float where"),
    ("services/orders/order/domain.py", '"""Doc."""\nrate = 0.1\n', "float literal 0.1"),
    ("services/ledger/store.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/ledger/store.py", '"""Doc."""\ntotal /= 2\n', "a division"),
    ("services/orders/people/user_store.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/orders/order/settlement.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/orders/order/endings.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/orders/operations/postings.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/orders/order/intake.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/orders/reconciliation/holdings.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/orders/funds/holds.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/orders/operations/hot.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/orders/peers/ports.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/orders/service.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/orders/operations/steps.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/orders/wire.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/orders/x.py", '"""Shares. Pure."""\nhalf = total / 2\n', "a division"),
    ("services/ledger/domain.py", '"""Doc."""\nx = float("1")\n', "float where"),
    ("services/ledger/book.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/ledger/corrections/service.py", '"""Doc."""\nx = 0.01\n', "float literal 0.01"),
    ("services/ledger/queries.py", '"""Doc."""\nx = float("1")\n', "float where"),
    ("services/disputes/parties.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/escrow/contracts/x.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/escrow/sending/decide.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/escrow/sending/flow_store.py", '"""Doc."""\nhalf = total / 2\n', "a division"),
    ("services/escrow/wallets/service.py", '"""Doc."""\nx = float("1")\n', "float where"),
    ("services/escrow/queries.py", '"""Doc."""\nrate = 0.1\n', "float literal 0.1"),
    ("chassis/x.py", '"""Doc."""\n# TO' + "DO: later\n", "has a number"),
    ("chassis/x.py", '"""Doc."""\n# FIX' + "ME\n", "has a number"),
    ("services/orders/x.py", '"""Doc."""\nq = "select * from orders"\n', "names its columns"),
    ("gateway/keys.py", '"""Doc."""\nq = "select id,\\n k.* from keys k"\n', "names its columns"),
    ("chassis/x.py", '"""Doc."""\nq = "delete from x returning *"\n', "names its columns"),
    ("chassis/x.py", '"""Doc."""\nq = f"select {A}, x.* from x"\n', "names its columns"),
]
CLEAN = [
    ("chassis/settings.py", '"""Doc."""\nimport os\nurl = os.environ["URL"]\n'),
    ("chassis/x.py", '"""Doc."""\nseconds: float = 0.5\n'),
    ("services/ledger/batch.py", '"""Doc."""\nseconds: float = 0.5\n'),
    ("services/orders/order/domain.py", '"""Doc."""\nhalf = 5 // 2\n'),
    ("chassis/x.py", '"""Doc."""\n# TO' + "DO(#12): write it down\n"),
    ("chassis/x.py", LONG_FUNCTION.replace("    x = 1\n", "", 1)),
    ("chassis/x.py", '"""Doc."""\nq = "select a, count(*), a * 2 from x"\n'),
    ("tests/x.py", '"""Doc."""\nq = "select * from x"\n'),
]


@pytest.mark.parametrize(("path", "source", "what"), UNTIDY)
def test_an_untidy_file_is_found(path: str, source: str, what: str) -> None:
    (finding,) = python_findings(path, source)

    assert what in finding
    assert finding.startswith(path + ":")


@pytest.mark.parametrize(("path", "source"), CLEAN)
def test_allowed_code_is_not_reported(path: str, source: str) -> None:
    assert python_findings(path, source) == []


@pytest.mark.parametrize(
    "line",
    [
        "path = '/ho" + "me/someone/project'",
        "cd /ro" + "ot/project",
        "C" + ":\\Users",
        "pip install --index" + "-url https://mirror.example",
        "see https://py" + "pi.org/project/x",
    ],
)
def test_a_machine_or_a_registry_is_found_in_any_file(line: str) -> None:
    assert len(text_findings("docs/x.md", line)) == 1


@pytest.mark.parametrize(
    "line", ["uv pip compile --no-emit-index" + "-url", "GET /api/v1/orders", "./tmp/x", "s/work/x"]
)
def test_lookalike_of_a_machine_or_registry_is_not_reported(line: str) -> None:
    assert text_findings("docs/x.md", line) == []
