"""TLS: certificate files of the operator, or a small certificate authority of our own made on first start.

The own CA signs one server certificate for the names and addresses of this machine and renews it while serving starts.
Its private key stays in `DATA/tls` with mode 0600 and signs nothing else: the CA is limited to these names by X.509
name constraints, so that trusting it risks nothing but this server. ADR: `docs/decisions/tls.md`.
"""

import hashlib
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from incamera.kit.clock import Clock
from incamera.kit.errors import IncameraError
from incamera.kit.files import write_durably
from incamera.privacy import declare_log_events

CA_LIFETIME: Final = timedelta(days=3650)
# Apple refuses server certificates above 825 days, also those of a private CA.
CERTIFICATE_LIFETIME: Final = timedelta(days=397)
RENEW_BEFORE: Final = timedelta(days=60)
RENEWAL_CHECK_S: Final = 60.0
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

log = structlog.get_logger(__name__)
declare_log_events(None, {"tls.renewed": (), "tls.renewal_refused": ()})


class CertificateUnusable(IncameraError):
    """The certificate or its key cannot be served with."""

    status = 500

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The TLS file {path} cannot be used: {reason}.")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the listener serves with. `key_sha256` is that of the leaf's public key: edges pin it."""

    cert: Path
    key: Path
    key_sha256: bytes
    names: frozenset[str]
    ca: Path | None = None  # what people have to trust; None: a public CA does

    def context(self) -> ssl.SSLContext:
        """A server context, TLS 1.2 or newer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        try:
            context.load_cert_chain(self.cert, self.key)
        except (OSError, ssl.SSLError) as error:
            raise CertificateUnusable(self.key, "it does not fit the certificate") from error
        return context


def load_certificate(cert: Path, key: Path) -> Certificate:
    """The operator's own files; refuses a key that others may read."""
    try:
        leaf = x509.load_pem_x509_certificates(cert.read_bytes())[0]
    except (OSError, ValueError, IndexError) as error:
        raise CertificateUnusable(cert, "it is missing or holds no PEM certificate") from error
    try:
        mode = key.stat().st_mode
    except OSError as error:
        raise CertificateUnusable(key, "it is missing or cannot be read") from error
    if mode & 0o077:
        raise CertificateUnusable(key, f"others may read it; run: chmod 600 {key}")
    return Certificate(cert, key, _key_sha256(leaf), frozenset(_names(leaf)))


class Renewal:
    """Follows certificate files that something else renews (an ACME client), without a restart."""

    def __init__(
        self, certificate: Certificate, context: ssl.SSLContext, clock: Clock, on_renewed: Callable[[Certificate], None]
    ) -> None:
        self._certificate, self._context, self._clock, self._on_renewed = certificate, context, clock, on_renewed
        self._seen = self._state()

    async def run(self) -> None:
        """Looks every minute."""
        while True:
            await self._clock.sleep(RENEWAL_CHECK_S)
            self.look()

    def look(self) -> None:
        """Takes a new certificate for new connections. One that does not fit is left for the next look."""
        state = self._state()
        if state == self._seen:
            return
        try:
            renewed = load_certificate(self._certificate.cert, self._certificate.key)
            renewed.context()  # whether key and certificate fit, before anything is replaced
            self._context.load_cert_chain(renewed.cert, renewed.key)
        except (CertificateUnusable, OSError) as error:
            log.error("tls.renewal_refused", exc_info=error)
            return
        self._seen = state
        self._on_renewed(renewed)
        log.info("tls.renewed")

    def _state(self) -> tuple[float, ...]:
        try:
            return tuple(path.stat().st_mtime for path in (self._certificate.cert, self._certificate.key))
        except OSError:
            return ()


def read_key_sha256(cert: Path) -> bytes:
    """SHA-256 of the public key in a certificate file's leaf; raises CertificateUnusable."""
    try:
        return _key_sha256(x509.load_pem_x509_certificates(cert.read_bytes())[0])
    except (OSError, ValueError, IndexError) as error:
        raise CertificateUnusable(cert, "it is missing or holds no PEM certificate") from error


def own_certificate(folder: Path, names: Sequence[str], now: datetime) -> Certificate:
    """The certificate of our own CA in `folder`, made or renewed when it is missing, near its end or lacks a name."""
    ca_cert, ca_key = folder / "ca.crt", folder / "ca.key"
    cert, key = folder / "server.crt", folder / "server.key"
    if not (ca_cert.exists() and ca_key.exists()):
        _make_ca(ca_cert, ca_key, names, now)
    authority = x509.load_pem_x509_certificate(ca_cert.read_bytes())
    leaf = x509.load_pem_x509_certificate(cert.read_bytes()) if cert.exists() and key.exists() else None
    wanted = [name for name in names if _is_permitted(authority, name)]
    if leaf is None or leaf.not_valid_after_utc - now < RENEW_BEFORE or not set(wanted) <= _names(leaf):
        leaf = _make_leaf(authority, ca_key, cert, key, wanted, now)
    return Certificate(cert, key, _key_sha256(leaf), frozenset(_names(leaf)), ca_cert)


def machine_names(host: str, public_url_name: str | None) -> list[str]:
    """The names and addresses under which this machine is likely opened, `localhost` first."""
    short = socket.gethostname().partition(".")[0].lower() or "incamera"
    names = ["localhost", "127.0.0.1", "::1", short, f"{short}.local"]
    names += [public_url_name] if public_url_name else []
    names += _own_addresses() if host in ("0.0.0.0", "::") else [host]  # noqa: S104
    return list(dict.fromkeys(names))


def _own_addresses() -> list[str]:
    """The addresses of the interfaces that lead out; nothing is sent, connecting a UDP socket only asks the routes."""
    found = []
    for family, probe in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect((probe, 9))
            except OSError:
                continue
            found.append(str(sock.getsockname()[0]))
    return found


def _make_ca(cert: Path, key: Path, names: Sequence[str], now: datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Incamera on {socket.gethostname()[:40]}")])
    # Private networks as a whole, because a home router hands out another address now and then.
    permitted = [_constraint(name) for name in names if not _is_private(name)]
    permitted += [x509.IPAddress(ipaddress.ip_network(network)) for network in _PRIVATE]
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, SHA256())
    )
    _write_key(key, private)
    write_durably(cert, built.public_bytes(Encoding.PEM), 0o644)


def _make_leaf(
    authority: x509.Certificate, ca_key: Path, cert: Path, key: Path, names: Sequence[str], now: datetime
) -> x509.Certificate:
    signer = load_pem_private_key(ca_key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    private = _find_key(key) or ec.generate_private_key(ec.SECP256R1())  # the same at renewal: edges pin it
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
        .issuer_name(authority.subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(min(now + CERTIFICATE_LIFETIME, authority.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
        .sign(signer, SHA256())
    )
    _write_key(key, private)
    write_durably(cert, built.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM), 0o644)
    return built


_PRIVATE: Final = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)


def _is_private(name: str) -> bool:
    address = _find_address(name)
    return address is not None and any(address in ipaddress.ip_network(network) for network in _PRIVATE)


def _is_permitted(authority: x509.Certificate, name: str) -> bool:
    permitted = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    address = _find_address(name)
    if address is None:
        return x509.DNSName(name) in permitted
    return any(isinstance(part, x509.IPAddress) and address in _network(part.value) for part in permitted)


def _network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(str(value))


def _find_address(name: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _constraint(name: str) -> x509.GeneralName:
    address = _find_address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(ipaddress.ip_network(address))


def _general_name(name: str) -> x509.GeneralName:
    address = _find_address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _names(leaf: x509.Certificate) -> set[str]:
    try:
        names: Iterable[x509.GeneralName] = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in names}


def _key_sha256(leaf: x509.Certificate) -> bytes:
    """Of the SubjectPublicKeyInfo (RFC 7469 clause 2.4): a renewed certificate for the same key is the same server."""
    return hashlib.sha256(leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _find_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _write_key(path: Path, private: ec.EllipticCurvePrivateKey) -> None:
    write_durably(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
