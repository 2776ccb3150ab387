"""One HTTP connection to a camera: dialled by checked numbers, over TLS whose certificate somebody vouches for.

    resolve ─► connect ─► (TLS: the accepted certificate, or one that this machine trusts) ─► request ─► head ─► body

Most cameras make their certificate themselves. A person may accept it by its fingerprint, and then it must be that one:
the password goes out only after it was compared.
"""

import asyncio
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator
from typing import Final

from incamera.edge.link import any_certificate
from incamera.edge.sources.base import SourceFault
from incamera.edge.sources.dialling import AddressRefused, DialRanges, NameNotFound, resolve
from incamera.media.http.errors import HttpError, NotHttp
from incamera.media.http.messages import Head, ResponseReader, render_request
from incamera.media.http.url import HttpUrl
from incamera.protocol.messages import CameraFault

CONNECT_TIMEOUT_S: Final = 5.0
_READ_BYTES: Final = 64 * 1024
_USER_AGENT: Final = "incamera"


class HttpConnection:
    """A request and its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._response = ResponseReader()
        self._early: list[bytes] = []  # of the body, read together with the head

    async def ask(self, url: HttpUrl, authorization: str | None) -> Head:
        """Sends the request and waits for the head of the answer; raises SourceFault."""
        headers = [("Authorization", authorization)] if authorization else []
        self._writer.write(render_request("GET", url, headers, user_agent=_USER_AGENT))
        while self._response.head is None:
            self._early += await self._receive()
        return self._response.head

    async def body(self) -> AsyncIterator[bytes]:
        """The body, piece by piece, until the camera ends it; raises SourceFault."""
        pieces, self._early = self._early, []
        while True:
            for piece in pieces:
                yield piece
            if self._response.is_ended:
                return
            pieces = await self._receive()

    def close(self) -> None:
        self._writer.transport.abort()

    async def _receive(self) -> list[bytes]:
        """One read of the socket; at the end of the connection nothing, and `is_ended`."""
        try:
            data = await self._reader.read(_READ_BYTES)
        except OSError as error:  # ssl.SSLError is one
            raise SourceFault(CameraFault.CLOSED, "the connection broke") from error
        try:
            if data:
                return self._response.receive(data)
            self._response.end()
        except NotHttp as error:
            raise SourceFault(CameraFault.NOT_HTTP, "the answer is not HTTP") from error
        except HttpError as error:
            fault = CameraFault.PROTOCOL if data else CameraFault.CLOSED
            raise SourceFault(fault, "its answer cannot be followed" if data else "it closed the connection") from error
        return []


async def connect(url: HttpUrl, ranges: DialRanges, certificate: str) -> HttpConnection:
    """Dials; raises SourceFault. `certificate`: the SHA-256 that was accepted, or empty."""
    try:
        addresses = await resolve(url.host, url.port, ranges)
    except NameNotFound as error:
        raise SourceFault(CameraFault.NAME_NOT_FOUND, "the host name is unknown") from error
    except AddressRefused as error:
        raise SourceFault(CameraFault.ADDRESS_REFUSED, "the address is outside the allowed ranges") from error
    failure: Exception | None = None
    for address in addresses:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return HttpConnection(*await _dial(url, address, certificate))
        except ssl.SSLCertVerificationError as error:
            raise SourceFault(
                CameraFault.CERTIFICATE, "nobody vouches for its certificate", certificate=await _shown(url, address)
            ) from error
        except ssl.SSLError as error:
            raise SourceFault(CameraFault.NOT_HTTP, "the answer is not TLS, or of a kind too old") from error
        except OSError as error:  # TimeoutError is one
            failure = error
    raise SourceFault(CameraFault.UNREACHABLE, f"no connection ({type(failure).__name__})") from failure


async def _dial(
    url: HttpUrl, address: tuple[str, int], certificate: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if not url.is_secure:
        return await asyncio.open_connection(*address)
    context = any_certificate() if certificate else ssl.create_default_context()
    reader, writer = await asyncio.open_connection(*address, ssl=context, server_hostname=url.host)
    if certificate and not hmac.compare_digest(_fingerprint(writer), certificate.lower()):
        shown = _fingerprint(writer)
        writer.transport.abort()
        raise SourceFault(CameraFault.CERTIFICATE, "its certificate is not the accepted one", certificate=shown)
    return reader, writer


async def _shown(url: HttpUrl, address: tuple[str, int]) -> str:
    """The fingerprint of the certificate there, for a person to look at; empty if it is not shown again."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(*address, ssl=any_certificate(), server_hostname=url.host)
    except OSError:
        return ""
    writer.transport.abort()  # nothing was sent
    return _fingerprint(writer)


def _fingerprint(writer: asyncio.StreamWriter) -> str:
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return hashlib.sha256(shown or b"").hexdigest()
