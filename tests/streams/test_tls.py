"""The same sockets where TLS ends in this process: other transports, other buffers."""

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from incamera.streams import SocketPolicy, SocketServer
from tests.streams.test_server import Echo
from tests.support.sockets import serving


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for localhost with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "localhost.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + signed.public_bytes(pem))
    return path


async def test_media_sockets_work_under_tls(certificate: Path) -> None:
    sockets = SocketServer(SocketPolicy())
    sockets.add_route("/media/echo", Echo)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    trust = ssl.create_default_context(cafile=str(certificate))
    async with serving(sockets, tls=context) as server:
        url, origin = f"wss://localhost:{server.port}/media/echo", f"https://localhost:{server.port}"
        async with connect(url, ssl=trust, origin=origin, max_size=None) as page:
            await page.send('{"flood": 100}')
            sizes = [len(await page.recv()) for _ in range(100)]
            assert set(sizes) == {100_024}
        with pytest.raises(InvalidStatus) as refusal:
            await connect(url, ssl=trust, origin=f"http://localhost:{server.port}")
        assert refusal.value.response.status_code == 403, "the insecure site of the same name is another origin"
        async with connect(url.replace("/media/echo", "/elsewhere"), ssl=trust) as other:
            await other.send("as before")
            assert await other.recv() == "as before"
        page = await connect(url, ssl=trust)
        closing = asyncio.create_task(server.stop())
        await page.wait_closed()
        await closing
        assert page.close_code == 1001
