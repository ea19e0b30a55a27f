"""Gauges of orders for Prometheus: running work, and differences between ledger and chain.

A withdrawal that is being carried out counts as an operation of its own kind, because it holds
money, too.
"""

from chassis.metrics import Measure

MEASURES = (
    Measure(
        name="orchestrator_orders_operations",
        about="Operations that run, by kind",
        labels=("kind",),
        sql="""
            select kind, count(*) from operations where state = 'running' group by kind
            union all
            select 'WITHDRAWAL', count(*) from withdrawals where in_progress
            having count(*) > 0""",
    ),
    Measure(
        name="orchestrator_orders_operation_oldest_seconds",
        about="For how long the oldest operation of a kind runs",
        labels=("kind",),
        sql="""
            select kind, extract(epoch from clock_timestamp() - min(started_at))
            from operations where state = 'running' group by kind
            union all
            select 'WITHDRAWAL', extract(epoch from clock_timestamp() - min(committed_at))
            from withdrawals where in_progress having count(*) > 0""",
    ),
    Measure(
        name="orchestrator_books_differences",
        about="Accounts whose ledger and chain differ, and have for a while",
        sql="select count(*) from differences where seen_at - since > interval '30 seconds'",
    ),
    Measure(
        name="orchestrator_books_difference_minor_units",
        about="What those accounts have more on one side than on the other, in all",
        labels=("side",),
        sql="""
            select side, coalesce(sum(greatest(case side when 'chain' then chain - ledger
                                                         else ledger - chain end, 0)), 0)
            from (values ('chain'), ('ledger')) s (side)
            left join differences on seen_at - since > interval '30 seconds' group by side""",
    ),
    Measure(
        name="orchestrator_books_compared_seconds",
        about="How long ago ledger and chain were last compared",
        sql="select coalesce(extract(epoch from clock_timestamp() - looked_at), 0)"
        " from reconciliation",
    ),
    Measure(
        name="orchestrator_orders_users_waiting",
        about="Users whose wallet is still to be made",
        sql="select count(*) from users where provisioned_at is null",
    ),
)
