"""Run the orders service: `python -m services.orders`."""

from chassis import runner
from chassis.settings import load
from services.orders.app import build
from services.orders.settings import OrdersSettings


def main() -> None:
    """Read the settings and serve until SIGTERM."""
    settings = load(OrdersSettings, program="orders")
    runner.main(name="orders", settings=settings, build=lambda: build(settings))


if __name__ == "__main__":
    main()
