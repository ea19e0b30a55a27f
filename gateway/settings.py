"""Settings of the gateway and of its key tool. The only file here that reads the environment."""

import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    SecretBytes,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from chassis.settings import (
    Address,
    CallerSettings,
    Host,
    MetricsPort,
    Port,
    PostgresUrl,
    Secret,
    SilenceSeconds,
    TlsSettings,
    TraceSettings,
)

# An issuer's shared secret must be at least as long as an HS256 hash. Source: RFC 7518 §3.2.
KEY_BYTES_MIN = 32
# How many audiences, or names in the path of a claim, one issuer may have.
CHOICES_MAX = 20
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|\Z)", re.ASCII)


def is_safe_url(url: str) -> bool:
    """Tell whether an issuer's keys may be fetched from a URL.

    Those keys decide which tokens are valid, so plain http is allowed on this machine only.
    """
    return url.startswith("https://") or _LOOPBACK.match(url) is not None


def _marketplace(value: str) -> str:
    if _NAME.fullmatch(value) is None:
        raise ValueError("must be the name of a marketplace, or its UUID")
    return value


Text = Annotated[str, Field(min_length=1, max_length=255)]
Claim = Text | Annotated[list[Text], Field(min_length=1, max_length=CHOICES_MAX)]
Marketplace = Annotated[str, AfterValidator(_marketplace)]


class Issuer(BaseModel):
    """An issuer of trusted tokens: how they are checked, and which marketplace they are for.

    issuer: what `iss` says; an https URL where the keys are found by OpenID discovery.
    marketplace: its name or UUID; environment belongs to a name. Or marketplace_claim: the claim
    whose value marketplaces translates to one. audience: the accepted values of audience_claim.
    role_claim, admin_role, support_role: the claim and its value for an admin, and for a person of
    support. subject_claim: the id of a person; name_claim: what support is called.
    key: the secret shared with the issuer, for HS256; otherwise the issuer's public keys as a JWK
    set, in a file, behind a URL, or where the issuer's own discovery document says.

    A claim is a name, with dots for claims inside of claims unless it is a URL or has a colon; or
    the list of those names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: Text
    marketplace: Marketplace | None = None
    marketplace_claim: Claim | None = None
    marketplaces: dict[Text, Marketplace] = {}
    environment: Literal["live", "test"] = "live"
    audience: Text | Annotated[list[Text], Field(min_length=1, max_length=CHOICES_MAX)]
    audience_claim: Claim = "aud"
    role_claim: Claim = "role"
    admin_role: Text = "admin"
    support_role: Text = "support"
    subject_claim: Claim = "sub"
    name_claim: Claim = "name"
    algorithm: Literal["HS256", "EdDSA", "ES256", "RS256"]
    key: SecretBytes | None = None
    jwks_file: FilePath | None = None
    jwks_url: str | None = None

    @field_validator("jwks_url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value and not is_safe_url(value):
            raise ValueError("must start with https://")
        return value

    @model_validator(mode="after")
    def _has_one_marketplace(self) -> Self:
        if self.marketplace is not None:
            if self.marketplace_claim is not None or self.marketplaces:
                raise ValueError("takes marketplace, or marketplace_claim with marketplaces")
        elif self.marketplace_claim is None or not self.marketplaces:
            raise ValueError("needs marketplace, or marketplace_claim with marketplaces")
        return self

    @model_validator(mode="after")
    def _has_the_key_of_its_algorithm(self) -> Self:
        sets = [found for found in (self.jwks_file, self.jwks_url) if found]
        if self.algorithm == "HS256":
            if self.key is None or sets:
                raise ValueError("HS256 needs key, and neither jwks_file nor jwks_url")
            if len(self.key.get_secret_value()) < KEY_BYTES_MIN:
                raise ValueError(f"key must have {KEY_BYTES_MIN} bytes or more")
        elif self.key is not None or len(sets) > 1:
            raise ValueError(f"{self.algorithm} takes jwks_file or jwks_url, and no key")
        elif self.is_discovered and (not is_safe_url(self.issuer) or set("?#") & set(self.issuer)):
            raise ValueError(
                f"{self.algorithm} needs jwks_file, jwks_url, or an issuer with an https:// URL"
            )
        return self

    @property
    def is_discovered(self) -> bool:
        """Whether the issuer's own document says where its keys are."""
        return self.key is None and self.jwks_file is None and self.jwks_url is None

    @property
    def audiences(self) -> frozenset[str]:
        """The accepted audiences."""
        return frozenset([self.audience] if isinstance(self.audience, str) else self.audience)


def _issuers(value: Any) -> Any:
    """Read the JSON list. Its errors do not quote it: there are keys in it."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except ValueError:
        raise ValueError("must be a JSON list of issuers") from None
    names = [one.get("issuer") for one in found if isinstance(one, dict)]
    if len(set(map(str, names))) != len(names):
        raise ValueError("must name each issuer once")
    return found


Issuers = Annotated[list[Issuer], NoDecode, BeforeValidator(_issuers)]


class KeySettings(BaseSettings):
    """What the key tool needs: the database, and the pepper that keys are hashed with."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: PostgresUrl
    api_key_pepper: Secret
    # Keys may also be hashed with this one: the previous pepper, or the next one.
    api_key_pepper_also: Secret | None = None

    def peppers(self) -> tuple[str, str]:
        """Return the pepper that keys are hashed with, and the other one or ""."""
        also = self.api_key_pepper_also
        return self.api_key_pepper.get_secret_value(), also.get_secret_value() if also else ""


class GatewaySettings(KeySettings, CallerSettings, TraceSettings, TlsSettings):
    """What the gateway needs to start."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    gateway_host: Host = "127.0.0.1"
    gateway_port: Port = 8080
    database_pool_size: Annotated[int, Field(ge=2, le=100)] = 4
    silence_seconds: SilenceSeconds = 10
    # Where Prometheus reads the metrics; port 0: nowhere.
    metrics_host: Host = "127.0.0.1"
    metrics_port: MetricsPort = 0
    orders_address: Address
    ledger_address: Address
    escrow_address: Address
    disputes_address: Address
    webhooks_address: Address
    # How long to wait for an action if the request does not say (`Prefer: wait=N`).
    wait_seconds: Annotated[int, Field(ge=0, le=60)] = 30
    # Requests of one API key; the bucket fills evenly over the minute.
    rate_limit_per_minute: Annotated[int, Field(ge=1)] = 60_000
    # Requests of one client address without a valid credential.
    stranger_requests_per_minute: Annotated[int, Field(ge=1)] = 6_000
    # Proxies in front that add to X-Forwarded-For; 0: the client connects directly.
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    # The issuers of people's and businesses' tokens.
    jwt_issuers: Issuers = []
    # Where the console links to: below it are tx/, contract/ and account/; empty: no links.
    explorer_url: Annotated[str, Field(pattern=r"^(https://[^\s\"'<>]+)?$", max_length=255)] = ""
    # Open connections, in all and from one address. At a limit, the connection that has been idle
    # for longest is closed.
    connections_max: Annotated[int, Field(ge=1, le=100_000)] = 5_000
    connections_per_address_max: Annotated[int, Field(ge=1, le=100_000)] = 2_500
    # Concurrent requests; more are refused with 503, so that the others end in time.
    concurrent_requests_max: Annotated[int, Field(ge=1)] = 1_000
    # Open event streams, of one API key or person and in all. They do not count as concurrent
    # requests. More are refused, with 429 and with 503.
    event_streams_per_account_max: Annotated[int, Field(ge=1)] = 50
    event_streams_max: Annotated[int, Field(ge=1)] = 1_000
    # A stream without events sends a ping so often.
    ping_seconds: Annotated[int, Field(ge=1, le=60)] = 15
    # How many days a request stays in the request log (0: none is logged), and how many of one
    # marketplace, roughly: beyond that, its oldest are deleted.
    request_log_days: Annotated[int, Field(ge=0, le=90)] = 7
    request_log_max: Annotated[int, Field(ge=1_000, le=10_000_000)] = 100_000
    # The longest a graceful stop may take before requests in flight are cut.
    stop_grace_seconds: Annotated[int, Field(ge=0, le=300)] = 20

    @model_validator(mode="after")
    def _discovers_over_https(self) -> Self:
        for one in self.jwt_issuers:
            if self.env == "prod" and one.is_discovered and not one.issuer.startswith("https://"):
                raise ValueError(
                    "JWT_ISSUERS: with ENV=prod, keys are discovered over https:// only"
                )
        return self
