"""The operator's tools, for every marketplace of any deployment: `python -m deploy.operator`.

A room a command; what they share is where the services are (`settings.py`), which marketplaces
there are (`marketplaces.py`) and how one is asked about (`client.py`). Money is moved by the
services alone: nothing here writes a row of theirs.
"""
