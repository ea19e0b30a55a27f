"""Money outside an order's operations: credits to users, and holds that are given back."""
