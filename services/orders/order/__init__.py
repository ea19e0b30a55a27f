"""The order itself: its rules, its use cases, and its rows.

A rule stands here and nowhere else; what another service must do for it is in `operations/`.
"""
