"""Offers: one side offers a partial refund, and both sides can agree without a dispute."""
