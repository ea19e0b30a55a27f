"""Migrations of the schema `ledger`, run by chassis.migrations."""
