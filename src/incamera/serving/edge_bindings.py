"""Which server key an edge's signature may name: the one it must have seen if it really talks to us.

The signature covers SHA-256 of the public key in the server's certificate. Over TLS that is ours, behind a proxy the
proxy's (whose certificate may be renewed while we run), on plain loopback nothing.
"""

from collections.abc import Sequence
from pathlib import Path

import structlog

from incamera.privacy import declare_log_events
from incamera.serving.tls import Certificate, CertificateUnusable, read_key_sha256
from incamera.streams import SocketRequest

log = structlog.get_logger(__name__)
declare_log_events(None, {"tls.proxy_certificate_unreadable": ()})

_LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})


class EdgeBindings:
    """Call it with a request. `proxy_cert` is the certificate file of the trusted proxy, if the operator named it."""

    def __init__(self, certificate: Certificate | None, proxy_cert: Path | None, *, is_behind_proxy: bool) -> None:
        self._certificate = certificate
        self._proxy_cert = proxy_cert if is_behind_proxy else None

    def renewed(self, certificate: Certificate) -> None:
        """From now on edges meet this certificate."""
        self._certificate = certificate

    @property
    def fingerprint(self) -> str:
        """What goes into enrolment codes: hexadecimal, empty where edges meet no certificate that we know."""
        known = self._secure()
        return known[0].hex() if known else ""

    def __call__(self, request: SocketRequest) -> Sequence[bytes]:
        if request.is_secure:
            return self._secure()
        # The inner listener and plain loopback: the line does not leave this machine.
        return (b"",) if request.client_address in _LOOPBACK else ()

    def _secure(self) -> tuple[bytes, ...]:
        if self._certificate is not None:
            return (self._certificate.key_sha256,)
        if self._proxy_cert is None:
            return ()
        try:
            return (read_key_sha256(self._proxy_cert),)
        except CertificateUnusable:
            log.error("tls.proxy_certificate_unreadable")
            return ()
