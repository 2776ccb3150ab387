"""What the edge writes together, and what does not wait for it. The other end is a socket that keeps what it reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from incamera.edge import link as link_module
from incamera.edge.link import CertificateExpectation, Link, open_link
from incamera.edge.server_address import ServerAddress
from incamera.kit.clock import SystemClock
from incamera.protocol import websocket
from incamera.protocol.websocket import Binary, Close, Event, FrameReader, Text

_CHUNK = bytes(20_000)


class _Listener:
    """Upgrades one connection and takes its frames apart."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(websocket.render_upgrade_response(websocket.parse_upgrade_request(head).key))
        frames = FrameReader(is_server=True, max_message_bytes=4 * 1024 * 1024)
        while data := await reader.read(1 << 20):
            self.events += frames.receive(data)
            self._news.set()
        writer.close()

    async def until(self, count: int) -> list[Event]:
        async with asyncio.timeout(10):
            while len(self.events) < count:
                self._news.clear()
                await self._news.wait()
        return self.events


@asynccontextmanager
async def _connected() -> AsyncIterator[tuple[Link, _Listener]]:
    listener = _Listener()
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    address = ServerAddress("127.0.0.1", server.sockets[0].getsockname()[1], is_tls=False)
    link = await open_link(address, CertificateExpectation(()), SystemClock().monotonic)
    try:
        yield link, listener
    finally:
        link.abort()
        server.close()


@pytest.fixture
def waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may wait does, so that whatever makes it leave is seen to."""
    monkeypatch.setattr(link_module, "_GATHERED_S", 3600.0)


def _headers(events: list[Event]) -> list[bytes]:
    return [event.data[:1] for event in events if isinstance(event, Binary)]


async def test_what_may_wait_leaves_soon_all_the_same() -> None:
    async with _connected() as (link, listener):
        link.send_media(b"1", _CHUNK, may_wait=True)
        link.send_media(b"2", _CHUNK, may_wait=True)

        assert _headers(await listener.until(2)) == [b"1", b"2"]


@pytest.mark.usefixtures("waits_for_ever")
async def test_what_somebody_watches_takes_along_what_waits_and_keeps_the_order() -> None:
    async with _connected() as (link, listener):
        link.send_media(b"1", _CHUNK, may_wait=True)
        await asyncio.sleep(0.05)
        assert listener.events == []

        link.send_media(b"2", _CHUNK)
        link.send_media(b"3", _CHUNK, may_wait=True)

        assert _headers(await listener.until(3)) == [b"1", b"2", b"3"]


@pytest.mark.usefixtures("waits_for_ever")
async def test_a_text_is_read_behind_the_media_before_it() -> None:
    async with _connected() as (link, listener):
        link.send_media(b"1", _CHUNK, may_wait=True)
        link.send_text(b"{}")

        events = await listener.until(2)
        assert [type(event) for event in events] == [Binary, Text]


@pytest.mark.usefixtures("waits_for_ever")
async def test_a_good_bye_leaves_nothing_behind() -> None:
    async with _connected() as (link, listener):
        link.send_media(b"1", _CHUNK, may_wait=True)
        link.close()

        events = await listener.until(2)
        assert [type(event) for event in events] == [Binary, Close]


@pytest.mark.usefixtures("waits_for_ever")
async def test_more_than_a_writes_worth_does_not_wait() -> None:
    chunks = link_module._GATHERED_BYTES // len(_CHUNK) + 1
    async with _connected() as (link, listener):
        for number in range(chunks + 2):
            link.send_media(bytes([number]), _CHUNK, may_wait=True)

        assert len(_headers(await listener.until(chunks))) == chunks, "two of the next write still wait"


@pytest.mark.usefixtures("waits_for_ever")
async def test_after_it_hung_up_nothing_is_kept_for_nobody() -> None:
    async with _connected() as (link, listener):
        link.send_media(b"1", _CHUNK, may_wait=True)
        link.abort()
        for _ in range(100):
            link.send_media(b"2", _CHUNK, may_wait=True)
        await asyncio.sleep(0.05)

        assert listener.events == []
        assert link._gathered_bytes < link_module._GATHERED_BYTES
