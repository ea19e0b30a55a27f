"""The operator's tools, for every marketplace of any deployment: `python -m deploy.operator`.

Each command has its own module. The commands share the services' addresses (`settings.py`), the
marketplaces (`marketplaces.py`) and the calls (`client.py`). Only the services move money: no
command writes rows about money.
"""
