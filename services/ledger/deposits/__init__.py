"""Deposits: book money that arrives from outside once, to its user or to suspense."""
