"""What escrow measures for Prometheus: commands, channel accounts, the watcher, the hold."""

from prometheus_client import Counter, Gauge

from chassis.metrics import Measure

# Set by the one process that looks after the channel accounts, after each of its checks.
LUMENS = Gauge(
    "orchestrator_escrow_lumens",
    "Lumens of the platform's account, and of the channel account that has the fewest",
    ["account"],
)
LIFETIMES = Gauge(
    "orchestrator_escrow_lifetime_days",
    "Days until the network archives the code, the factories, and orders' entries: the shortest",
    ["what"],
)
FEES = Counter(
    "orchestrator_escrow_fee_lumens",
    "Lumens that the network has taken for the transactions of each kind of step",
    ["step"],
)
FOREIGN_PAYOUTS = Counter(
    "orchestrator_escrow_foreign_payouts",
    "Payments of orders' contracts in transactions that are not ours",
)
FOREIGN_CHANGES = Counter(
    "orchestrator_escrow_foreign_changes",
    "Changes of orders' contracts by transactions that are not ours",
)
RESERVES = Gauge(
    "orchestrator_escrow_reserves_lumens",
    "Lumens of the platform's account that are locked as reserves of wallets and their trustlines",
)
MERGED = Counter(
    "orchestrator_escrow_wallets_merged",
    "Idle wallets whose accounts were merged, and whose reserves came back",
)
MEASURES = (
    Measure(
        name="orchestrator_escrow_commands",
        about="Commands that have not ended: they run, they wait for something, or they need an"
        " operator. why: what one waits for",
        labels=("kind", "state", "why"),
        sql="""
            select kind,
                   case when state = 'RUNNING' and waits > 0 then 'WAITING' else state end,
                   case when waits > 0 or state = 'QUARANTINED' then error_reason else '' end,
                   count(*)
            from commands where state in ('RUNNING', 'QUARANTINED') group by 1, 2, 3""",
    ),
    Measure(
        name="orchestrator_escrow_command_oldest_seconds",
        about="For how long the oldest command that has not ended is there",
        labels=("state",),
        sql="""
            select state, extract(epoch from clock_timestamp() - min(created_at))
            from commands where state in ('RUNNING', 'QUARANTINED') group by state""",
    ),
    Measure(
        name="orchestrator_escrow_channels",
        about="Channel accounts: free, leased by a step, or retired",
        labels=("state",),
        sql="""
            select state, count(address) from (values ('free'), ('leased'), ('retired')) s (state)
            left join (select address, case when is_retired then 'retired'
                                            when leased_by is null then 'free'
                                            else 'leased' end is_state
                       from channels where next_sequence is not null) c on is_state = state
            group by state""",
    ),
    Measure(
        name="orchestrator_escrow_watcher_seen_seconds",
        about="How long ago the watcher of deposits has last looked at the chain",
        sql="select coalesce(extract(epoch from clock_timestamp() - max(looked_at)), 0)"
        " from cursors",
    ),
    Measure(
        name="orchestrator_escrow_watcher_blind",
        about="1 while the watcher of deposits needs an operator",
        sql="select count(*) from cursors where trouble <> ''",
    ),
    Measure(
        name="orchestrator_escrow_held",
        about="1 while nothing is sent until an operator has confirmed what the chain has",
        sql="select count(*) from chain_holds where confirmed_at is null",
    ),
    Measure(
        name="orchestrator_escrow_unreadable_transfers",
        about="Transfers to wallets that were put aside for an operator",
        sql="select count(*) from unreadable_transfers where marketplace_id is not null",
    ),
)
