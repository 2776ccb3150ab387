"""Cameras that give numbered JPEGs over HTTP: a real server in the test's loop, with the habits of real cameras.

It writes its answers by hand, because no HTTP library writes the answers that cameras write.
"""

import asyncio
import contextlib
import functools
import hashlib
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from incamera.media.rtsp.authentication import Challenge, Credentials, parse_challenges, render_digest
from tests.support.cameras import numbered_picture

USER, PASSWORD = "viewer", "garden gate 4711"
_NONCE = "dcd98b7102dd2f0e8b11d0f600bfb0c0"
_BOUNDARY = "myboundary"


@functools.cache
def jpeg(number: int, size: tuple[int, int] = (320, 240)) -> bytes:
    """A picture with this number burnt in."""
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuvj420p"
    encoder.options = {"qmin": "2", "qmax": "4"}
    picture = numbered_picture(size, number).reformat(format="yuvj420p", dst_color_range="JPEG")
    return b"".join(map(bytes, [*encoder.encode(picture), *encoder.encode(None)]))


@dataclass
class HttpCamera:
    """`asked` keeps every request. `challenge`: "", "basic" or "digest"."""

    rate: float = 25.0
    challenge: str = ""
    certificate: Path | None = None  # with its key, PEM: then it speaks TLS
    location: str = ""  # of the page /moved
    most_pictures: int = 0  # then it hangs up; 0: never
    asked: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    host: str = "127.0.0.1"
    number: int = 0  # of the next picture
    _writers: "set[asyncio.StreamWriter]" = field(default_factory=set)

    @property
    def base(self) -> str:
        return f"http{'s' if self.certificate else ''}://{self.host}:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        tls = None
        if self.certificate is not None:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(self.certificate)
        server = await asyncio.start_server(self._serve, self.host, self.port, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self.base
        finally:
            server.close()
            self.hang_up()

    def hang_up(self) -> None:
        """Drops every connection."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(request)
            await self._answer(request, writer)
        except (ConnectionError, RuntimeError, asyncio.IncompleteReadError):  # RuntimeError: of uvloop, when hung up
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        target = request.split(b" ")[1].decode()
        if self.challenge and not self._is_known(request, target):
            offer = f'Digest realm="cam", nonce="{_NONCE}", qop="auth", algorithm=MD5'
            offer = offer if self.challenge == "digest" else 'Basic realm="cam"'
            writer.write(
                f"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {offer}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            return
        pages: dict[str, Callable[[asyncio.StreamWriter], Awaitable[None]]] = {
            "/video.mjpg": self._stream, "/chunked.mjpg": self._stream_in_chunks, "/snapshot.jpg": self._snapshot,
            "/moved": self._move, "/page.html": self._page, "/silent.mjpg": self._say_nothing,
        }  # fmt: skip
        page = pages.get(target.partition("?")[0])
        if page is None:
            writer.write(b"HTTP/1.0 404 Not Found\r\nContent-Type: text/html\r\n\r\n<h1>404</h1>")
        else:
            await page(writer)

    def _is_known(self, request: bytes, target: str) -> bool:
        line = next((it for it in request.decode().split("\r\n") if it.startswith("Authorization: ")), "")
        if self.challenge == "basic":
            return line == "Authorization: Basic dmlld2VyOmdhcmRlbiBnYXRlIDQ3MTE="
        if not line.startswith("Authorization: Digest "):
            return False
        (given,) = parse_challenges([line.removeprefix("Authorization: ")])
        offer = Challenge("digest", {"realm": "cam", "nonce": _NONCE, "qop": "auth", "algorithm": "MD5"})
        expected = render_digest(
            offer, Credentials(USER, PASSWORD), "GET", target, int(given.get("nc"), 16), given.get("cnonce")
        )
        return f'response="{given.get("response")}"' in expected and given.get("uri") == target

    async def _pictures(self) -> AsyncIterator[bytes]:
        loop, first = asyncio.get_running_loop(), self.number
        began_s = loop.time()
        while not self.most_pictures or self.number - first < self.most_pictures:
            picture = jpeg(self.number)
            self.number += 1
            yield picture
            await asyncio.sleep(max(0.0, began_s + (self.number - first) / self.rate - loop.time()))

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(
            f"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary={_BOUNDARY}\r\n\r\n".encode()
        )
        async for picture in self._pictures():
            head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            writer.write(head.encode() + picture + b"\r\n")
            await writer.drain()

    async def _stream_in_chunks(self, writer: asyncio.StreamWriter) -> None:
        head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        async for picture in self._pictures():
            part = b"--b\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n"
            for piece in (part[: len(part) // 2], part[len(part) // 2 :]):
                writer.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
            await writer.drain()

    async def _snapshot(self, writer: asyncio.StreamWriter) -> None:
        picture = jpeg(self.number)
        self.number += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture))
        writer.write(picture)
        await writer.drain()

    async def _move(self, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {self.location}\r\nContent-Length: 0\r\n\r\n".encode())

    async def _page(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>")

    async def _say_nothing(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n--b\r\n")
        await writer.drain()
        await asyncio.sleep(3600)


@contextlib.contextmanager
def running_in_a_thread(camera: HttpCamera) -> Iterator[str]:
    """For tests without a loop of their own."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with camera.running():
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield camera.base
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def make_certificate(folder: Path, name: str = "camera") -> Path:
    """What a camera makes for itself: certificate and key in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = folder / f"{name}.pem"
    path.write_bytes(
        certificate.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a PEM file's certificate, in hexadecimal."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return hashlib.sha256(found.public_bytes(serialization.Encoding.DER)).hexdigest()
