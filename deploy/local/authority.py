"""The certificate authority of one stack, and the certificates that it issues.

They are created at the first start and stored in RUN_DIR. A certificate is renewed after half of
its lifetime.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chassis.identity import OPERATOR
from chassis.tls import spiffe_id
from deploy.local.credentials import write_private
from deploy.local.ports import HOST

PROGRAMS = ("gateway", "orders", "ledger", "escrow", "disputes", "webhooks", "nats", OPERATOR)
AUTHORITY_DAYS, CERTIFICATE_DAYS = 3650, 90
# A certificate is valid from this much earlier on, because clocks of machines differ.
_EARLIER = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The paths of one program's certificate, key and authority."""

    certificate: Path
    key: Path
    authority: Path


class Authority:
    """Signs certificates."""

    def __init__(self, pair: Pair) -> None:
        """Load the authority's certificate and key. Raises: ValueError."""
        key = load_pem_private_key(pair.key.encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("must be an elliptic-curve key")  # noqa: TRY004 - what is in a file
        self._key = key
        self._own = x509.load_pem_x509_certificate(pair.certificate.encode())
        self.certificate = pair.certificate

    @classmethod
    def new(cls) -> tuple["Authority", Pair]:
        """Create an authority; returns it, and its certificate and key to store."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _named("Orchestrator's own authority")
        made = (
            _draft(name, issuer=name, key=key.public_key(), days=AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(is_authority=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        pair = _pair(made, key)
        return cls(pair), pair

    def issue(
        self, program: str, *, addresses: Sequence[str] = (), days: float = CERTIFICATE_DAYS
    ) -> Pair:
        """Issue a certificate for a program. addresses: IP addresses in the certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        return _pair(self._sign(program, key.public_key(), addresses, days), key)

    def sign_request(self, request: bytes, *, program: str, days: float = CERTIFICATE_DAYS) -> str:
        """Issue a certificate for the key of a signing request (PEM), with this program's name.

        The names in the request are ignored.
        Raises: ValueError: it is not a request, or is not signed with its own key.
        """
        asked = x509.load_pem_x509_csr(request)
        if not asked.is_signature_valid:
            raise ValueError("the request is not signed by its own key")
        key = asked.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("must be a request for an elliptic-curve key")  # noqa: TRY004
        return _pem(self._sign(program, key, (), days))

    def _sign(
        self,
        program: str,
        key: ec.EllipticCurvePublicKey,
        addresses: Sequence[str],
        days: float,
    ) -> x509.Certificate:
        names: list[x509.GeneralName] = [
            x509.DNSName(program),
            x509.UniformResourceIdentifier(spiffe_id(program)),
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
        ]
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return (
            _draft(_named(program), issuer=self._own.subject, key=key, days=days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(is_authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def files(run_dir: Path, program: str) -> Files:
    """Return the paths of a program's files."""
    folder = run_dir / "tls"
    return Files(
        certificate=folder / f"{program}.pem",
        key=folder / f"{program}.key",
        authority=folder / "ca.pem",
    )


def keep(run_dir: Path) -> None:
    """Create missing certificates, and renew those past half of their lifetime."""
    authority = load(run_dir)
    for program in PROGRAMS:
        of_program = files(run_dir, program)
        if _is_fresh(of_program.certificate) and of_program.key.exists():
            continue
        # Clients reach NATS by its IP address.
        addresses = (HOST,) if program == "nats" else ()
        write(of_program, authority.issue(program, addresses=addresses))


def load(run_dir: Path) -> Authority:
    """Return the stack's authority. It is created if it does not exist."""
    folder = run_dir / "tls"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    own, key = folder / "ca.pem", folder / "ca.key"
    if own.exists() and key.exists():
        return Authority(Pair(certificate=own.read_text(), key=key.read_text()))
    authority, pair = Authority.new()
    write_private(key, pair.key)
    write_private(own, pair.certificate)
    return authority


def write(of_program: Files, pair: Pair) -> None:
    """Store a program's certificate and key, readable only by the owner."""
    write_private(of_program.key, pair.key)
    write_private(of_program.certificate, pair.certificate)


def _is_fresh(path: Path) -> bool:
    if not path.exists():
        return False
    found = x509.load_pem_x509_certificate(path.read_bytes())
    middle = (found.not_valid_after_utc - found.not_valid_before_utc) / 2
    return dt.datetime.now(dt.UTC) < found.not_valid_before_utc + middle


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _draft(
    subject: x509.Name, *, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: float
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    end = now + dt.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, end) - _EARLIER)
        .not_valid_after(end)
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(certificate=_pem(certificate), key=private.decode())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
