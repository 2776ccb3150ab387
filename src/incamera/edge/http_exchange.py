"""One HTTP question and its whole answer, within limits of time and size. Only addresses that this edge may dial."""

import asyncio
from typing import Final

from incamera.edge.sources.dialling import AddressRefused, DialRanges, NameNotFound, resolve
from incamera.media.http.errors import HttpProtocolError
from incamera.media.http.messages import Head, ResponseReader
from incamera.media.http.url import HttpUrl

CONNECT_TIMEOUT_S: Final = 3.0
ANSWER_TIMEOUT_S: Final = 6.0
_READ_BYTES: Final = 64 * 1024


class NobodyAnswers(OSError):
    """No connection, or no answer in time."""


async def exchange(url: HttpUrl, request: bytes, ranges: DialRanges, max_body_bytes: int) -> tuple[Head, bytes]:
    """Sends a request over a connection of its own; raises NobodyAnswers or HttpError.

    The request comes from `media.http.render_request`, and names the end of the connection.
    """
    try:
        addresses = await resolve(url.host, url.port, ranges)
    except (NameNotFound, AddressRefused) as error:
        raise NobodyAnswers(str(error)) from error
    reader, writer = await _connect(addresses)
    try:
        writer.write(request)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await _read(reader, max_body_bytes)
    except (TimeoutError, OSError) as error:
        raise NobodyAnswers("no answer in time") from error
    finally:
        writer.transport.abort()


async def _connect(addresses: list[tuple[str, int]]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    failure: Exception | None = None
    for host, port in addresses:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await asyncio.open_connection(host, port)
        except OSError as error:  # TimeoutError is one
            failure = error
    raise NobodyAnswers("no connection") from failure


async def _read(reader: asyncio.StreamReader, max_body_bytes: int) -> tuple[Head, bytes]:
    response = ResponseReader()
    body = bytearray()
    while not response.is_ended:
        data = await reader.read(_READ_BYTES)
        for piece in response.receive(data) if data else ():
            body += piece
        if len(body) > max_body_bytes:
            raise HttpProtocolError("its answer is too long")
        if not data:
            response.end()
    assert response.head is not None
    return response.head, bytes(body)
