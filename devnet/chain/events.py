"""Asset events: the events of payments, mints and fees (CAP-67, SEP-41)."""

from stellar_sdk import scval, xdr

from devnet.chain.addresses import address_value, contract_raw, present
from devnet.chain.assets import NATIVE, AssetRef, contract_id
from devnet.chain.joining import ABSENT, NO_EXTENSION, PRESENT, array, number
from devnet.chain.values import struct, symbol, text

MuxedTag = xdr.SCVal


def contract_event(*, contract: str, topics: list[xdr.SCVal], data: xdr.SCVal) -> xdr.ContractEvent:
    """Build an event of a contract."""
    return xdr.ContractEvent(
        ext=xdr.ExtensionPoint(0),
        contract_id=xdr.ContractID(xdr.Hash(contract_raw(contract))),
        type=xdr.ContractEventType.CONTRACT,
        body=xdr.ContractEventBody(0, xdr.ContractEventV0(topics, data)),
    )


def encoded(event: xdr.ContractEvent) -> bytes:
    """Return an event as XDR, joined from its topics and its data, which may be packed."""
    body = present(event.body.v0)
    return b"".join(
        (
            NO_EXTENSION,
            ABSENT if event.contract_id is None else PRESENT + event.contract_id.to_xdr_bytes(),
            number(event.type),
            number(event.body.v),
            array([topic.to_xdr_bytes() for topic in body.topics]),
            body.data.to_xdr_bytes(),
        )
    )


def movement(
    *,
    passphrase: str,
    asset: AssetRef,
    sender: str,
    receiver: str,
    amount: int,
    tag: MuxedTag | None = None,
) -> xdr.ContractEvent:
    """Build the event of a moved amount: transfer, or mint or burn at the issuer.

    amount: minor units. tag: the receiver's multiplexed id, or the transaction's memo.
    """
    name = text(asset.name)
    if sender == asset.issuer and receiver != asset.issuer:
        topics = [symbol("mint"), address_value(receiver), name]
    elif receiver == asset.issuer and sender != asset.issuer:
        topics = [symbol("burn"), address_value(sender), name]
        tag = None
    else:
        topics = [
            symbol("transfer"),
            address_value(sender),
            address_value(receiver),
            name,
        ]
    return contract_event(
        contract=contract_id(asset, passphrase), topics=topics, data=_amount(amount, tag)
    )


def of_asset(
    *, passphrase: str, asset: AssetRef, name: str, about: xdr.SCVal, data: xdr.SCVal
) -> xdr.ContractEvent:
    """Build an asset's event about one holder, such as a clawback."""
    topics = [symbol(name), about, text(asset.name)]
    return contract_event(contract=contract_id(asset, passphrase), topics=topics, data=data)


def fee(*, passphrase: str, payer: str, amount: int) -> xdr.ContractEvent:
    """Build the event of a fee taken in stroops of XLM."""
    return contract_event(
        contract=contract_id(NATIVE, passphrase),
        topics=[symbol("fee"), address_value(payer)],
        data=scval.to_int128(amount),
    )


def memo_tag(memo: xdr.Memo) -> MuxedTag | None:
    """Return a memo in the form of asset events' `to_muxed_id`, or None without a memo."""
    if memo.text is not None:
        return scval.to_string(memo.text)
    if memo.id is not None:
        return scval.to_uint64(memo.id.uint64)
    digest = memo.hash or memo.ret_hash
    return None if digest is None else scval.to_bytes(digest.hash)


def _amount(amount: int, tag: MuxedTag | None) -> xdr.SCVal:
    if tag is None:
        return scval.to_int128(amount)
    return struct({"amount": scval.to_int128(amount), "to_muxed_id": tag})
