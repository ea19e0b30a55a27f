"""Migrations: one alembic environment for every schema. Scripts are stored with each service.

Each schema belongs to one login role of the same name, which has only the rights that the
migrations grant. A migration must work with the previous version of the code (expand, then
contract).
"""
