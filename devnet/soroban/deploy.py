"""Deploys an escrow: the factory function, and the address of a new contract."""

import hashlib
from collections.abc import Sequence

from stellar_sdk import Network, scval, xdr

from devnet.chain import keys
from devnet.chain.addresses import address_value, contract_text, sc_address
from devnet.chain.instances import encode_instance
from devnet.chain.state import Entry
from devnet.soroban.errors import Code, Kind, contract_error, host_error
from devnet.soroban.escrow_codes import Refusal
from devnet.soroban.escrow_storage import EscrowStorage
from devnet.soroban.escrow_value import address
from devnet.soroban.host import Host

HASH_SIZE = 32


def deploy_escrow(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    """Deploy a contract with the running contract as its deployer, and call its init function.

    args: signer, wasm hash, salt, init function, init arguments, constructor arguments. Returns:
    the new address and the init function's answer.
    """
    signer, wasm_hash, salt = address(args[0]), _bytes32(args[1]), _bytes32(args[2])
    function, init_args = scval.from_symbol(args[3]), scval.from_vec(args[4])
    constructor_args = scval.from_vec(args[5])
    if storage.find() is not None:
        raise contract_error(Refusal.ESCROW_ALREADY_INITIALIZED)
    host = storage.host
    host.require_auth(signer)
    contract = create_contract(host, wasm_hash=wasm_hash, salt=salt, arguments=constructor_args)
    answer = host.call(contract, function, init_args)
    return scval.to_vec([address_value(contract), answer])


def create_contract(
    host: Host, *, wasm_hash: bytes, salt: bytes, arguments: Sequence[xdr.SCVal]
) -> str:
    """Create an instance with the running contract as its deployer, and return its address.

    Raises: HostError: it exists, the code does not, or arguments are given: no build of the escrow
        has a constructor with arguments.
    """
    contract = contract_address(deployer=host.contract, salt=salt, passphrase=host.passphrase)
    key = keys.instance(contract)
    if host.view.get(key) is not None:
        raise host_error(Kind.SCE_STORAGE, Code.SCEC_EXISTING_VALUE, "contract already exists")
    if host.view.get(keys.code(wasm_hash)) is None:
        raise host_error(Kind.SCE_STORAGE, Code.SCEC_MISSING_VALUE, "Wasm does not exist")
    if arguments:
        raise host_error(Kind.SCE_CONTEXT, Code.SCEC_INVALID_ACTION, "no constructor arguments")
    data = encode_instance(contract=contract, wasm_hash=wasm_hash)
    host.view.put(key, Entry(data, live_until=host.view.first_life()))
    return contract


def _bytes32(value: xdr.SCVal) -> bytes:
    found = scval.from_bytes(value)
    if len(found) != HASH_SIZE:
        raise ValueError(f"{HASH_SIZE} bytes are needed")
    return found


def contract_address(*, deployer: str, salt: bytes, passphrase: str) -> str:
    """Return the address that follows from deployer and salt (32 bytes) on a network.

    Raises: ValueError: the salt has another length.
    """
    source = xdr.ContractIDPreimage(
        xdr.ContractIDPreimageType.CONTRACT_ID_PREIMAGE_FROM_ADDRESS,
        from_address=xdr.ContractIDPreimageFromAddress(sc_address(deployer), xdr.Uint256(salt)),
    )
    preimage = xdr.HashIDPreimage(
        xdr.EnvelopeType.ENVELOPE_TYPE_CONTRACT_ID,
        contract_id=xdr.HashIDPreimageContractID(
            network_id=xdr.Hash(Network(passphrase).network_id()), contract_id_preimage=source
        ),
    )
    return contract_text(hashlib.sha256(preimage.to_xdr_bytes()).digest())
