"""Escrow in Postgres: the only room that knows SQL. Each file is the book of one user of it."""
