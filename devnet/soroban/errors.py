"""Host errors: the error of a failed contract call, as text and as XDR."""

from stellar_sdk import scval, xdr

Kind = xdr.SCErrorType
Code = xdr.SCErrorCode

_NAMES = {
    Kind.SCE_CONTRACT: "Contract",
    Kind.SCE_WASM_VM: "WasmVm",
    Kind.SCE_CONTEXT: "Context",
    Kind.SCE_STORAGE: "Storage",
    Kind.SCE_OBJECT: "Object",
    Kind.SCE_VALUE: "Value",
    Kind.SCE_CRYPTO: "Crypto",
    Kind.SCE_AUTH: "Auth",
}


class HostError(Exception):
    """A contract call failed; the whole invocation is undone.

    The message is the host's own spelling: `Error(Contract, #4)`, `Error(Auth, InvalidAction)`.
    """

    def __init__(self, error: xdr.SCError, note: str) -> None:
        self.error = error
        self.note = note
        super().__init__(spell(error))


def spell(error: xdr.SCError) -> str:
    """Return an error in the host's spelling."""
    if error.contract_code is not None:
        return f"Error(Contract, #{error.contract_code.uint32})"
    words = error.code.name.removeprefix("SCEC_").split("_") if error.code is not None else []
    return f"Error({_NAMES[error.type]}, {''.join(word.capitalize() for word in words)})"


def contract_error(code: int, note: str = "failing with contract error") -> HostError:
    """Build the error that a contract returns under its own number."""
    return HostError(xdr.SCError(Kind.SCE_CONTRACT, contract_code=xdr.Uint32(code)), note)


def host_error(kind: xdr.SCErrorType, code: xdr.SCErrorCode, note: str) -> HostError:
    """Build an error of the host itself."""
    return HostError(xdr.SCError(kind, code=code), note)


def as_value(error: xdr.SCError) -> xdr.SCVal:
    """Wrap an error as a contract value, for diagnostic events."""
    return xdr.SCVal(xdr.SCValType.SCV_ERROR, error=error)


def topics(error: xdr.SCError) -> list[xdr.SCVal]:
    """Return the topics of the diagnostic event that reports an error."""
    return [scval.to_symbol("error"), as_value(error)]
