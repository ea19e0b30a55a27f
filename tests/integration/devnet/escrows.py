"""Escrows on the devnet for its tests: the cast, the value, the calls in the contract's order."""

import hashlib
import secrets
from dataclasses import dataclass

from stellar_sdk import Keypair, Network, StrKey, scval, xdr

from tests.integration.devnet.chain import UNIT, Chain, Done, address_of, address_value


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part; `channel` pays fees and lends its sequence number."""

    buyer: Keypair
    seller: Keypair
    platform: Keypair
    channel: Keypair


async def assemble(chain: Chain, *, usdc: str = "100") -> Cast:
    """Create the cast; the buyer holds USDC."""
    return Cast(
        buyer=await chain.holder(usdc),
        seller=await chain.holder(),
        platform=await chain.holder(),
        channel=await chain.funded(),
    )


def escrow_value(chain: Chain, cast: Cast, *, amount: int = 80 * UNIT) -> xdr.SCVal:
    """Return the value of a new escrow."""
    text, no = scval.to_string, scval.to_bool(False)
    milestone = {
        "approved": no,
        "description": text("work"),
        "evidence": text(""),
        "status": text("pending"),
    }
    roles = {
        "approver": address_value(cast.buyer),
        "dispute_resolver": address_value(cast.platform),
        "platform": address_value(cast.platform),
        "receiver": address_value(cast.seller),
        "release_signer": address_value(cast.buyer),
        "service_provider": address_value(cast.seller),
    }
    return scval.to_struct(
        {
            "amount": scval.to_int128(amount),
            "description": text("Logo design"),
            "engagement_id": text("ord_1"),
            "flags": scval.to_struct({"disputed": no, "released": no, "resolved": no}),
            "milestones": scval.to_vec([scval.to_struct(milestone)]),
            "platform_fee": scval.to_uint32(0),
            "receiver_memo": scval.to_uint32(0),
            "roles": scval.to_struct(roles),
            "title": text("Logo"),
            "trustline": scval.to_struct(
                {"address": scval.to_address(chain.info["assetContractId"])}
            ),
        }
    )


def deploy_args(chain: Chain, cast: Cast, salt: bytes) -> list[xdr.SCVal]:
    """Return the factory call's arguments."""
    return [
        address_value(cast.platform),
        scval.to_bytes(bytes.fromhex(chain.info["wasmHash"])),
        scval.to_bytes(salt),
        scval.to_symbol("initialize_escrow"),
        scval.to_vec([escrow_value(chain, cast)]),
        scval.to_vec([]),
    ]


def predicted(chain: Chain, salt: bytes) -> str:
    """Return the contract id that the factory must give to this salt."""
    source = xdr.ContractIDPreimageFromAddress(
        address_value(chain.info["factoryId"]).address,  # type: ignore[arg-type]  # an address
        xdr.Uint256(salt),
    )
    preimage = xdr.HashIDPreimage(
        xdr.EnvelopeType.ENVELOPE_TYPE_CONTRACT_ID,
        contract_id=xdr.HashIDPreimageContractID(
            xdr.Hash(Network(chain.passphrase).network_id()),
            xdr.ContractIDPreimage(
                xdr.ContractIDPreimageType.CONTRACT_ID_PREIMAGE_FROM_ADDRESS, from_address=source
            ),
        ),
    )
    return StrKey.encode_contract(hashlib.sha256(preimage.to_xdr_bytes()).digest())


async def deploy(chain: Chain, cast: Cast) -> str:
    """Deploy an escrow; the channel is the source, the platform authorises."""
    args = deploy_args(chain, cast, secrets.token_bytes(32))
    factory = chain.info["factoryId"]
    done = await chain.invoke(
        cast.channel, factory, "tw_new_single_release_escrow", args, authorizer=cast.platform
    )
    assert done.ok
    return address_of(scval.from_vec(done.value)[0])


async def stored(chain: Chain, contract: str) -> xdr.SCVal:
    """Return the escrow's value from its ledger entry."""
    entry = await chain.rpc.get_contract_data(contract, scval.to_vec([scval.to_symbol("Escrow")]))
    assert entry is not None
    data = xdr.LedgerEntryData.from_xdr(entry.xdr).contract_data
    assert data is not None
    return data.val


async def fund(chain: Chain, cast: Cast, contract: str, amount: int = 80 * UNIT) -> Done:
    """Fund an escrow from the buyer's wallet."""
    expected = await stored(chain, contract)
    args = [address_value(cast.buyer), expected, scval.to_int128(amount)]
    return await chain.invoke(cast.channel, contract, "fund_escrow", args, authorizer=cast.buyer)


async def deliver(chain: Chain, cast: Cast, contract: str) -> Done:
    """Let the seller report the work as done."""
    args = [
        scval.to_uint32(0),
        scval.to_string("Completed"),
        scval.to_string("https://example.org/logo"),
        address_value(cast.seller),
    ]
    return await chain.invoke(
        cast.channel, contract, "change_milestone_status", args, authorizer=cast.seller
    )


async def approve(chain: Chain, cast: Cast, contract: str) -> Done:
    """Let the buyer approve."""
    args = [scval.to_uint32(0), address_value(cast.buyer)]
    return await chain.invoke(
        cast.channel, contract, "approve_milestone", args, authorizer=cast.buyer
    )


async def release(chain: Chain, cast: Cast, contract: str) -> Done:
    """Let the buyer release."""
    args = [address_value(cast.buyer)]
    return await chain.invoke(cast.channel, contract, "release_funds", args, authorizer=cast.buyer)


async def dispute(chain: Chain, cast: Cast, contract: str) -> Done:
    """Let the buyer open a dispute."""
    args = [address_value(cast.buyer)]
    return await chain.invoke(cast.channel, contract, "dispute_escrow", args, authorizer=cast.buyer)


async def resolve(chain: Chain, cast: Cast, contract: str, shares: dict[str, int]) -> Done:
    """Let the platform decide; shares: address → minor units."""
    paid = {address_value(who): scval.to_int128(share) for who, share in shares.items()}
    args = [address_value(cast.platform), scval.to_map(paid)]
    return await chain.invoke(
        cast.channel, contract, "resolve_dispute", args, authorizer=cast.platform
    )
