"""Offers: an agreement of both sides on a refund of a part, instead of a dispute."""
