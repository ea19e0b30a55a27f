"""Commands of `orchestrator` for developers: they call the public API with an API key.

Operators' commands are in `deploy/operator`, where both become one program.
"""
