"""The arguments of a vector's call, as contract values."""

from collections.abc import Callable, Mapping
from typing import Any

from stellar_sdk import scval, xdr

from devnet.chain.addresses import address_value
from devnet.conform import cast

FUNCTION = "tw_new_single_release_escrow"

Fields = dict[str, xdr.SCVal]
Given = Mapping[str, Any]


class UnknownPartError(Exception):
    """The vector holds something that the format does not describe."""


class Values:
    """Builds values. defaults: the escrow of the file. stored: reads contract C's escrow."""

    def __init__(
        self, defaults: Given, *, wasm_hash: bytes, stored: Callable[[], xdr.SCVal]
    ) -> None:
        self._defaults = defaults
        self._wasm_hash = wasm_hash
        self._stored = stored

    def deployment(self, step: Given) -> list[xdr.SCVal]:
        """Return the six arguments of a deployment."""
        salt = step.get("salt_hex") or step.get("salt", self._defaults["salt"]) * 32
        wasm_hash = bytes.fromhex(step["wasm"]) if "wasm" in step else self._wasm_hash
        if step.get("init_args") is None:
            init_args = [self._escrow(step["escrow"])]
        else:
            init_args = [self.argument(item) for item in step["init_args"]]
        return [
            _named(step["signer"]),
            scval.to_bytes(wasm_hash),
            scval.to_bytes(bytes.fromhex(salt)),
            scval.to_symbol(step.get("init_fn", "initialize_escrow")),
            scval.to_vec(init_args),
            scval.to_vec([self.argument(item) for item in step.get("ctor", [])]),
        ]

    def argument(self, given: Given) -> xdr.SCVal:
        """Return one argument. Raises: UnknownPartError."""
        kind, content = next(iter(given.items()))
        if kind == "escrow":
            return self._escrow(content)
        if kind == "stored":
            return self._changed(given.get("with", {}))
        if kind == "map":
            pairs = [(_named(who), scval.to_int128(int(amount))) for who, amount in content]
            return cast.sorted_map(pairs, backwards=bool(given.get("as_given")))
        if kind not in PLAIN:
            raise UnknownPartError(f"argument {kind}")
        return PLAIN[kind](content)

    def _escrow(self, changes: Given) -> xdr.SCVal:
        defaults = self._defaults
        wanted = {name: changes.get(name, defaults[name]) for name in defaults}
        roles = {
            **defaults["roles"],
            **changes.get("roles", {}),
            **changes.get("roles_contract", {}),
        }
        platform = changes.get("platform_field", "platform")
        fields = {
            "amount": scval.to_int128(int(wanted["amount"])),
            "description": scval.to_string(wanted["description"]),
            "engagement_id": scval.to_string(wanted["engagement_id"]),
            "flags": _flags(wanted["flags"]),
            "milestones": scval.to_vec([_milestone(item) for item in wanted["milestones"]]),
            "platform_fee": scval.to_uint32(wanted["platform_fee"]),
            "receiver_memo": scval.to_uint32(wanted["receiver_memo"]),
            "roles": scval.to_struct(
                {
                    platform if role == "platform" else role: _named(name)
                    for role, name in roles.items()
                }
            ),
            "title": scval.to_string(wanted["title"]),
            "trustline": scval.to_struct({"address": _named(wanted["trustline"])}),
        }
        if "receiver_memo_i128" in changes:
            fields["receiver_memo"] = scval.to_int128(int(changes["receiver_memo_i128"]))
        if "drop" in changes:
            del fields[changes["drop"]]
        if "extra" in changes:
            fields[changes["extra"]] = scval.to_uint32(1)
        return scval.to_struct(fields)

    def _changed(self, changes: Given) -> xdr.SCVal:
        """Return the stored escrow with changes; fields without a change stay."""
        fields = dict(scval.from_struct(self._stored()))
        for name, content in changes.items():
            match name:
                case "title" | "description":
                    fields[name] = scval.to_string(content)
                case "amount":
                    fields[name] = scval.to_int128(int(content))
                case "roles":
                    given = {role: _named(who) for role, who in content.items()}
                    fields[name] = scval.to_struct({**scval.from_struct(fields[name]), **given})
                case "flags":
                    fields[name] = _flags(content)
                case "milestones":
                    fields[name] = scval.to_vec([_milestone(item) for item in content])
                case "append":
                    kept = scval.from_vec(fields["milestones"])
                    added = [_milestone(item) for item in content]
                    fields["milestones"] = scval.to_vec([*kept, *added])
                case "trustline":
                    fields[name] = scval.to_struct({"address": _named(content)})
        return scval.to_struct(fields)


def _named(name: str) -> xdr.SCVal:
    return address_value(cast.address(name))


PLAIN: Mapping[str, Callable[[Any], xdr.SCVal]] = {
    "who": _named,
    "contract": _named,
    "contracts": lambda names: scval.to_vec([_named(name) for name in names]),
    "i128": lambda number: scval.to_int128(int(number)),
    "u32": scval.to_uint32,
    "str": scval.to_string,
    "void": lambda _: scval.to_void(),
}
"""The kinds of arguments that need nothing but their content."""


def _flags(given: Given) -> xdr.SCVal:
    return scval.to_struct({name: scval.to_bool(flag) for name, flag in given.items()})


def _milestone(given: Given) -> xdr.SCVal:
    return scval.to_struct(
        {
            "approved": scval.to_bool(given["approved"]),
            "description": scval.to_string(given["description"]),
            "evidence": scval.to_string(given["evidence"]),
            "status": scval.to_string(given["status"]),
        }
    )
