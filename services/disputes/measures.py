"""The measures of disputes for Prometheus: how many are overdue, and for how long.

Test marketplaces that have moved their clock are left out, because nobody waits there.
"""

from chassis.metrics import Measure

MEASURES = (
    Measure(
        name="orchestrator_disputes_overdue",
        about="Disputes that wait for an answer or a decision of support for longer than they may",
        sql="""
            select count(*) from disputes d where d.overdue_since is not null
                and not exists (select from clocks c where c.marketplace_id = d.marketplace_id)""",
    ),
    Measure(
        name="orchestrator_disputes_overdue_oldest_seconds",
        about="For how long the longest of them is overdue",
        sql="""
            select coalesce(extract(epoch from clock_timestamp() - min(d.overdue_since)), 0)
            from disputes d where d.overdue_since is not null
                and not exists (select from clocks c where c.marketplace_id = d.marketplace_id)""",
    ),
)
