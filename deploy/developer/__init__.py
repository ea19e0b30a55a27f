"""Developers' commands of `orchestrator`. They call the public API with an API key.

Operators' commands are in `deploy/operator`, which combines both into one program.
"""
