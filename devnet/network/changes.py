"""Entry changes of a transaction's meta: the state of every entry before and after.

Source: Stellar-ledger.x, `LedgerEntryChange`; stellar-core, LedgerTxn.cpp, `getChanges`; CAP-66 for
restored entries.
"""

import hashlib
from collections.abc import Mapping

from stellar_sdk import xdr

from devnet.chain.addresses import account_id
from devnet.chain.keys import Key, parse
from devnet.chain.state import Entry, Readable

Kind = xdr.LedgerEntryChangeType
Changed = Mapping[Key, Entry | None]


def entry_changes(
    changed: Changed, before: Readable, *, restored: Mapping[Key, None] | None = None
) -> list[xdr.LedgerEntryChange]:
    """Describe changes relative to the state before. restored: which entries were archived."""
    found = []
    for key, after in changed.items():
        old = before.get(key)
        if restored is not None and key in restored and after is not None:
            found += _restored(key, after)
            continue
        if old is None or after is None or (old.data, old.modified) != (after.data, after.modified):
            found += _of_entry(key, old, after)
        old_life = None if old is None else old.live_until
        life = None if after is None else after.live_until
        if old_life != life:
            found += _of_life(key, old, after)
    return found


def _of_entry(key: Key, old: Entry | None, after: Entry | None) -> list[xdr.LedgerEntryChange]:
    found = []
    if old is not None:
        found.append(xdr.LedgerEntryChange(Kind.LEDGER_ENTRY_STATE, state=_entry(old)))
    if after is None:
        if old is not None:
            found.append(xdr.LedgerEntryChange(Kind.LEDGER_ENTRY_REMOVED, removed=parse(key)))
    elif old is None:
        found.append(xdr.LedgerEntryChange(Kind.LEDGER_ENTRY_CREATED, created=_entry(after)))
    else:
        found.append(xdr.LedgerEntryChange(Kind.LEDGER_ENTRY_UPDATED, updated=_entry(after)))
    return found


def _of_life(key: Key, old: Entry | None, after: Entry | None) -> list[xdr.LedgerEntryChange]:
    if after is None or after.live_until is None:
        return []
    life = _life(key, after)
    if old is None or old.live_until is None:
        return [xdr.LedgerEntryChange(Kind.LEDGER_ENTRY_CREATED, created=life)]
    return [
        xdr.LedgerEntryChange(Kind.LEDGER_ENTRY_STATE, state=_life(key, old)),
        xdr.LedgerEntryChange(Kind.LEDGER_ENTRY_UPDATED, updated=life),
    ]


def _restored(key: Key, after: Entry) -> list[xdr.LedgerEntryChange]:
    kind = Kind.LEDGER_ENTRY_RESTORED
    return [
        xdr.LedgerEntryChange(kind, restored=_entry(after)),
        xdr.LedgerEntryChange(kind, restored=_life(key, after)),
    ]


def _entry(entry: Entry) -> xdr.LedgerEntry:
    extension = xdr.LedgerEntryExt(0)
    if entry.sponsor is not None:
        sponsor = xdr.SponsorshipDescriptor(account_id(entry.sponsor))
        nothing = xdr.LedgerEntryExtensionV1Ext(0)
        extension = xdr.LedgerEntryExt(1, v1=xdr.LedgerEntryExtensionV1(sponsor, nothing))
    data = xdr.LedgerEntryData.from_xdr_bytes(entry.data)
    return xdr.LedgerEntry(xdr.Uint32(entry.modified), data, extension)


def _life(key: Key, entry: Entry) -> xdr.LedgerEntry:
    life = xdr.TTLEntry(
        key_hash=xdr.Hash(hashlib.sha256(key).digest()),
        live_until_ledger_seq=xdr.Uint32(entry.live_until or 0),
    )
    data = xdr.LedgerEntryData(xdr.LedgerEntryType.TTL, ttl=life)
    return xdr.LedgerEntry(xdr.Uint32(entry.modified), data, xdr.LedgerEntryExt(0))
