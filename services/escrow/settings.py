"""The settings of escrow: the network, the keys, the pace."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic import AfterValidator, Field, StringConstraints

from chassis.addresses import http_url
from chassis.settings import HttpUrl, ServiceSettings, SigningKey


def _url_or_none(text: str) -> str:
    return http_url(text) if text else ""


OptionalUrl = Annotated[str, AfterValidator(_url_or_none)]
Account = Annotated[str, StringConstraints(pattern=r"^G[A-Z2-7]{55}$")]
Contract = Annotated[str, StringConstraints(pattern=r"^C[A-Z2-7]{55}$")]
Build = Literal["B", "B-dev", "A-main", "A-dev"]
# The single-release contract of the main network. Source: its first instance, in May 2026.
KNOWN_BUILDS: Mapping[str, Build] = {
    "96d51751f924c938a081deb740056dc1c5cc60c6e645672062531f82957ed2fe": "B"
}
CONTRACT = re.compile(r"C[A-Z2-7]{55}")
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
BUILDS = pydantic.TypeAdapter(dict[Hash, Build])


def _urls(text: str) -> str:
    for url in text.split(",") if text else ():
        http_url(url)
    return text


def _builds(text: str) -> str:
    try:
        BUILDS.validate_json(text or "{}")
    except pydantic.ValidationError:
        raise ValueError('must be JSON such as {"96d5…": "B"}, each hash of 64 digits') from None
    return text


def _contracts(text: str) -> str:
    for name in text.split(",") if text else ():
        if CONTRACT.fullmatch(name) is None:
            raise ValueError("must be C… addresses, separated by commas")
    return text


class EscrowSettings(ServiceSettings):
    """The settings of escrow, read once from the environment."""

    # Signs escrow's events. The ledger books a deposit only from a signed event.
    event_signing_key: SigningKey
    stellar_rpc_url: HttpUrl
    # Nodes that are asked, in order, while the nodes before them fail. The file has lines of a URL
    # and a header.
    stellar_rpc_spare_urls: Annotated[str, AfterValidator(_urls)] = ""
    stellar_rpc_headers_file: pydantic.FilePath | None = None
    stellar_network_passphrase: Annotated[str, Field(min_length=1)]
    stellar_friendbot_url: OptionalUrl = ""
    stellar_faucet_url: OptionalUrl = ""
    usdc_issuer: Account
    escrow_factory_id: Contract
    # Used in order when the factory before is made useless, which anybody can do to any factory.
    escrow_spare_factory_ids: Annotated[str, AfterValidator(_contracts)] = ""
    escrow_wasm_hash: Hash
    # JSON: builds of the contract by the hash of their code. Builds of older orders are named too.
    escrow_builds: Annotated[str, AfterValidator(_builds)] = ""
    trustless_work_fee_address: Account
    escrow_builder: Literal["direct", "trustless_work"] = "direct"
    trustless_work_url: OptionalUrl = ""
    trustless_work_api_key: pydantic.SecretStr = pydantic.SecretStr("")
    # Where the key-encryption key is: in a local file, or in Vault's transit engine if vault_url is
    # set.
    key_file: Annotated[str, Field(min_length=1)] = ".run/escrow.key"
    vault_url: OptionalUrl = ""
    # How escrow logs in to Vault: with a token, with a token file that is read again when it
    # changes, or with the role of a login by the pod's service account.
    vault_token: pydantic.SecretStr = pydantic.SecretStr("")
    vault_token_file: pydantic.FilePath | None = None
    vault_kubernetes_role: Annotated[str, Field(max_length=255)] = ""
    vault_kubernetes_mount: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]+$")] = (
        "kubernetes"
    )
    vault_account_file: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
    vault_transit_key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$")] = "escrow"
    vault_transit_mount: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]+$")] = (
        "transit"
    )
    platform_secret: pydantic.SecretStr = pydantic.SecretStr("")
    # The key that resolves disputed contracts. It differs from the platform's key.
    resolver_secret: pydantic.SecretStr = pydantic.SecretStr("")
    # Each channel account carries one transaction a ledger.
    channel_accounts: Annotated[int, Field(ge=1, le=500)] = 16
    # The lumens that each channel account begins with; platform_float_usdc: the USDC that is
    # requested from a local faucet for the platform.
    channel_lumens: Annotated[int, Field(ge=10, le=10_000)] = 20
    # Who pays the fee of a channel account's transaction: the channel account, or the platform's
    # account with a fee bump. With a fee bump, new channel accounts have no lumens.
    fees_paid_by: Literal["channels", "platform"] = "channels"
    platform_float_usdc: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
    provider_fees: Literal["absorbed", "net"] = "absorbed"
    # Entries that live for less than half of this number of days are extended to all of it.
    escrow_keep_days: Annotated[int, Field(ge=1, le=179)] = 30
    # Wallets that are empty and unused for this number of days are removed from the chain; 0:
    # never.
    wallet_idle_days: Annotated[int, Field(ge=0, le=3650)] = 0
    # The most that one transaction may cost, in lumens; and the most that it may bid for inclusion,
    # in stroops: a contract call as a whole, and each operation of a classic transaction.
    escrow_max_fee_lumens: Annotated[int, Field(ge=1, le=400)] = 10
    escrow_max_bid_stroops: Annotated[int, Field(ge=100, le=100_000_000)] = 1_000_000
    escrow_max_classic_bid_stroops: Annotated[int, Field(ge=100, le=100_000_000)] = 1_000_000
    chain_poll_seconds: Annotated[float, Field(ge=0.01, le=60)] = 1.0
    # How long after signing a transaction may land.
    transaction_seconds: Annotated[int, Field(ge=1, le=300)] = 60
    # How long a step may keep one of the worker's slots at a time.
    step_seconds: Annotated[float, Field(ge=1, le=300)] = 45
    # How long a deployment, a funding or a credit may be in trouble before it is refused. It is
    # refused only if certainly nothing of it can land and no other command has the same trouble.
    refuse_after_seconds: Annotated[int, Field(ge=1, le=86_400)] = 600
    command_lease_seconds: Annotated[int, Field(ge=1, le=600)] = 10
    commands_at_once: Annotated[int, Field(ge=1, le=1000)] = 32

    @property
    def is_bumping(self) -> bool:
        """Tell whether the platform's account pays the fees of channel accounts' transactions."""
        return self.fees_paid_by == "platform"

    @property
    def factories(self) -> tuple[str, ...]:
        """Return the contracts that deploy escrows, in the order in which they are used."""
        spare = self.escrow_spare_factory_ids
        return (self.escrow_factory_id, *(spare.split(",") if spare else ()))

    @pydantic.model_validator(mode="after")
    def _has_one_login(self) -> "EscrowSettings":
        ways = (
            self.vault_token.get_secret_value(),
            self.vault_token_file,
            self.vault_kubernetes_role,
        )
        if self.vault_url and sum(map(bool, ways)) != 1:
            raise ValueError(
                "VAULT_URL needs one of VAULT_TOKEN, VAULT_TOKEN_FILE and VAULT_KUBERNETES_ROLE"
            )
        return self

    @property
    def builds(self) -> Mapping[str, Build]:
        """Return the known builds of the contract, by the hash of their code."""
        return {**KNOWN_BUILDS, **(BUILDS.validate_json(self.escrow_builds or "{}"))}

    @property
    def is_build_known(self) -> bool:
        """Tell whether the build that is deployed is known."""
        return self.escrow_wasm_hash in self.builds

    @pydantic.model_validator(mode="after")
    def _knows_the_build(self) -> "EscrowSettings":
        if self.env == "prod" and not self.is_build_known:
            raise ValueError("ESCROW_WASM_HASH is an unknown build: name it in ESCROW_BUILDS")
        return self

    @pydantic.model_validator(mode="after")
    def _builder_has_an_address(self) -> "EscrowSettings":
        if self.escrow_builder == "trustless_work" and not self.trustless_work_url:
            raise ValueError("ESCROW_BUILDER=trustless_work needs TRUSTLESS_WORK_URL")
        return self
