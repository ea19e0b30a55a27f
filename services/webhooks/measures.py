"""The measures of webhooks for Prometheus: deliveries that wait, and webhooks that failed."""

from chassis.metrics import Measure

MEASURES = (
    Measure(
        name="orchestrator_webhook_deliveries_waiting",
        about="Deliveries that wait for an attempt, to webhooks that are enabled",
        sql="""
            select count(*) from deliveries d join webhooks w
              on w.marketplace_id = d.marketplace_id and w.id = d.webhook_id
            where d.state = 'PENDING' and w.disabled_why is null""",
    ),
    Measure(
        name="orchestrator_webhook_deliveries_oldest_seconds",
        about="For how long the oldest delivery that was not attempted has waited",
        sql="""
            select coalesce(extract(epoch from clock_timestamp() - min(d.due_at)), 0)
            from deliveries d join webhooks w
              on w.marketplace_id = d.marketplace_id and w.id = d.webhook_id
            where d.state = 'PENDING' and d.attempts = 0 and w.disabled_why is null""",
    ),
    Measure(
        name="orchestrator_webhooks_failed",
        about="Webhooks that are disabled because their receiver did not answer for three days",
        sql="select count(*) from webhooks where disabled_why = 'FAILED'",
    ),
)
