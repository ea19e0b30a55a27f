"""Where the migrations of each schema are."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / "chassis/migrations"
SCRIPTS = {
    "orders": ROOT / "services/orders/migrations",
    "ledger": ROOT / "services/ledger/migrations",
    "escrow": ROOT / "services/escrow/migrations",
    "disputes": ROOT / "services/disputes/migrations",
    "gateway": ROOT / "gateway/migrations",
}
