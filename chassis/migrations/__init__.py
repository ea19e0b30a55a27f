"""Migrations: one alembic environment for every schema; scripts live beside each service.

Each schema belongs to one login role of the same name, which has only the grants of its
migrations. A migration must work with the version of the code before it (expand, then contract).
"""
