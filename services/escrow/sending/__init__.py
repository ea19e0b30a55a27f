"""Sending: the worker carries out commands, with one verified and stored envelope a step."""
