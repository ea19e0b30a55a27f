"""The ledger's measures for Prometheus: commits, and deposits in suspense."""

from prometheus_client import Histogram

from chassis.metrics import Measure

BATCH_TRANSFERS = Histogram(
    "orchestrator_ledger_batch_transfers",
    "Transfers that one commit carried",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
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
