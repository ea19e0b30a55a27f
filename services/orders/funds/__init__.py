"""Money movements outside the operations of orders: manual credits, and giving back holds."""
