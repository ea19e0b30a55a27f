"""Migrations: one alembic environment for every schema; scripts live beside each service.

Each schema belongs to one login role of the same name, which gets what its migration grants and
nothing else. A migration must work with the version of the code before it (expand, then contract).
"""
