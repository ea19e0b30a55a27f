"""The environment of each part of the stack: which program gets which setting."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from chassis.signature import EventSigner
from deploy.local import authority, identities, seed, token
from deploy.local.credentials import Credentials
from deploy.local.environment import inherited
from deploy.local.ports import HOST
from deploy.local.settings import StackSettings

SERVICES = ("orders", "ledger", "escrow", "disputes", "webhooks")
# The API key of the devnet's Trustless Work API.
_DEVNET_API_KEY = "devnet-key"
# Settings of the stack itself. A child gets its own value for them, or none.
_OURS = frozenset(
    {
        "DATABASE_URL",
        "NATS_URL",
        "GRPC_HOST",
        "GRPC_PORT",
        "STELLAR_RPC_URL",
        "HEALTH_PORT",
        "METRICS_HOST",
        "METRICS_PORT",
        "TLS_CERT_FILE",
        "TLS_KEY_FILE",
        "TLS_CA_FILE",
        "IDENTITY_KEY",
        "IDENTITY_KEY_FILE",
        "TRUST_FILE",
    }
)


class Wiring:
    """Settings by part. database_url: of an administrator. nats_url: without a user."""

    def __init__(
        self, *, settings: StackSettings, credentials: Credentials, database_url: str, nats_url: str
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._database_url = database_url
        self._nats_url = nats_url

    def devnet(self) -> dict[str, str]:
        """Return the devnet's settings, except its folder and port."""
        return self._merge("devnet", {})

    def migrations(self) -> dict[str, str]:
        """Return the settings of the migrations."""
        return self._merge("migrations", {"DATABASE_URL": self._database_url})

    def service(self, name: str, *, network: Mapping[str, str]) -> dict[str, str]:
        """Return a service's settings. network: escrow's settings for the chain."""
        own = {
            **self._common(name),
            **self._addresses(name),
            "GRPC_HOST": HOST,
            "GRPC_PORT": str(self._settings.port(name)),
            "HEALTH_PORT": str(self._settings.port(f"{name}-health")),
            "TRUST_FILE": str(identities.trust_file(self._settings.run_dir)),
        }
        if name in identities.CALLERS:
            own |= self._identity(name)
        if name == "escrow":
            own |= {
                **self._chain(network),
                "EVENT_SIGNING_KEY": self._credentials.event_signing_key,
            }
        if name == "webhooks":
            own["WEBHOOK_KEY"] = self._credentials.webhook_key
        if name == "ledger":
            own["ESCROW_EVENT_KEYS"] = self._event_keys()
        merged = self._merge(name, own)
        if name == "escrow" and "TRUSTLESS_WORK_URL" not in self._settings.environment:
            # The devnet replaces the provider, so escrow must not send it the real provider's key.
            merged["TRUSTLESS_WORK_API_KEY"] = _DEVNET_API_KEY
        return merged

    def gateway(self) -> dict[str, str]:
        """Return the gateway's settings."""
        own = {
            **self._common("gateway"),
            **self._addresses("gateway"),
            **self._identity("gateway"),
            "GATEWAY_HOST": HOST,
            "GATEWAY_PORT": str(self._settings.port("gateway")),
            "API_KEY_PEPPER": self._credentials.api_key_pepper,
            "JWT_ISSUERS": json.dumps([self._issuer()]),
        }
        return self._merge("gateway", own)

    def tokens(self) -> dict[str, str]:
        """Return the settings of the stack's own token issuer; empty if other issuers are set."""
        if "JWT_ISSUERS" in self._settings.environment:
            return {}
        own = self._issuer()
        names = {"jwtIssuer": "issuer", "jwtAudience": "audience", "jwtSecret": "key"}
        return {name: own[key] for name, key in names.items()}

    def _issuer(self) -> dict[str, str]:
        secret = self._credentials.token_secret
        return token.issuer(secret=secret, marketplace=seed.MARKETPLACE)

    def database_url(self, role: str) -> str:
        """Return the database URL of a service's role; `<ROLE>_DATABASE_URL` overrides it."""
        replaced = self._settings.environment.get(f"{role.upper()}_DATABASE_URL")
        return replaced or role_url(self._database_url, role)

    def nats_url(self, user: str) -> str:
        """Return the NATS URL of a user; `<USER>_NATS_URL` overrides it.

        A NATS server elsewhere has its own users. All programs then use the user in its URL, if
        any.
        """
        replaced = self._settings.environment.get(f"{user.upper()}_NATS_URL")
        if replaced or self._settings.nats_url:
            return replaced or self._settings.nats_url
        return with_user(self._nats_url, user, self._credentials.nats[user])

    def _common(self, role: str) -> dict[str, str]:
        return {
            "DATABASE_URL": self._through(role, "postgres", self.database_url(role)),
            "NATS_URL": self._through(role, "nats", self.nats_url(role)),
            "METRICS_PORT": str(self._settings.port(f"{role}-metrics")),
            "STOP_GRACE_SECONDS": "5",
            **self._tls(role),
        }

    def _tls(self, role: str) -> dict[str, str]:
        of_role = authority.files(self._settings.run_dir, role)
        return {
            "TLS_CERT_FILE": str(of_role.certificate),
            "TLS_KEY_FILE": str(of_role.key),
            "TLS_CA_FILE": str(of_role.authority),
            **({} if self._settings.nats_url else {"NATS_CA_FILE": str(of_role.authority)}),
        }

    def _addresses(self, role: str) -> dict[str, str]:
        links = self._settings.links
        return {
            f"{name.upper()}_ADDRESS": links.get((role, name))
            or f"{HOST}:{self._settings.port(name)}"
            for name in SERVICES
        }

    def _identity(self, caller: str) -> dict[str, str]:
        return {"IDENTITY_KEY_FILE": str(identities.key_file(self._settings.run_dir, caller))}

    def _event_keys(self) -> str:
        """Return the public key that belongs to escrow's signing key."""
        known = self._settings.environment.get("EVENT_SIGNING_KEY")
        return EventSigner(known or self._credentials.event_signing_key).public_key

    def _through(self, role: str, peer: str, url: str) -> str:
        """Return the URL at which a part reaches a peer: through their link, if there is one."""
        address = self._settings.links.get((role, peer))
        if address is None or not url:
            return url
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}{address}"))

    def _chain(self, network: Mapping[str, str]) -> dict[str, str]:
        linked = {
            name: self._through("escrow", "devnet", value) if name.endswith("_URL") else value
            for name, value in network.items()
        }
        return {
            **linked,
            "KEY_FILE": str(self._settings.run_dir / "escrow.key"),
            "CHAIN_POLL_SECONDS": "0.25",
        }

    def _merge(self, program: str, own: Mapping[str, str]) -> dict[str, str]:
        """Add the variables that the program inherits. They override all settings but addresses."""
        kept = inherited(self._settings.environment, program)
        kept = {name: value for name, value in kept.items() if name not in _OURS}
        return {**own, **kept}


def with_user(url: str, user: str, password: str) -> str:
    """Return the URL with this user and password."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{address}"))


def role_url(admin_url: str, role: str) -> str:
    """Return the URL of a role on the administrator's server.

    The role's password is derived from the administrator's password, so all stacks on one server
    compute the same one. Without an administrator's password there is no role password.
    """
    parts = urlsplit(admin_url)
    address = parts.netloc.rpartition("@")[2]
    password = role_password(admin_url, role)
    who = role if password is None else f"{role}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{who}@{address}"))


def role_password(admin_url: str, role: str) -> str | None:
    """Return a role's password on the administrator's server; None: passwords are not used."""
    given = urlsplit(admin_url).password
    if not given:
        return None
    return hmac.new(unquote(given).encode(), role.encode(), hashlib.sha256).hexdigest()
