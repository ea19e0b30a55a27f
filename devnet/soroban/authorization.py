"""Authorisation of calls: recorded in a simulation, enforced when a transaction is applied.

An authorisation entry is a tree of calls that an address allows. The recorder builds the trees that
a call needs. The enforcer walks the given trees along with the call stack, uses every node once,
and checks expiry, nonce and signature when a tree's root is first used.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from stellar_sdk import scval, xdr

from devnet.chain import keys, rules
from devnet.chain.addresses import account_raw, from_sc_address, present, sc_address
from devnet.chain.entries import Account, encode_contract_data, read_account
from devnet.chain.envelope import verify
from devnet.chain.joining import array, number
from devnet.chain.state import Entry
from devnet.chain.validity import MASTER, MEDIUM
from devnet.soroban.errors import Code, HostError, Kind, host_error
from devnet.soroban.host import Frame, Host

Credentials = xdr.SorobanCredentialsType
_UNBOUND = xdr.EnvelopeType.ENVELOPE_TYPE_SOROBAN_AUTHORIZATION
_BOUND = xdr.EnvelopeType.ENVELOPE_TYPE_SOROBAN_AUTHORIZATION_WITH_ADDRESS


def _refusal(note: str, code: xdr.SCErrorCode = Code.SCEC_INVALID_ACTION) -> HostError:
    return host_error(Kind.SCE_AUTH, code, note)


def authorized_function(frame: Frame) -> xdr.SorobanAuthorizedFunction:
    """Describe a call in the form of authorisation entries."""
    return xdr.SorobanAuthorizedFunction(
        xdr.SorobanAuthorizedFunctionType.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CONTRACT_FN,
        contract_fn=xdr.InvokeContractArgs(
            contract_address=sc_address(frame.contract),
            function_name=xdr.SCSymbol(frame.function.encode()),
            args=list(frame.args),
        ),
    )


class Recorder:
    """Allows every call and records which addresses had to allow which calls."""

    def __init__(self, *, source: str) -> None:
        self._source = source
        self._root: Frame | None = None
        self._nonces: dict[str, int] = {}
        self._demanded: dict[str, None] = {}

    def push(self, frame: Frame) -> None:
        """Enter a call."""
        if self._root is None:
            self._root = frame

    def pop(self) -> None:
        """Leave a call."""

    def require(self, host: Host, address: str, frame: Frame) -> None:
        """Record that the address must allow this call. Raises: HostError: no such account."""
        frame.authorized.append(address)
        self._demanded[address] = None
        if address == self._source or address in self._nonces:
            return
        if read_account(host.view, address) is None:
            raise _refusal("account does not exist", Code.SCEC_MISSING_VALUE)
        # A nonce is spent when the entry is used, so its key is already a part of the footprint.
        nonce = secrets.randbits(63)
        self._nonces[address] = nonce
        _spend_nonce(host, address, nonce, host.view.sequence)

    def entries(self) -> list[xdr.SorobanAuthorizationEntry]:
        """Return the entries of the call; those of the source account need no signature."""
        root = present(self._root)
        return [
            xdr.SorobanAuthorizationEntry(self._credentials(address), tree)
            for address in self._demanded
            for tree in _trees(root, address)
        ]

    def _credentials(self, address: str) -> xdr.SorobanCredentials:
        if address == self._source:
            return xdr.SorobanCredentials(Credentials.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT)
        unsigned = xdr.SorobanAddressCredentials(
            address=sc_address(address),
            nonce=xdr.Int64(self._nonces[address]),
            signature_expiration_ledger=xdr.Uint32(0),
            signature=scval.to_void(),
        )
        return xdr.SorobanCredentials(Credentials.SOROBAN_CREDENTIALS_ADDRESS, address=unsigned)


def _trees(frame: Frame, address: str) -> list[xdr.SorobanAuthorizedInvocation]:
    below = [tree for call in frame.calls for tree in _trees(call, address)]
    if address not in frame.authorized:
        return below
    return [xdr.SorobanAuthorizedInvocation(authorized_function(frame), below)]


@dataclass(slots=True)
class _Node:
    function: bytes
    calls: list["_Node"]
    used: bool = False

    def encoded(self) -> bytes:
        """Return the XDR of the invocation: the call, and its sub-calls."""
        return self.function + array([call.encoded() for call in self.calls])


@dataclass(slots=True)
class _Tracker:
    """One given entry: its tree, and the node that matched each open call."""

    entry: xdr.SorobanAuthorizationEntry
    address: str
    root: _Node
    matched: list[_Node | None] = field(default_factory=list)


class Enforcer:
    """Allows only what the given entries allow."""

    def __init__(
        self,
        entries: Sequence[xdr.SorobanAuthorizationEntry],
        *,
        source: str,
        network_id: bytes,
    ) -> None:
        self._network_id = network_id
        self._trackers = [_track(entry, source) for entry in entries]

    def push(self, _frame: Frame) -> None:
        """Enter a call."""
        for tracker in self._trackers:
            tracker.matched.append(None)

    def pop(self) -> None:
        """Leave a call."""
        for tracker in self._trackers:
            tracker.matched.pop()

    def require(self, host: Host, address: str, frame: Frame) -> None:
        """Use up the entry node that allows this call.

        Raises: HostError: nothing allows it, or the entry is expired, spent or badly signed.
        """
        function = authorized_function(frame).to_xdr_bytes()
        for tracker in self._trackers:
            if tracker.address != address:
                continue
            above = next((node for node in reversed(tracker.matched) if node is not None), None)
            candidates = [tracker.root] if above is None else above.calls
            node = next((n for n in candidates if not n.used and n.function == function), None)
            if node is None:
                continue
            if above is None:
                self._authenticate(host, tracker)
            node.used = True
            tracker.matched[-1] = node
            return
        raise _refusal(f"Unauthorized function call for address {address}")

    def _authenticate(self, host: Host, tracker: _Tracker) -> None:
        credentials = address_credentials(tracker.entry)
        if credentials is None:
            return
        expiration = credentials.signature_expiration_ledger.uint32
        if expiration < host.view.sequence:
            raise _refusal("signature has expired", Code.SCEC_INVALID_INPUT)
        if expiration > host.view.sequence + rules.MAX_TTL:
            raise _refusal("signature expiration is too late", Code.SCEC_INVALID_INPUT)
        account = read_account(host.view, tracker.address)
        if account is None:
            raise _refusal("account does not exist", Code.SCEC_MISSING_VALUE)
        digest = _digest(tracker, network_id=self._network_id)
        _check_signatures(credentials.signature, account, digest)
        _spend_nonce(host, tracker.address, credentials.nonce.int64, expiration)


def _track(entry: xdr.SorobanAuthorizationEntry, source: str) -> _Tracker:
    credentials = address_credentials(entry)
    address = source
    if credentials is not None:
        address = from_sc_address(credentials.address).account
    return _Tracker(entry, address, _node(entry.root_invocation))


def _node(invocation: xdr.SorobanAuthorizedInvocation) -> _Node:
    calls = [_node(item) for item in invocation.sub_invocations]
    return _Node(invocation.function.to_xdr_bytes(), calls)


def address_credentials(
    entry: xdr.SorobanAuthorizationEntry,
) -> xdr.SorobanAddressCredentials | None:
    """Return an entry's address credentials; None if the source account authorises it."""
    credentials = entry.credentials
    if credentials.type == Credentials.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT:
        return None
    return present(credentials.address or credentials.address_v2)


def _digest(tracker: _Tracker, *, network_id: bytes) -> bytes:
    """Return the 32 bytes that are signed; the newer kind also binds the address (CAP-71)."""
    credentials = present(address_credentials(tracker.entry))
    is_bound = tracker.entry.credentials.address is None
    preimage = (
        number(_BOUND if is_bound else _UNBOUND),
        network_id,
        credentials.nonce.to_xdr_bytes(),
        credentials.signature_expiration_ledger.to_xdr_bytes(),
        credentials.address.to_xdr_bytes() if is_bound else b"",
        tracker.root.encoded(),
    )
    return hashlib.sha256(b"".join(preimage)).digest()


def _check_signatures(value: xdr.SCVal, account: Account, digest: bytes) -> None:
    """Check signatures of an account's keys. Their weights must reach its medium threshold.

    Source: soroban-env-host, builtin_contracts/account_contract.rs.
    """
    keys_of = {account.address: account.thresholds[MASTER], **dict(account.signers)}
    weights = {account_raw(address): (address, weight) for address, weight in keys_of.items()}
    total = 0
    try:
        given = [scval.from_struct(item) for item in scval.from_vec(value)]
        pairs = [
            (scval.from_bytes(item["public_key"]), scval.from_bytes(item["signature"]))
            for item in given
        ]
    except (ValueError, KeyError) as error:
        raise _refusal("signature has the wrong shape", Code.SCEC_INVALID_INPUT) from error
    if not pairs:
        raise _refusal("signature is missing", Code.SCEC_INVALID_INPUT)
    for key, signature in pairs:
        address, weight = weights.get(key, ("", 0))
        if not weight:
            raise _refusal("signature doesn't belong to account", Code.SCEC_INVALID_ACTION)
        total += weight
        if not verify(address, message=digest, signature=signature):
            raise host_error(
                Kind.SCE_CRYPTO, Code.SCEC_INVALID_INPUT, "failed ED25519 verification"
            )
    if len(dict(pairs)) < len(pairs) or total < account.thresholds[MEDIUM]:
        raise _refusal("signature weight is lower than threshold")


def _spend_nonce(host: Host, address: str, nonce: int, expiration: int) -> None:
    key = keys.nonce(address, nonce)
    entry = host.view.get(key)
    if entry is not None and (entry.live_until or 0) >= host.view.sequence:
        raise _refusal("nonce already exists for address", Code.SCEC_EXISTING_VALUE)
    data = encode_contract_data(
        contract=address,
        key=present(keys.parse(key).contract_data).key,
        durability=keys.TEMPORARY,
        value=scval.to_void(),
    )
    host.view.put(key, Entry(data, live_until=expiration))
