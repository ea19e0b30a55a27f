# ruff: noqa: S608 - statements are put together from the constants below alone
"""The journal's statements. Each write checks the lease, locks the command's row, and writes.

Each write returns how many commands were under the lease: one; or none, and nothing is written.
"""

_IS_HELD = """
    marketplace_id = %(marketplace)s and id = %(command)s and lease_epoch = %(epoch)s
    and state = 'RUNNING'
"""
# The command under its lease, locked. What follows writes nothing if the lease is lost.
_HELD = f"""with held as materialized (
    select id, abandoned_why from commands where {_IS_HELD} for update)"""
# Gives back a step's channel account, unless something is signed under the step's number.
_FREE_CHANNEL = """, unsigned as (
    select s.id from steps s cross join held
    where s.marketplace_id = %(marketplace)s and s.command_id = held.id
      and s.source is not null and not exists (
        select from attempts a where a.step_id = s.id and a.state in ('SENT', 'EXPIRED')
          and a.source = s.source and a.sequence = s.sequence)
), unnumbered as (
    update steps s set source = null, sequence = null from unsigned
    where s.id = unsigned.id and s.state = 'PLANNED'
), freed as (
    update channels h set leased_by = null from unsigned where h.leased_by = unsigned.id
)
"""
_COUNT = "select count(*) from held"
# A ledger has used the number, so other envelopes in flight under it are dead.
_CLOSE_ATTEMPT = """, superseded as (
    update attempts a set state = 'EXPIRED' from held
    where a.step_id = %(step)s and a.source = %(source)s and a.sequence = %(sequence)s
      and a.state = 'SENT' and a.hash <> %(hash)s
), closed as (
    update attempts a set state = '{state}', ledger = %(ledger)s, code = %(code)s from held
    where a.hash = %(hash)s
)
"""
DUE = """
select c.marketplace_id, least(count(*), %(limit)s) as due from commands c
where c.state = 'RUNNING' and c.lease_until < clock_timestamp()
  and c.next_attempt_at <= clock_timestamp()
group by c.marketplace_id order by min(greatest(c.created_at, c.next_attempt_at))
"""
END = f"""
with held as (
    update commands set state = %(state)s, finished_at = %(at)s, error_reason = %(reason)s,
        error_message = %(message)s, waits = 0, waiting_since = null, abandoned_why = '',
        quarantined_at = null, troubled_since = null
    where {_IS_HELD} returning id
), refused as (
    update steps s set state = 'REFUSED', doubt = '' from held where s.id = %(step)s::uuid
), freed as (
    update channels h set leased_by = null from held where h.leased_by = %(step)s::uuid
)
{_COUNT}"""
QUARANTINE = f"""
with held as (
    update commands set state = 'QUARANTINED', error_reason = %(reason)s,
        error_message = %(message)s, waits = 0, waiting_since = null, abandoned_why = '',
        quarantined_at = clock_timestamp(), troubled_since = null
    where {_IS_HELD} returning id
){_FREE_CHANNEL}{_COUNT}"""
PUT_OFF = f"""
with held as (
    update commands set lease_until = 'epoch',
        -- Without a rest it keeps its turn: what has rested is as old as the end of its rest.
        next_attempt_at = case when %(seconds)s > 0
            then clock_timestamp() + make_interval(secs => %(seconds)s) else 'epoch' end,
        waits = waits + case when %(is_trouble)s::boolean is null then 0 else 1 end,
        waiting_since = coalesce(waiting_since, clock_timestamp()),
        troubled_since = case when %(is_trouble)s::boolean is null then troubled_since
                              when %(is_trouble)s::boolean
                              then coalesce(troubled_since, clock_timestamp()) end,
        error_reason = %(reason)s, error_message = %(message)s
    where {_IS_HELD} returning id
){_FREE_CHANNEL}{_COUNT}"""
# The steps of a command, and what of ours has landed on its escrow.
STEPS = """
select s.id, s.position, s.name, s.terms, s.state, s.source, s.sequence, s.doubt,
       a.hash, a.number, a.source as attempt_source, a.sequence as attempt_sequence,
       a.envelope_xdr, e.envelope, a.max_time, a.auth_expires_ledger, a.max_fee, a.network,
       a.prepared_at_ledger, a.state as attempt_state, a.ledger, a.code, a.is_burn, a.bump_hash,
       exists (select from chain_holds where confirmed_at is null) as is_held,
       exists (select from findings f where f.has_succeeded
               and not exists (select from attempts l where l.hash = f.hash)) as has_unclaimed,
       standing.newest_ledger, standing.was_frozen_by_us
from (
    select coalesce(max(a.ledger), 0) as newest_ledger,
           coalesce(bool_or(s.name = 'dispute_escrow' and s.state = 'SUCCEEDED'), false)
               as was_frozen_by_us
    from commands c
    join steps s on s.marketplace_id = c.marketplace_id and s.command_id = c.id
    left join attempts a on a.step_id = s.id
    where c.marketplace_id = %(marketplace)s and c.escrow_id = %(escrow)s::uuid
) standing
cross join steps s left join attempts a on a.step_id = s.id
left join envelopes e on e.source = a.source and e.hash = a.hash
where s.marketplace_id = %(marketplace)s and s.command_id = %(command)s
order by s.position, a.number
"""
CHANNELS_BY_ONE = "select pg_advisory_xact_lock(hashtext('escrow'), hashtext('channels'))"
# Rows without an owner count the free accounts. Accounts of a quarantined command are replaced by
# new ones, and count for nobody.
USE_OF_CHANNELS = """
select holder.marketplace_id as owner, count(*) as size
from channels h left join steps holder on holder.id = h.leased_by
left join commands c on c.marketplace_id = holder.marketplace_id and c.id = holder.command_id
where h.next_sequence is not null and not h.is_retired
  and (h.leased_by is null or c.state = 'RUNNING')
group by holder.marketplace_id
"""
LEASE_CHANNELS = """
with asked as materialized (
    select marketplace_id, command_id, epoch, step_id, place
    from unnest(%(marketplaces)s::uuid[], %(commands)s::uuid[], %(epochs)s::bigint[],
                         %(steps)s::uuid[])
        with ordinality as a (marketplace_id, command_id, epoch, step_id, place)
), held as materialized (
    select asked.step_id, asked.place
    from asked join commands c on c.marketplace_id = asked.marketplace_id
     and c.id = asked.command_id and c.lease_epoch = asked.epoch and c.state = 'RUNNING'
    order by c.marketplace_id, c.id for update of c
), free as materialized (
    select h.address, h.next_sequence from channels h
    where h.leased_by is null and h.next_sequence is not null and not h.is_retired
    limit (select count(*) from held) for update of h skip locked
), pairs as materialized (
    select one.step_id, other.address, other.next_sequence
    from (select step_id, row_number() over (order by place) as place from held) one
    join (select address, next_sequence, row_number() over () as place from free) other
      using (place)
), taken as (
    update channels h set leased_by = pairs.step_id from pairs where h.address = pairs.address
), numbered as (
    update steps s set source = pairs.address, sequence = pairs.next_sequence
    from pairs where s.id = pairs.step_id
)
select held.step_id, pairs.address as source, pairs.next_sequence as sequence
from held left join pairs using (step_id)
"""
_ATTEMPT = """
insert into attempts (hash, step_id, number, source, sequence, max_time, auth_expires_ledger,
    max_fee, network, bump_hash, prepared_at_ledger, state, is_burn, created_at)
select %(hash)s, %(step)s, %(number)s, %(source)s, %(sequence)s, %(max_time)s,
    %(auth_expires_ledger)s, %(max_fee)s, %(network)s, %(bump_hash)s, %(prepared_at_ledger)s,
    %(state)s, %(is_burn)s, clock_timestamp()
"""
# A stop of all marketplaces and a stop of one are independent: each is lifted separately. The limit
# of one marketplace replaces the limit of all.
NEWEST_OF_FLOW = """
    select distinct on (marketplace_id, change = 'LIMIT')
           marketplace_id, change, daily_limit, reason
    from flow_changes
    where flow = %(flow)s and (marketplace_id = %(marketplace)s or marketplace_id is null)
    order by marketplace_id, change = 'LIMIT', id desc
"""
# The facts that the step was decided on must still hold, because the command was read some steps
# ago. An account signs its next envelope when the one before has landed or can no longer land.
KEEP_ATTEMPT = f"""{_HELD}, newest as ({NEWEST_OF_FLOW}), kept as ({_ATTEMPT}
    from held join steps s on s.id = %(step)s
    where held.abandoned_why = %(abandoned_why)s and s.state = 'PLANNED'
      and s.source = %(source)s and s.sequence = %(sequence)s
      and not exists (select from chain_holds where confirmed_at is null)
      and (%(may_claim)s or not exists (
          select from findings f where f.has_succeeded
             and not exists (select from attempts a where a.hash = f.hash)))
      and not exists (
          select from steps e
          where e.marketplace_id = %(marketplace)s and e.command_id = held.id
            and e.position < s.position and e.state = 'PLANNED'
            and not (e.name = any(%(side_by_side)s) and s.name = any(%(side_by_side)s)))
      and not exists (
          select from newest
          where change = 'STOP' or daily_limit is not null and %(minor_units)s > 0)
      and not exists (select from flow_gate)
    returning source, hash
), counted as (
    insert into flow_uses (step_id, marketplace_id, flow, day, minor_units)
    select %(step)s, %(marketplace)s, %(flow)s, (clock_timestamp() at time zone 'UTC')::date,
           %(minor_units)s
    from kept where %(minor_units)s > 0
    on conflict (step_id) do update set day = excluded.day
), stored as (
    insert into envelopes (source, hash, envelope)
    select source, hash, %(envelope)s from kept
    on conflict (source) do update set hash = excluded.hash, envelope = excluded.envelope
)
select count(*) from kept"""
ADOPT_ATTEMPT = f"{_ATTEMPT} on conflict (hash) do nothing"
OWNER_OF_ATTEMPT = "select step_id from attempts where hash = %(hash)s"
# change: of the escrow, None: it is unchanged; ends: the command ends with the step. The journal
# appends the insertion of the events.
SUCCEEDED = f"""
with held as materialized (
    select id from commands
    where {_IS_HELD} and (%(change)s::uuid is null or exists (
        select from escrows
        where marketplace_id = %(marketplace)s and id = %(change)s and version = %(known_version)s))
    for update){_CLOSE_ATTEMPT.format(state="SUCCEEDED")}, paid as (
    insert into payments (transaction_hash, event_index, step_id, payee, from_address, to_address,
                          minor_units, is_absorbed_fee)
    select %(hash)s, p.event_index, %(step)s, p.payee, p.from_address, p.to_address, p.minor_units,
           p.is_absorbed_fee
    from held cross join jsonb_to_recordset(%(paid)s) as p (
        event_index integer, payee text, from_address text, to_address text, minor_units bigint,
        is_absorbed_fee boolean)
), ended as (
    update steps s set state = 'SUCCEEDED', doubt = %(doubt)s from held where s.id = %(step)s
), freed as (
    update channels h set
        leased_by = case when h.address = %(source)s then %(heir)s::uuid end,
        next_sequence = case when h.address = %(source)s then %(sequence)s + 1
                             else h.next_sequence end
    from held where h.leased_by = %(step)s
    returning h.leased_by, h.address, h.next_sequence
), inherited as (
    update steps s set source = freed.address, sequence = freed.next_sequence
    from freed where s.id = freed.leased_by
), going_on as (
    update commands c set waits = 0, waiting_since = null, troubled_since = null,
        error_reason = '', error_message = '',
        state = case when %(ends)s then 'SUCCEEDED' else c.state end,
        finished_at = case when %(ends)s then %(at)s::timestamptz end,
        abandoned_why = case when %(ends)s then '' else c.abandoned_why end,
        quarantined_at = case when %(ends)s then null else c.quarantined_at end
    from held where c.marketplace_id = %(marketplace)s and c.id = held.id
      and (%(ends)s or c.waits > 0)
), changed as (
    update escrows e set state = %(escrow_state)s, version = %(escrow_version)s,
        funded_at = %(funded_at)s, closed_at = %(closed_at)s, last_error = %(last_error)s
    from held where e.marketplace_id = %(marketplace)s and e.id = %(change)s
), told as (
    {{told}} where exists (select from held)
)
select count(*) as held,
       (select next_sequence from freed where leased_by is not null) as inherited
from held"""
# A step whose number a ledger has used continues with the next number of its channel account.
_RENUMBER = """, renumbered as (
    update steps s set sequence = s.sequence + 1 from held
    where s.id = %(step)s and s.source = %(source)s and s.sequence = %(sequence)s
    returning s.source, s.sequence
), numbered as (
    update channels h set next_sequence = renumbered.sequence from renumbered
    where h.address = renumbered.source and h.leased_by = %(step)s
)
"""
FAILED = f"{_HELD}{_CLOSE_ATTEMPT.format(state='FAILED')}{_RENUMBER}{_COUNT}"
EXPIRED = f"""
{_HELD}, closed as (
    update attempts a set state = 'EXPIRED', ledger = null, code = '' from held
    where a.hash = %(hash)s
)
{_COUNT}"""
SUPERSEDED = f"""
{_HELD}, closed as (
    update attempts a set state = 'EXPIRED', ledger = null, code = %(code)s from held
    where a.hash = %(hash)s
){_RENUMBER}{_COUNT}"""
SKIP = f"""
{_HELD}, ended as (
    update steps s set state = %(state)s, doubt = '' from held where s.id = %(step)s
), freed as (
    update channels h set leased_by = null from held where h.leased_by = %(step)s
)
{_COUNT}"""
CLEAR_DOUBT = "update steps set doubt = '' where id = %(step)s"
