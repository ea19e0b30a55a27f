"""The operator's tools, for every marketplace of any deployment: `python -m deploy.operator`.

Each command has a module. They share the services' addresses (`settings.py`), the marketplaces
(`marketplaces.py`) and the calls (`client.py`). Only the services move money: no command writes
their rows.
"""
