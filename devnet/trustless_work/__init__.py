"""Trustless Work's REST API V1 as documented: builds unsigned transactions, sends signed ones."""
