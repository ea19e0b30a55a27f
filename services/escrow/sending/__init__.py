"""Sending: the worker carries commands out, one verified and stored envelope a step."""
