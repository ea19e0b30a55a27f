"""Events of escrow contracts: what changed in a contract, and by which transaction.

The events of all contracts are read, because a node cannot be asked for as many contracts as there
are orders. This module does not know which contracts and transactions are ours.
"""

from collections.abc import Sequence

from stellar_sdk import StrKey, scval

from chassis.telemetry import logger
from services.escrow.contracts.evidence import ContractChange
from services.escrow.stellar.events import Position, ToldEvent

# Without the event of extending a contract's lifetime, which anybody can do.
NAMES = (
    "tw_init",
    "tw_fund",
    "tw_update",
    "tw_ms_change",
    "tw_ms_approve",
    "tw_release",
    "tw_dispute",
    "tw_disp_resolve",
)
# Every name begins with this mark. A ledger without the mark has no such event.
MARK = b"tw_"
# The most topics that one filter may have. Source: stellar-rpc, getEvents.
TOPICS_PER_FILTER = 5
_NAMES = {scval.to_symbol(name).to_xdr(): name for name in NAMES}
TOPICS = tuple(
    tuple((topic,) for topic in list(_NAMES)[start : start + TOPICS_PER_FILTER])
    for start in range(0, len(_NAMES), TOPICS_PER_FILTER)
)
log = logger()


def is_name(topics: Sequence[str]) -> bool:
    """Tell whether topics are those of a change."""
    return len(topics) == 1 and topics[0] in _NAMES


def is_one(event: object) -> bool:
    """Tell whether a node's event is a change of an escrow contract."""
    topics = event.get("topic") if isinstance(event, dict) else None
    return isinstance(topics, list) and all(isinstance(t, str) for t in topics) and is_name(topics)


def read(
    events: Sequence[object], *, after: Position | None, latest_ledger: int
) -> tuple[ContractChange, ...]:
    """Read the changes among events, each once. A change that contradicts itself is left out."""
    found: dict[str, ContractChange] = {}
    for event in filter(is_one, events):
        try:
            change = _read(event, after=after, latest_ledger=latest_ledger)
        except Exception as error:  # noqa: BLE001 - whatever an event is, others follow it
            log.warning("chain.change_left_out", why=f"{type(error).__name__}: {error}"[:200])
            continue
        found[change.event_id] = change
    return tuple(found.values())


def _read(given: object, *, after: Position | None, latest_ledger: int) -> ContractChange:
    """Read one change. Raises: ForeignEventError; ValueError and others: it is malformed."""
    event = ToldEvent.of(given)
    event.require_place(after=after, latest_ledger=latest_ledger)
    if not StrKey.is_valid_contract(event.contract):
        raise ValueError("its contract has no address")
    return ContractChange(
        event_id=event.id,
        contract_id=event.contract,
        name=_NAMES[event.topics[0]],
        transaction_hash=event.transaction,
        ledger=event.ledger,
    )
