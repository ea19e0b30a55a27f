"""One escrow's stored value, its token balance, and the transfers it makes."""

from stellar_sdk import scval, xdr

from devnet.chain.addresses import address_value
from devnet.chain.packed import PackedValue
from devnet.chain.values import symbol
from devnet.soroban import escrow_value
from devnet.soroban.errors import contract_error
from devnet.soroban.escrow_codes import Refusal
from devnet.soroban.escrow_value import Escrow
from devnet.soroban.host import Host
from devnet.soroban.profiles import Profile

THRESHOLD_LEDGERS = 17_280
"""The contract extends its value's lifetime only when at most this much is left."""
EXTEND_TO_LEDGERS = 31_536_000
"""The lifetime that the contract requests on every write; the network caps it."""

KEY = PackedValue(scval.to_vec([symbol("Escrow")]))


class EscrowStorage:
    """The running contract's escrow. fee_address: the provider's, which the build knows."""

    def __init__(self, host: Host, *, profile: Profile, fee_address: str) -> None:
        self.host = host
        self.profile = profile
        self.fee_address = fee_address

    def find(self) -> Escrow | None:
        """Return the escrow, or None before it is initialised."""
        value = self.host.read(KEY)
        return None if value is None else escrow_value.decode(value, profile=self.profile)

    def load(self) -> Escrow:
        """Return the escrow. Raises: HostError: number 3."""
        return escrow_value.decode(self.load_value(), profile=self.profile)

    def load_value(self) -> xdr.SCVal:
        """Return the escrow as stored. Raises: HostError: number 3."""
        value = self.host.read(KEY)
        if value is None:
            raise contract_error(Refusal.ESCROW_NOT_FOUND)
        return value

    def save(self, escrow: Escrow) -> xdr.SCVal:
        """Store the escrow and return it as a contract value."""
        value = escrow_value.encode(escrow, profile=self.profile)
        self.host.write(KEY, value)
        self.extend(EXTEND_TO_LEDGERS)
        return value

    def extend(self, ledgers: int) -> None:
        """Extend the escrow's life to this many ledgers from now, if it is near its end.

        Raises: HostError: fewer ledgers than the threshold.
        """
        self.host.extend(KEY, threshold=THRESHOLD_LEDGERS, extend_to=ledgers)

    def balance_of(self, token: str, holder: str) -> int:
        """Ask the token for a balance, in minor units."""
        answer = self.host.call(token, "balance", [address_value(holder)])
        return scval.from_int128(answer)

    def decimals_of(self, token: str) -> int:
        """Ask the token for its decimals."""
        return scval.from_uint32(self.host.call(token, "decimals", []))

    def transfer(self, token: str, *, sender: str, receiver: str, amount: int) -> None:
        """Let the token move minor units."""
        args = [address_value(sender), address_value(receiver), scval.to_int128(amount)]
        self.host.call(token, "transfer", args)

    def pay(self, token: str, *, receiver: str, amount: int) -> None:
        """Pay out of the escrow; an amount of zero does nothing."""
        if amount > 0:
            self.transfer(token, sender=self.host.contract, receiver=receiver, amount=amount)
