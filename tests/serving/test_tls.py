"""Our own certificate authority: trusted, it opens this server and nothing else."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from incamera.serving.tls import (
    CERTIFICATE_LIFETIME,
    RENEW_BEFORE,
    CertificateUnusable,
    Renewal,
    load_certificate,
    machine_names,
    own_certificate,
)
from tests.support.clock import MovableClock

NAMES = ["localhost", "127.0.0.1", "::1", "attic", "192.168.1.20"]
NOW = datetime.now(UTC)


async def _connect(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        version: str | None = writer.get_extra_info("ssl_object").version()
        writer.close()
        return version


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "attic", "192.168.1.20"])
async def test_who_trusts_the_authority_connects_by_every_name(tmp_path: Path, name: str) -> None:
    certificate = own_certificate(tmp_path, NAMES, NOW)
    client = ssl.create_default_context(cafile=str(certificate.ca))
    assert await _connect(certificate.context(), client, name) == "TLSv1.3"


async def test_who_does_not_trust_it_is_warned(tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path, NAMES, NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        await _connect(certificate.context(), ssl.create_default_context(), "localhost")


async def test_old_protocols_are_refused(tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path, NAMES, NOW)
    client = ssl.create_default_context(cafile=str(certificate.ca))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await _connect(certificate.context(), client, "localhost") == "TLSv1.2"
    assert certificate.context().minimum_version == ssl.TLSVersion.TLSv1_2


async def test_authority_cannot_vouch_for_another_site(tmp_path: Path) -> None:
    from incamera.serving import tls

    certificate = own_certificate(tmp_path, NAMES, NOW)
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes())
    tls._make_leaf(authority, tmp_path / "ca.key", tmp_path / "b.crt", tmp_path / "b.key", ["bank.example"], NOW)
    client = ssl.create_default_context(cafile=str(certificate.ca))
    forged = load_certificate(tmp_path / "b.crt", tmp_path / "b.key")
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        await _connect(forged.context(), client, "bank.example")


def test_same_certificate_as_long_as_it_is_good(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, NAMES, NOW)
    content = first.cert.read_bytes()
    assert own_certificate(tmp_path, NAMES, NOW + timedelta(days=100)).cert.read_bytes() == content


@pytest.mark.parametrize(
    ("names", "later"),
    [
        (NAMES, CERTIFICATE_LIFETIME - RENEW_BEFORE + timedelta(days=1)),  # near its end
        ([*NAMES, "192.168.1.99"], timedelta(0)),  # the router gave us another address
    ],
)
def test_renewed_without_a_new_authority(tmp_path: Path, names: list[str], later: timedelta) -> None:
    first = own_certificate(tmp_path, NAMES, NOW)
    trusted, old = (tmp_path / "ca.crt").read_bytes(), first.cert.read_bytes()

    second = own_certificate(tmp_path, names, NOW + later)

    assert second.cert.read_bytes() != old
    assert second.key_sha256 == first.key_sha256, "edges must not have to be enrolled twice"
    assert (tmp_path / "ca.crt").read_bytes() == trusted, "people must not have to trust us twice"


def test_private_keys_are_for_nobody_else(tmp_path: Path) -> None:
    own_certificate(tmp_path, NAMES, NOW)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("ca.key", "server.key")} == {0o600}


def test_operators_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path, NAMES, NOW)
    certificate.key.chmod(0o644)
    with pytest.raises(CertificateUnusable, match="chmod 600"):
        load_certificate(certificate.cert, certificate.key)


def test_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = (own_certificate(tmp_path / name, NAMES, NOW) for name in "ab")
    with pytest.raises(CertificateUnusable, match="does not fit"):
        load_certificate(one.cert, other.key).context()


async def test_renewed_files_serve_new_connections_without_a_restart(tmp_path: Path) -> None:
    first, renewed = own_certificate(tmp_path, NAMES, NOW), []
    context = first.context()
    renewal = Renewal(first, context, MovableClock(), renewed.append)
    client = ssl.create_default_context(cafile=str(first.ca))
    await _connect(context, client, "localhost")

    own_certificate(tmp_path, NAMES, NOW + CERTIFICATE_LIFETIME - timedelta(days=1))
    first.key.chmod(0o644)
    renewal.look()
    assert renewed == [], "a key that others may read is not taken"
    first.key.chmod(0o600)
    renewal.look()

    assert len(renewed) == 1


def test_missing_file_has_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CertificateUnusable, match="missing"):
        load_certificate(tmp_path / "none.crt", tmp_path / "none.key")


def test_names_of_this_machine_begin_with_localhost() -> None:
    names = machine_names("192.168.1.20", "cam.example")
    assert names[0] == "localhost"
    assert {"192.168.1.20", "cam.example"} <= set(names)
