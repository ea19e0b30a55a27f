"""What the ledger measures for Prometheus: deposits in suspense, proposals that wait."""

from chassis.metrics import Measure

MEASURES = (
    Measure(
        name="orchestrator_ledger_suspense",
        about="Deposits in suspense, which an operator has to credit",
        sql="select count(*) from suspense where credited_by is null",
    ),
    Measure(
        name="orchestrator_ledger_suspense_oldest_seconds",
        about="For how long the oldest deposit is in suspense",
        sql="""
            select coalesce(extract(epoch from clock_timestamp() - min(t.at)), 0)
            from suspense s join transfers t
              on t.marketplace_id = s.marketplace_id and t.id = s.transfer_id
            where s.credited_by is null""",
    ),
)
