"""The first ledger: the network's own accounts, two minted assets, the escrow code and factory."""

from collections.abc import Mapping

from devnet.chain import keys, rules
from devnet.chain.assets import NATIVE
from devnet.chain.entries import (
    Account,
    Trustline,
    encode_code,
    write_account,
    write_trustline,
)
from devnet.chain.instances import deploy_asset_contract, encode_instance
from devnet.chain.keys import Key
from devnet.chain.state import Entries, Entry, View
from devnet.network.identity import Identity
from devnet.soroban.profiles import PROFILES

FIRST_LEDGER = 1
TILL_COUNT = 100
"""Accounts whose sequence numbers the faucet uses: it can make this many payments a ledger."""
PLENTY = 10**17
"""Ten billion units, in minor units."""


def till(number: int) -> str:
    """Return the name of the faucet's account with this number."""
    return f"till-{number}"


def entries(
    identity: Identity, lifetimes: rules.Lifetimes = rules.LIFETIMES["main"]
) -> Mapping[Key, Entry]:
    """Return the entries of the first ledger."""
    view = View(Entries(), sequence=FIRST_LEDGER)
    assets = (identity.usdc, identity.other_asset)
    holders = (identity.distributor.public_key, identity.fee_address)
    issuers = tuple(asset.issuer for asset in assets if asset.issuer is not None)
    tills = tuple(identity.address(till(number)) for number in range(TILL_COUNT))
    for address in (identity.friendbot.public_key, *holders, *issuers, *tills):
        count = len(assets) if address in holders else 0
        # As on the real networks, the issuer of USDC may freeze balances but not claw them back.
        flags = rules.AUTH_REVOCABLE if address in issuers else 0
        account = Account(
            address=address, balance=PLENTY, sequence=0, sub_entries=count, flags=flags
        )
        write_account(view, account)
    for holder, minted in zip(holders, (PLENTY, 0), strict=True):
        for asset in assets:
            line = Trustline(address=holder, asset=asset, balance=minted, limit=rules.INT64_MAX)
            write_trustline(view, line)
    for asset in (NATIVE, *assets):
        deploy_asset_contract(
            view, asset=asset, passphrase=identity.passphrase, lifetimes=lifetimes
        )
    _put_code(view, identity)
    return {key: entry for key, entry in view.changes.items() if entry is not None}


def _put_code(view: View, identity: Identity) -> None:
    live_until = FIRST_LEDGER + rules.MAX_TTL - 1
    for profile in (*PROFILES, identity.profile):
        code = encode_code(wasm_hash=profile.wasm_hash, wasm=profile.wasm)
        view.put(keys.code(profile.wasm_hash), Entry(code, live_until=live_until))
    instance = encode_instance(contract=identity.factory, wasm_hash=identity.profile.wasm_hash)
    view.put(keys.instance(identity.factory), Entry(instance, live_until=live_until))
