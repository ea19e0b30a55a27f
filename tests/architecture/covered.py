"""Which modules a contract of pyproject.toml must cover, each with an import that it forbids.

test_planted.py plants every import and checks that each one is found.
"""

# The modules of each contract; below, with a forbidden import that is planted in each of them.
PURE = [
    f"services/orders/{name}.py"
    for name in (
        "operations/operation",
        "operations/postings",
        "order/deadlines",
        "order/domain",
        "order/endings",
        "order/intake",
        "order/parties",
        "order/settlement",
        "order/use_cases",
        "order/withdrawal_rules",
        "peers/ports",
        "people/users",
        "reconciliation/holdings",
        "withdrawals/domain",
        "withdrawals/postings",
        "withdrawals/rules",
    )
]
USE_CASES_AND_STORES = [
    f"services/orders/{name}.py"
    for name in (
        "deadlines/chosen",
        "deadlines/store",
        "funds/credit_store",
        "funds/credits",
        "funds/holds",
        "operations/commands",
        "operations/escrow_commands",
        "operations/hot",
        "operations/hot_several",
        "operations/operation_store",
        "operations/saga",
        "operations/steps",
        "order/marketplace_rules",
        "order/store",
        "people/party_store",
        "people/registry",
        "people/user_store",
        "queries",
        "reconciliation/difference_store",
        "reconciliation/reconciler",
        "service",
        "timers",
        "withdrawals/carrier",
        "withdrawals/service",
        "withdrawals/store",
    )
]
# Rooms of escrow, each with one of its files: a contract covers the room whole.
ESCROW_PURE = [
    "services/escrow/contracts/kinds.py",
    "services/escrow/ports.py",
    "services/escrow/sending/flows.py",
    "services/escrow/sending/statements.py",
    "services/escrow/sending/shares.py",
]
ESCROW_ROOMS = [
    "services/escrow/commands/acceptance.py",
    "services/escrow/contracts/kinds.py",
    "services/escrow/deposits/watcher.py",
    "services/escrow/operating/rulings.py",
    "services/escrow/queries.py",
    "services/escrow/sending/decide.py",
    "services/escrow/wallets/service.py",
]
# In each of its rooms, an import that points outward.
ESCROW_UPWARD = [
    ("services/escrow/contracts/intents.py", "services.escrow.contracts.kinds"),
    ("services/escrow/contracts/plan.py", "services.escrow.commands.store"),
    ("services/escrow/sending/sender.py", "services.escrow.sending.worker"),
    ("services/escrow/wallets/vault.py", "services.escrow.wallets.keyring"),
    ("services/escrow/commands/store.py", "services.escrow.commands.acceptance"),
    ("services/escrow/deposits/store.py", "services.escrow.deposits.watcher"),
    ("services/escrow/wallets/store.py", "services.escrow.sending.journal"),
]
ESCROW_STORES = [
    "commands.rows",
    "commands.store",
    "deposits.store",
    "sending.flow_store",
    "sending.journal",
    "sending.landings",
    "sending.progress",
    "tables",
    "wallets.accounts",
    "wallets.destinations",
    "wallets.holders",
    "wallets.seals",
    "wallets.store",
]
STORES = [
    "funds.credit_store",
    "operations.hot",
    "operations.hot_several",
    "operations.operation_store",
    "order.marketplace_rules",
    "order.store",
    "people.party_store",
    "people.user_store",
    "reconciliation.difference_store",
    "tables",
    "withdrawals.store",
]
ORDERS_OUTWARD = [
    ("order/domain", "services.orders.order.endings"),
    ("order/endings", "services.orders.order.use_cases"),
    ("order/use_cases", "services.orders.operations.operation"),
    ("operations/saga", "services.orders.operations.steps"),
    ("operations/operation_store", "services.orders.operations.hot"),
    ("operations/steps", "services.orders.funds.holds"),
    ("people/user_store", "services.orders.people.registry"),
    ("people/registry", "services.orders.queries"),
    ("peers/ports", "services.orders.operations.postings"),
    ("funds/credit_store", "services.orders.funds.credits"),
    ("reconciliation/holdings", "services.orders.reconciliation.difference_store"),
    ("withdrawals/carrier", "services.orders.withdrawals.service"),
]
COVERED = [
    *((path, "import time", "time") for path in PURE),
    *((path, "import grpc", "grpc") for path in USE_CASES_AND_STORES),
    *(
        (
            "services/orders/servicer.py",
            f"import services.orders.{name}",
            f"services.orders.{name}",
        )
        for name in STORES
    ),
    (
        "services/orders/wire.py",
        "import services.orders.order.store",
        "services.orders.order.store",
    ),
    # In each of the rooms, an import that points outward.
    *(
        (f"services/orders/{path}.py", f"import {outward}", outward)
        for path, outward in ORDERS_OUTWARD
    ),
    *((path, "import time", "time") for path in ESCROW_PURE),
    *((path, f"import {upward}", upward) for path, upward in ESCROW_UPWARD),
    *((path, "import grpc", "grpc") for path in ESCROW_ROOMS),
    *(
        (
            "services/escrow/servicer.py",
            f"import services.escrow.{name}",
            f"services.escrow.{name}",
        )
        for name in ESCROW_STORES
    ),
]
