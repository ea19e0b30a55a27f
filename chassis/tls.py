"""Mutual TLS between programs: certificates in files, reloaded when they change.

A certificate names its program twice. A client compares the DNS name with the program that it wants
to call. A server compares the SPIFFE ID (spiffe.io) with the caller's identity.
"""

import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chassis.watched import Watched

TRUST_DOMAIN = "orchestrator"
# The gRPC property of a peer whose certificate has one SPIFFE ID.
_SPIFFE_ID = "peer_spiffe_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A program's certificate and key, and the authority of its peers; all PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    authority: bytes


Certificates = Watched[Material]


def certificates(*, certificate: Path, key: Path, authority: Path) -> Certificates:
    """Watch a program's files. Raises: OSError; ValueError: a file is not valid."""
    return Watched([certificate, key, authority], read)


def read(files: Sequence[bytes]) -> Material:
    """Parse certificate, key and authority, for `Watched`.

    Raises: ValueError: a part is not valid, or the key does not belong to the certificate.
    """
    certificate, key, authority = files
    try:
        own = x509.load_pem_x509_certificates(certificate)[0].public_key()
        x509.load_pem_x509_certificates(authority)
        of_key = load_pem_private_key(key, password=None).public_key()
    except (ValueError, TypeError) as error:
        # The original message is left out: it may quote the key.
        raise ValueError("must be a certificate, its key and an authority, in PEM") from error
    if own != of_key:
        raise ValueError("the key does not belong to the certificate")
    return Material(certificate=certificate, key=key, authority=authority)


def spiffe_id(program: str) -> str:
    """Return the SPIFFE ID of a program."""
    return f"spiffe://{TRUST_DOMAIN}/{program}"


def peer_of(auth_context: Mapping[str, Iterable[bytes]]) -> str:
    """Return the program that a connection's certificate names; empty: none, or several."""
    prefix = spiffe_id("").encode()
    match tuple(auth_context.get(_SPIFFE_ID, ())):
        case (name,) if name.startswith(prefix):
            return name.removeprefix(prefix).decode(errors="replace")
    return ""


def server_credentials(own: Certificates) -> grpc.ServerCredentials:
    """Return a server's credentials. Each handshake uses the current certificate.

    Clients without a certificate of the authority are refused.
    """
    first = own.current()
    last = [first]

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        now = own.current()
        if now is last[0]:
            return None
        last[0] = now
        return _configuration(now)

    # gRPC documents None for "nothing has changed", but its types lack None.
    fetcher = cast("Callable[[], grpc.ServerCertificateConfiguration]", fetch)
    return grpc.dynamic_ssl_server_credentials(
        _configuration(first), fetcher, require_client_authentication=True
    )


def channel_credentials(material: Material) -> grpc.ChannelCredentials:
    """Return a client's credentials, with its certificate."""
    return grpc.ssl_channel_credentials(
        root_certificates=material.authority,
        private_key=material.key,
        certificate_chain=material.certificate,
    )


def client_context(authority: Path | None) -> ssl.SSLContext:
    """Return a client's TLS context, with this authority or, if None, the system's."""
    return ssl.create_default_context(cafile=authority)


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(material.key, material.certificate)], material.authority
    )
