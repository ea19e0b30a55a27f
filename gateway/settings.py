"""Settings of the gateway and its key tool. Only this file of the gateway reads the environment."""

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

# The least length of a secret shared with an issuer: that of an HS256 hash. Source: RFC 7518 §3.2.
KEY_BYTES_MIN = 32
# The limit of audiences, and of names in the path of a claim, per issuer.
CHOICES_MAX = 20
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|\Z)", re.ASCII)


def is_safe_url(url: str) -> bool:
    """Return whether an issuer's keys may be fetched from a URL.

    The keys decide which tokens are valid, so plain http is allowed only for this machine.
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
    """An issuer of trusted tokens: how its tokens are checked, and which marketplace they are for.

    issuer: the value of `iss`; an https URL if the keys are found by OpenID discovery. marketplace:
    the marketplace's name or UUID; environment: given together with a name. Instead of both,
    marketplace_claim: the claim whose value `marketplaces` translates to a marketplace. audience:
    the accepted values of audience_claim. role_claim, admin_role, support_role: the claim with the
    role, and its values for an admin and for a person of support. subject_claim: has the id of a
    person. name_claim: has the name of a person of support. key: the secret shared with the issuer,
    for HS256; otherwise the issuer's public keys as a JWK set: in a file, at a URL, or where the
    issuer's discovery document says.

    A claim is given by a name or a list of names. Dots in a name separate claims inside of claims,
    unless the name is a URL or has a colon. A list gives these names one by one.
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
        """Whether the keys are found through the issuer's discovery document."""
        return self.key is None and self.jwks_file is None and self.jwks_url is None

    @property
    def audiences(self) -> frozenset[str]:
        """The accepted audiences."""
        return frozenset([self.audience] if isinstance(self.audience, str) else self.audience)


def _issuers(value: Any) -> Any:
    """Parse the JSON list. Errors do not quote it, because it may contain keys."""
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
    """Settings of the key tool: the database, and the pepper with which keys are hashed."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: PostgresUrl
    api_key_pepper: Secret
    # A second pepper that keys may be hashed with: the previous one, or the next one.
    api_key_pepper_also: Secret | None = None

    def peppers(self) -> tuple[str, str]:
        """Return the pepper with which keys are hashed, and the second pepper or ""."""
        also = self.api_key_pepper_also
        return self.api_key_pepper.get_secret_value(), also.get_secret_value() if also else ""


class GatewaySettings(KeySettings, CallerSettings, TraceSettings, TlsSettings):
    """Settings of the gateway."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    gateway_host: Host = "127.0.0.1"
    gateway_port: Port = 8080
    database_pool_size: Annotated[int, Field(ge=2, le=100)] = 4
    silence_seconds: SilenceSeconds = 10
    # Where Prometheus scrapes; port 0: nowhere.
    metrics_host: Host = "127.0.0.1"
    metrics_port: MetricsPort = 0
    orders_address: Address
    ledger_address: Address
    escrow_address: Address
    disputes_address: Address
    webhooks_address: Address
    # The seconds to wait for an action if the request does not say (`Prefer: wait=N`).
    wait_seconds: Annotated[int, Field(ge=0, le=60)] = 30
    # The limit of requests per credential; the bucket refills evenly over the minute.
    rate_limit_per_minute: Annotated[int, Field(ge=1)] = 60_000
    # The limit of requests without a valid credential, per client address.
    stranger_requests_per_minute: Annotated[int, Field(ge=1)] = 6_000
    # The number of proxies in front that append to X-Forwarded-For; 0: clients connect directly.
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    # The issuers of people's and businesses' tokens.
    jwt_issuers: Issuers = []
    # The block explorer that the console links to (tx/, contract/, account/); empty: no links.
    explorer_url: Annotated[str, Field(pattern=r"^(https://[^\s\"'<>]+)?$", max_length=255)] = ""
    # The limits of open connections: in all, and per address. At a limit, the connection that has
    # been idle for longest is closed.
    connections_max: Annotated[int, Field(ge=1, le=100_000)] = 5_000
    connections_per_address_max: Annotated[int, Field(ge=1, le=100_000)] = 2_500
    # The limit of concurrent requests. More are refused with 503, so that the others end in time.
    concurrent_requests_max: Annotated[int, Field(ge=1)] = 1_000
    # The limits of open event streams: per API key or person, and in all. Streams do not count as
    # concurrent requests. More streams are refused, with 429 or 503.
    event_streams_per_account_max: Annotated[int, Field(ge=1)] = 50
    event_streams_max: Annotated[int, Field(ge=1)] = 1_000
    # A stream sends a ping after this time without events.
    ping_seconds: Annotated[int, Field(ge=1, le=60)] = 15
    # How many days a request stays in the request log (0: logging is off), and the approximate
    # limit of rows per marketplace, above which its oldest rows are deleted.
    request_log_days: Annotated[int, Field(ge=0, le=90)] = 7
    request_log_max: Annotated[int, Field(ge=1_000, le=10_000_000)] = 100_000
    # The time limit of a graceful stop. After it, requests in flight are cut.
    stop_grace_seconds: Annotated[int, Field(ge=0, le=300)] = 20

    @model_validator(mode="after")
    def _discovers_over_https(self) -> Self:
        for one in self.jwt_issuers:
            if self.env == "prod" and one.is_discovered and not one.issuer.startswith("https://"):
                raise ValueError(
                    "JWT_ISSUERS: with ENV=prod, keys are discovered over https:// only"
                )
        return self
