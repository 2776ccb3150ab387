"""What waits below TLS is counted, on either event loop."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from incamera.kit.clock import SystemClock
from incamera.kit.transports import count_unsent, find_below_tls
from incamera.serving.tls import own_certificate

MIB = 1024 * 1024


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], Any]]:
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    made = own_certificate(tmp_path, ["localhost"], SystemClock().now())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.cert, made.key)
    return context


@asynccontextmanager
async def a_peer_that_reads_nothing(tls: ssl.SSLContext | None) -> AsyncIterator[asyncio.Transport]:
    """The server's end of a connection to it."""
    connected: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

    class Accept(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            connected.set_result(transport)

    server = await asyncio.get_running_loop().create_server(Accept, "127.0.0.1", 0, ssl=tls)
    trust = None
    if tls is not None:
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    port = server.sockets[0].getsockname()[1]
    _reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, limit=1024)
    transport = await connected
    try:
        yield transport
    finally:
        transport.abort()
        writer.transport.abort()
        server.close()
        await asyncio.sleep(0.05)


async def test_everything_that_was_written_and_not_sent_counts(tls: ssl.SSLContext) -> None:
    async with a_peer_that_reads_nothing(tls) as transport:
        count = count_unsent(transport)

        transport.write(bytes(32 * MIB))  # the kernel takes a few
        await asyncio.sleep(0.2)

        assert find_below_tls(transport) is not None
        assert count() > 16 * MIB


async def test_without_tls_the_transport_counts_itself() -> None:
    async with a_peer_that_reads_nothing(None) as transport:
        assert find_below_tls(transport) is None
        assert count_unsent(transport)() == 0
