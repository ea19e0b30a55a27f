"""The order itself: its rules, its use cases, and its rows.

Every rule about an order is in this room. The calls to other services are in `operations/`.
"""
