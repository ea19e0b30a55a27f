"""A node's answers are accepted only if they fit the question."""

from typing import Any

import pytest
from stellar_sdk import (
    FeeBumpTransactionEnvelope,
    Keypair,
    TransactionBuilder,
    TransactionEnvelope,
    scval,
    xdr,
)

from services.escrow.ports import ChainRefused, ChainUnavailable, ContractArchived, FeesTooHigh
from services.escrow.stellar.addresses import account_key, sc_address
from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.chain import StellarChain
from services.escrow.stellar.direct import DirectBuilder
from services.escrow.stellar.envelope import decorated, enclose, hash_of, wrap
from services.escrow.stellar.history import History
from services.escrow.stellar.views import Views
from tests.unit.escrow.answering import AnsweringHttp, rpc_of
from tests.unit.escrow.stellar_envelopes import (
    ASSET,
    ASSET_CONTRACT,
    BUYER,
    ESCROW,
    FRAME,
    INSTANCE,
    INTENTS,
    OPTIONS,
    PASSPHRASE,
    PLATFORM,
    SELLER,
    WASM_HASH,
    entry_key,
    valid_transaction,
    verifier,
)
from tests.unit.escrow.test_stellar_contract import stored

BALANCE_KEY = scval.to_vec([scval.to_symbol("Balance"), scval.to_address(ESCROW)])
TRANSACTION = valid_transaction(INTENTS["fund_escrow"])
ENVELOPE = wrap(TRANSACTION)
HASH = hash_of(TRANSACTION, passphrase=PASSPHRASE).hex()
OTHER = wrap(valid_transaction(INTENTS["release_funds"]))
SEEN = {
    "latestLedger": 50,
    "latestLedgerCloseTime": "1700000050",
    "oldestLedger": 3,
    "oldestLedgerCloseTime": "1700000003",
}
FOUND = {"status": "SUCCESS", "txHash": HASH, "ledger": 40, "createdAt": "1", **SEEN}


@pytest.mark.parametrize(
    "changed",
    [{"txHash": "ab" * 32}, {"envelopeXdr": OTHER}, {"envelopeXdr": "AAAA"}],
    ids=["another's hash", "another's envelope", "no envelope"],
)
async def test_answer_about_another_transaction_is_not_accepted(changed: dict[str, Any]) -> None:
    http = AnsweringHttp(getTransaction={**FOUND, "envelopeXdr": ENVELOPE, **changed})

    with pytest.raises(ChainUnavailable):
        await rpc_of(http).transaction(HASH)


async def test_answer_about_the_transaction_is_accepted() -> None:
    http = AnsweringHttp(getTransaction={**FOUND, "envelopeXdr": ENVELOPE})

    assert (await rpc_of(http).transaction(HASH)).ledger == 40


@pytest.mark.parametrize("signatures", [0, 1, 2, 20])
async def test_signed_transaction_is_matched_by_its_hash(signatures: int) -> None:
    body = TRANSACTION.to_xdr_bytes()
    signed = enclose(body, [decorated(b"\7" * 64, hint=b"hint")] * signatures)
    http = AnsweringHttp(getTransaction={**FOUND, "envelopeXdr": signed})

    assert (await rpc_of(http).transaction(HASH)).envelope_xdr == signed


async def test_transaction_with_a_short_signature_is_matched_by_its_hash() -> None:
    signed = enclose(TRANSACTION.to_xdr_bytes(), [decorated(b"\7" * 32, hint=b"hint")])
    http = AnsweringHttp(getTransaction={**FOUND, "envelopeXdr": signed})

    assert (await rpc_of(http).transaction(HASH)).ledger == 40


def history_of(http: AnsweringHttp) -> History:
    blueprints = Blueprints(options=OPTIONS)
    return History(rpc=rpc_of(http), blueprints=blueprints, passphrase=PASSPHRASE)


async def test_contradictory_transactions_of_a_page_are_left_out() -> None:
    landed = {"status": "SUCCESS", "txHash": HASH, "envelopeXdr": ENVELOPE, "ledger": 40}
    listed = [
        landed,
        {**landed, "txHash": "ab" * 32},
        {**landed, "envelopeXdr": OTHER},
        {**landed, "envelopeXdr": None},
        {**landed, "ledger": 0},
        {**landed, "status": "MAYBE"},
        None,
    ]
    http = AnsweringHttp(getTransactions={"transactions": listed, "cursor": "9", **SEEN})
    history = history_of(http)

    page = await history.page(start_ledger=None, cursor="1")

    assert [(one.hash, one.ledger, one.has_succeeded) for one in page.found] == [(HASH, 40, True)]
    assert (page.next_cursor, page.is_last) == ("9", True)


def entry(key: xdr.LedgerKey, data: xdr.LedgerEntryData, **more: Any) -> dict[str, Any]:
    return {"key": key.to_xdr(), "xdr": data.to_xdr(), "lastModifiedLedgerSeq": 9, **more}


def account(address: str, *, sequence: int) -> xdr.LedgerEntryData:
    made = xdr.AccountEntry(
        account_id=Keypair.from_public_key(address).xdr_account_id(),
        balance=xdr.Int64(5),
        seq_num=xdr.SequenceNumber(xdr.Int64(sequence)),
        num_sub_entries=xdr.Uint32(0),
        inflation_dest=None,
        flags=xdr.Uint32(0),
        home_domain=xdr.String32(b""),
        thresholds=xdr.Thresholds(b"\1\0\0\0"),
        signers=[],
        ext=xdr.AccountEntryExt(0),
    )
    return xdr.LedgerEntryData(xdr.LedgerEntryType.ACCOUNT, account=made)


def contract_data(contract: str, key: xdr.SCVal, value: xdr.SCVal) -> xdr.LedgerEntryData:
    made = xdr.ContractDataEntry(
        xdr.ExtensionPoint(0),
        sc_address(contract),
        key,
        xdr.ContractDataDurability.PERSISTENT,
        value,
    )
    return xdr.LedgerEntryData(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=made)


def views_of(*entries: dict[str, Any]) -> Views:
    http = AnsweringHttp(getLedgerEntries={"entries": list(entries), "latestLedger": 50})
    return Views(rpc=rpc_of(http), asset=ASSET, asset_contract=ASSET_CONTRACT)


BUYERS = entry(account_key(BUYER), account(BUYER, sequence=7))


@pytest.mark.parametrize(
    "entries",
    [
        [entry(account_key(BUYER), account(SELLER, sequence=9))],
        [BUYERS, entry(account_key(BUYER), account(BUYER, sequence=9))],
        [BUYERS | {"xdr": "AAAA"}],
        [BUYERS | {"key": "!"}],
    ],
    ids=["another's", "twice", "no entry", "no key"],
)
async def test_ledger_entry_that_does_not_match_its_key_is_not_accepted(
    entries: list[dict[str, Any]],
) -> None:
    with pytest.raises(ChainUnavailable):
        await views_of(*entries).sequences([BUYER])


async def test_ledger_entry_that_was_not_requested_is_ignored() -> None:
    sellers = entry(account_key(SELLER), account(SELLER, sequence=9))

    seen = await views_of(BUYERS, sellers).sequences([BUYER])

    assert seen.used == {BUYER: 7}


ESCROW_KEY = scval.to_vec([scval.to_symbol("Escrow")])
CODE = xdr.SCVal(
    xdr.SCValType.SCV_CONTRACT_INSTANCE,
    instance=xdr.SCContractInstance(
        xdr.ContractExecutable(
            xdr.ContractExecutableType.CONTRACT_EXECUTABLE_WASM,
            wasm_hash=xdr.Hash(bytes.fromhex(WASM_HASH)),
        ),
        None,
    ),
)


def shown(of: str, key: xdr.SCVal, value: xdr.SCVal) -> dict[str, Any]:
    return entry(entry_key(of, key), contract_data(of, key, value), liveUntilLedgerSeq=90)


@pytest.mark.parametrize(
    ("entries", "platform"),
    [
        ([(INSTANCE, CODE), (ESCROW_KEY, stored("B"))], PLATFORM),
        ([(INSTANCE, CODE)], None),
        ([(INSTANCE, CODE), (ESCROW_KEY, scval.to_symbol("another's"))], None),
        ([(INSTANCE, CODE), (ESCROW_KEY, scval.to_struct({"amount": scval.to_void()}))], None),
        ([], None),
    ],
    ids=["escrow", "no value", "a word", "another struct", "archived"],
)
async def test_platform_of_a_contract_is_read_at_the_required_ledger(
    entries: list[tuple[xdr.SCVal, xdr.SCVal]], platform: str | None
) -> None:
    views = views_of(*(shown(ESCROW, key, value) for key, value in entries))

    assert await views.platform_of(ESCROW, since_ledger=50) == platform
    # A node that is behind may not know it yet.
    with pytest.raises(ChainUnavailable):
        await views.platform_of(ESCROW, since_ledger=51)


@pytest.mark.parametrize(
    ("until", "is_archived"),
    [(90, False), (49, True), (0, True)],
    ids=["alive", "since a ledger", "for a long time"],
)
async def test_an_archived_contract_is_read_as_archived(until: int, *, is_archived: bool) -> None:
    given = [
        (ESCROW, INSTANCE, CODE, 95),
        (ESCROW, ESCROW_KEY, stored("B"), until),
        (ASSET_CONTRACT, BALANCE_KEY, scval.to_struct({"amount": scval.to_int128(5)}), 95),
    ]
    entries = [
        entry(entry_key(of, key), contract_data(of, key, value), liveUntilLedgerSeq=until)
        for of, key, value, until in given
    ]

    view = await views_of(*entries).escrow(ESCROW)

    assert view is not None
    assert view.is_archived is is_archived
    # The archived values still hold, because an archived entry cannot change.
    assert (view.balance, view.released) == (5, False)


async def test_unreadable_balance_is_not_accepted() -> None:
    key = entry_key(ASSET_CONTRACT, BALANCE_KEY)
    told = entry(key, contract_data(ASSET_CONTRACT, BALANCE_KEY, scval.to_struct({})))

    with pytest.raises(ChainUnavailable):
        await views_of(told).balances([ESCROW])


async def built(intent: str = "release_funds", **simulated: Any) -> str:
    stats: dict[str, Any] = {
        "max": "1",
        "min": "1",
        "mode": "1",
        "p10": "1",
        "p20": "1",
        "p30": "1",
    }
    stats |= {"p40": "1", "p50": "1", "p60": "1", "p70": "1", "p80": "1", "p90": "200"}
    stats |= {"p95": "1", "p99": "1", "transactionCount": "1", "ledgerCount": 1}
    http = AnsweringHttp(
        getFeeStats={"sorobanInclusionFee": stats, "inclusionFee": stats, "latestLedger": 50},
        simulateTransaction={"latestLedger": 50, **simulated},
    )
    builder = DirectBuilder(rpc=rpc_of(http), blueprints=Blueprints(options=OPTIONS))
    return (await builder.build(INTENTS[intent], **FRAME)).envelope_xdr


def resources(*, fee: int) -> str:
    data = valid_transaction(INTENTS["release_funds"]).ext.soroban_data
    assert data is not None
    data.resource_fee = xdr.Int64(fee)
    return data.to_xdr()


@pytest.mark.parametrize(
    ("simulated", "kind"),
    [
        ({}, ChainUnavailable),
        ({"transactionData": "AAAA"}, ChainUnavailable),
        ({"transactionData": resources(fee=-1)}, ChainUnavailable),
        ({"transactionData": resources(fee=2**40)}, FeesTooHigh),
        ({"error": "HostError", "events": ["!"]}, ChainUnavailable),
        ({"error": "HostError: Error(Contract, #9)", "events": []}, ChainRefused),
        (
            {
                "transactionData": resources(fee=1),
                "restorePreamble": {"transactionData": "AAAA", "minResourceFee": "1"},
            },
            ContractArchived,
        ),
    ],
    ids=["nothing", "no XDR", "a gift", "a fortune", "events", "a refusal", "to be restored"],
)
async def test_invalid_simulation_raises_the_matching_error(
    simulated: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        await built(**simulated)


async def test_valid_simulation_gives_an_envelope() -> None:
    await built(transactionData=resources(fee=1))


async def test_approval_reserves_resources_for_a_status_change_that_lands_first() -> None:
    simulated = valid_transaction(INTENTS["approve_milestone"]).ext.soroban_data
    assert simulated is not None

    text = await built("approve_milestone", transactionData=simulated.to_xdr())

    envelope = xdr.TransactionEnvelope.from_xdr(text).v1
    assert envelope is not None
    data = envelope.tx.ext.soroban_data
    assert data is not None
    assert data.resources.write_bytes.uint32 > simulated.resources.write_bytes.uint32
    assert data.resources.footprint == simulated.resources.footprint
    assert data.resource_fee.int64 > simulated.resource_fee.int64
    verifier().verify(text, INTENTS["approve_milestone"], **FRAME)


@pytest.mark.parametrize("given", ["AAAA", "!"])
async def test_unreadable_refusal_leaves_the_outcome_unknown(given: str) -> None:
    http = AnsweringHttp(
        sendTransaction={
            "status": "ERROR",
            "hash": HASH,
            "latestLedger": 50,
            "latestLedgerCloseTime": "1",
            "errorResultXdr": given,
        }
    )
    chain = StellarChain(
        options=OPTIONS, http=http, rpc=rpc_of(http), blueprints=Blueprints(options=OPTIONS)
    )

    with pytest.raises(ChainUnavailable):
        await chain.submit(ENVELOPE)


async def test_transaction_in_a_strangers_fee_bump_is_found_by_its_own_hash() -> None:
    bump = paid_for(ENVELOPE)
    http = AnsweringHttp(getTransaction={**FOUND, "envelopeXdr": bump.to_xdr()})

    found = await history_of(http).find(HASH)

    assert found is not None
    assert (found.hash, found.source) == (HASH, FRAME["source"])


async def test_transaction_in_a_fee_bump_is_listed_under_the_hash_we_signed() -> None:
    bump = paid_for(ENVELOPE)
    landed = {
        "status": "SUCCESS",
        "txHash": bump.hash_hex(),
        "envelopeXdr": bump.to_xdr(),
        "ledger": 40,
    }
    http = AnsweringHttp(getTransactions={"transactions": [landed], "cursor": "9", **SEEN})
    history = history_of(http)

    [found] = (await history.page(start_ledger=None, cursor="1")).found

    assert (found.hash, found.sequence) == (HASH, FRAME["sequence"])
    assert history.is_of(found.envelope_xdr, INTENTS["fund_escrow"])


def paid_for(envelope_xdr: str) -> FeeBumpTransactionEnvelope:
    inner = TransactionEnvelope.from_xdr(envelope_xdr, PASSPHRASE)
    fee = inner.transaction.fee + 10_000
    return TransactionBuilder.build_fee_bump_transaction(Keypair.random(), fee, inner, PASSPHRASE)
