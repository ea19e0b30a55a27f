"""Outcomes are read from result, meta (v3 and v4) and diagnostic events."""

from typing import Any

import pytest
from stellar_sdk import scval, xdr
from stellar_sdk.soroban_rpc import GetTransactionResponse

from services.escrow.contracts.evidence import ContractError, OutcomeStatus
from services.escrow.ports import ChainUnavailable
from services.escrow.stellar.addresses import sc_address
from services.escrow.stellar.outcomes import innermost_error, outcome_of, result_code, transfers_in
from tests.unit.escrow.stellar_envelopes import (
    ASSET_CONTRACT,
    BUYER,
    ESCROW,
    SELLER,
    contract_of,
)

HASH = "ab" * 32
Invoked = xdr.InvokeHostFunctionResultCode


def event(contract: str, topics: list[xdr.SCVal], data: xdr.SCVal) -> xdr.ContractEvent:
    return xdr.ContractEvent(
        xdr.ExtensionPoint(0),
        sc_address(contract).contract_id,
        xdr.ContractEventType.CONTRACT,
        xdr.ContractEventBody(0, xdr.ContractEventV0(topics, data)),
    )


def transfer(*, contract: str = ASSET_CONTRACT, amount: int = 5, muxed: bool = False) -> Any:
    topics = [
        scval.to_symbol("transfer"),
        scval.to_address(ESCROW),
        scval.to_address(SELLER),
        scval.to_string("USDC:G"),
    ]
    data = scval.to_int128(amount)
    if muxed:
        data = scval.to_struct({"amount": data, "to_muxed_id": scval.to_uint64(9)})
    return event(contract, topics, data)


def failure(contract: str, code: int) -> xdr.DiagnosticEvent:
    error = xdr.SCError(xdr.SCErrorType.SCE_CONTRACT, contract_code=xdr.Uint32(code))
    value = xdr.SCVal(xdr.SCValType.SCV_ERROR, error=error)
    data = scval.to_string("failing")
    return xdr.DiagnosticEvent(False, event(contract, [scval.to_symbol("error"), value], data))


def meta_v4(*events: xdr.ContractEvent, diagnostics: Any = ()) -> xdr.TransactionMeta:
    changes = xdr.LedgerEntryChanges([])
    return xdr.TransactionMeta(
        4,
        v4=xdr.TransactionMetaV4(
            xdr.ExtensionPoint(0),
            changes,
            [xdr.OperationMetaV2(xdr.ExtensionPoint(0), changes, list(events))],
            changes,
            xdr.SorobanTransactionMetaV2(xdr.SorobanTransactionMetaExt(0), scval.to_uint32(7)),
            [],
            list(diagnostics),
        ),
    )


def meta_v3(*events: xdr.ContractEvent) -> xdr.TransactionMeta:
    changes = xdr.LedgerEntryChanges([])
    soroban = xdr.SorobanTransactionMeta(
        xdr.SorobanTransactionMetaExt(0), list(events), scval.to_uint32(7), []
    )
    v3 = xdr.TransactionMetaV3(xdr.ExtensionPoint(0), changes, [], changes, soroban)
    return xdr.TransactionMeta(3, v3=v3)


def invoked(code: xdr.InvokeHostFunctionResultCode) -> xdr.TransactionResult:
    succeeded = code == Invoked.INVOKE_HOST_FUNCTION_SUCCESS
    inner = xdr.InvokeHostFunctionResult(code, success=xdr.Hash(b"\0" * 32) if succeeded else None)
    operation = xdr.OperationResult(
        xdr.OperationResultCode.opINNER,
        tr=xdr.OperationResultTr(
            xdr.OperationType.INVOKE_HOST_FUNCTION, invoke_host_function_result=inner
        ),
    )
    codes = xdr.TransactionResultCode
    outer = codes.txSUCCESS if succeeded else codes.txFAILED
    return result(outer, [operation])


def result(code: xdr.TransactionResultCode, operations: Any = None) -> xdr.TransactionResult:
    return xdr.TransactionResult(
        xdr.Int64(100),
        xdr.TransactionResultResult(code, results=operations),
        xdr.TransactionResultExt(0),
    )


def answer(status: str, **more: Any) -> GetTransactionResponse:
    document = {
        "status": status,
        "txHash": HASH,
        "latestLedger": 50,
        "latestLedgerCloseTime": "1700000050",
        "oldestLedger": 3,
        "oldestLedgerCloseTime": "1700000003",
        "ledger": 40,
        "createdAt": "1700000040",
    }
    return GetTransactionResponse.model_validate({**document, **more})


@pytest.mark.parametrize("meta", [meta_v3(transfer()), meta_v4(transfer())], ids=["v3", "v4"])
def test_success_lists_its_payments(meta: xdr.TransactionMeta) -> None:
    done = invoked(Invoked.INVOKE_HOST_FUNCTION_SUCCESS)

    outcome = outcome_of(
        answer("SUCCESS", resultXdr=done.to_xdr(), resultMetaXdr=meta.to_xdr()),
        asset_contract=ASSET_CONTRACT,
    )

    (payment,) = outcome.payments
    assert (payment.from_address, payment.to_address, payment.amount) == (ESCROW, SELLER, 5)
    assert (outcome.ledger, outcome.close_time, outcome.code) == (40, 1_700_000_040, "txSUCCESS")
    assert (outcome.latest_ledger, outcome.oldest_ledger) == (50, 3)


def test_not_found_is_neither_success_nor_failure() -> None:
    outcome = outcome_of(answer("NOT_FOUND"), asset_contract=ASSET_CONTRACT)

    assert (outcome.status, outcome.ledger) == (OutcomeStatus.NOT_FOUND, 0)
    assert outcome.latest_close_time == 1_700_000_050


def test_a_success_without_its_result_is_not_evidence() -> None:
    outcome = outcome_of(answer("SUCCESS"), asset_contract=ASSET_CONTRACT)

    assert outcome.status is OutcomeStatus.NOT_FOUND


@pytest.mark.parametrize("place", ["answer", "meta"])
def test_a_failure_names_the_innermost_contract(place: str) -> None:
    # The token refuses (13: no trustline), and the escrow passes it on (13: already disputed).
    events = [failure(ASSET_CONTRACT, 13), failure(ESCROW, 13)]
    in_meta = events if place == "meta" else ()
    more: dict[str, Any] = {
        "resultXdr": invoked(Invoked.INVOKE_HOST_FUNCTION_TRAPPED).to_xdr(),
        "resultMetaXdr": meta_v4(transfer(), diagnostics=in_meta).to_xdr(),
    }
    if place == "answer":
        more["diagnosticEventsXdr"] = [item.to_xdr() for item in events]

    outcome = outcome_of(answer("FAILED", **more), asset_contract=ASSET_CONTRACT)

    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.contract_error == ContractError(contract_id=ASSET_CONTRACT, code=13)
    assert outcome.code == "INVOKE_HOST_FUNCTION_TRAPPED"
    assert outcome.payments == ()


def test_earlier_caught_error_is_not_the_final_error() -> None:
    events = [failure(contract_of("tried"), 9), failure(ASSET_CONTRACT, 10), failure(ESCROW, 10)]

    assert innermost_error(events) == ContractError(contract_id=ASSET_CONTRACT, code=10)


def test_failure_outside_any_contract_has_no_contract_error() -> None:
    host = xdr.SCError(xdr.SCErrorType.SCE_AUTH, code=xdr.SCErrorCode.SCEC_INVALID_ACTION)
    value = xdr.SCVal(xdr.SCValType.SCV_ERROR, error=host)
    auth = event(ESCROW, [scval.to_symbol("error"), value], scval.to_string("auth"))
    other = event(ESCROW, [scval.to_symbol("log")], scval.to_string("x"))

    assert innermost_error([xdr.DiagnosticEvent(False, auth)]) is None
    assert innermost_error([xdr.DiagnosticEvent(False, other)]) is None
    assert innermost_error([]) is None


def test_only_transfers_of_our_asset_count() -> None:
    other = event(ASSET_CONTRACT, [scval.to_symbol("approve")] * 4, scval.to_int128(5))
    events = [transfer(contract=contract_of("fake")), other, transfer(amount=6, muxed=True)]

    (payment,) = transfers_in(events, asset_contract=ASSET_CONTRACT)

    assert (payment.amount, payment.event_index) == (6, 2)


def test_result_code_is_the_innermost_code() -> None:
    codes = xdr.TransactionResultCode
    no_account = xdr.OperationResult(xdr.OperationResultCode.opNO_ACCOUNT)

    assert result_code(result(codes.txBAD_SEQ)) == "txBAD_SEQ"
    assert result_code(result(codes.txFAILED, [no_account])) == "opNO_ACCOUNT"
    assert result_code(invoked(Invoked.INVOKE_HOST_FUNCTION_RESOURCE_LIMIT_EXCEEDED)).endswith(
        "RESOURCE_LIMIT_EXCEEDED"
    )


def test_result_code_of_a_fee_bump_is_the_inner_transactions_code() -> None:
    failed = invoked(Invoked.INVOKE_HOST_FUNCTION_TRAPPED)
    inside = xdr.InnerTransactionResult(
        xdr.Int64(0),
        xdr.InnerTransactionResultResult(failed.result.code, results=failed.result.results),
        xdr.InnerTransactionResultExt(0),
    )
    pair = xdr.InnerTransactionResultPair(xdr.Hash(bytes(32)), inside)
    outer = xdr.TransactionResultCode.txFEE_BUMP_INNER_FAILED
    paid = xdr.TransactionResult(
        xdr.Int64(100),
        xdr.TransactionResultResult(outer, inner_result_pair=pair),
        xdr.TransactionResultExt(0),
    )

    assert result_code(paid) == "INVOKE_HOST_FUNCTION_TRAPPED"


def test_burn_is_not_a_payment() -> None:
    burn = event(
        ASSET_CONTRACT,
        [scval.to_symbol("burn"), scval.to_address(BUYER), scval.to_string("USDC:G")],
        scval.to_int128(1),
    )

    assert transfers_in([burn], asset_contract=ASSET_CONTRACT) == ()


DONE = invoked(Invoked.INVOKE_HOST_FUNCTION_SUCCESS).to_xdr()
FAILED = invoked(Invoked.INVOKE_HOST_FUNCTION_TRAPPED).to_xdr()
META = meta_v4(transfer()).to_xdr()


def test_a_success_without_its_effects_is_not_evidence() -> None:
    outcome = outcome_of(answer("SUCCESS", resultXdr=DONE), asset_contract=ASSET_CONTRACT)

    assert outcome.status is OutcomeStatus.NOT_FOUND


@pytest.mark.parametrize(
    "given",
    [
        answer("SUCCESS", resultXdr=FAILED, resultMetaXdr=META),
        answer("FAILED", resultXdr=DONE, resultMetaXdr=META),
        answer("SUCCESS", resultXdr=DONE, resultMetaXdr=META, ledger=None),
        answer("SUCCESS", resultXdr=DONE, resultMetaXdr=META, ledger=51),
        answer("SUCCESS", resultXdr=DONE, resultMetaXdr="AAAA"),
        answer("FAILED", resultXdr="!"),
        answer("SUCCESS", resultXdr=DONE, resultMetaXdr=meta_v4(transfer(amount=-5)).to_xdr()),
    ],
    ids=[
        "a failure called a success",
        "a success called a failure",
        "no ledger",
        "a ledger to come",
        "effects that cannot be read",
        "a result that cannot be read",
        "a negative amount",
    ],
)
def test_an_answer_that_contradicts_itself_leaves_the_outcome_unknown(
    given: GetTransactionResponse,
) -> None:
    with pytest.raises(ChainUnavailable):
        outcome_of(given, asset_contract=ASSET_CONTRACT)


def test_diagnostic_event_in_the_assets_name_is_not_a_payment() -> None:
    told = transfer()
    told.type = xdr.ContractEventType.DIAGNOSTIC

    assert transfers_in([told], asset_contract=ASSET_CONTRACT) == ()
