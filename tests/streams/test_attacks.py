"""What strangers and stolen edges try on the sockets: floods that say nothing, answers never read, another way in."""

import asyncio
import ipaddress
import socket
from typing import Any

import pytest
from uvicorn.server import ServerState

from incamera.kit.clock import SystemClock
from incamera.kit.ids import new_id
from incamera.protocol import websocket
from incamera.protocol.messages import StreamKind
from incamera.streams import Hub, SocketPolicy, SocketServer, StreamKey
from incamera.streams import server as server_module
from incamera.streams.gop_cache import GOP_CACHE_BYTES, make_cache
from incamera.streams.model import LiveChunk
from tests.streams.test_hostile import Transport
from tests.streams.test_server import Echo
from tests.support.sockets import a_run, eventually, serving

MASK = bytes(4)
FLOODS = {
    "pongs": b"\x8a\x80" + MASK,
    "empty pieces of a message that never ends": b"\x00\x80" + MASK,
    "pieces of one byte": b"\x00\x81" + MASK + b" ",
}


@pytest.fixture
async def sockets() -> SocketServer:
    server = SocketServer(SocketPolicy())
    server.add_route("/media/echo", Echo)
    return server


async def upgraded(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    writer.write(websocket.render_upgrade_request("127.0.0.1", "/media/echo", websocket.new_key()))
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.req("X-09")
@pytest.mark.parametrize("frame", FLOODS.values(), ids=list(FLOODS))
async def test_frames_that_say_nothing_are_counted_too(sockets: SocketServer, frame: bytes) -> None:
    async with serving(sockets) as server:
        reader, writer = await upgraded(server.port)
        writer.write(b"\x01\x80" + MASK + frame * 2000)

        farewell = await reader.readexactly(4)
        writer.close()

    assert farewell[0] == 0x88, "a close frame"
    assert int.from_bytes(farewell[2:4], "big") == websocket.POLICY


@pytest.mark.req("X-09")
async def test_who_asks_and_never_reads_is_cut(sockets: SocketServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_ALIVE_CHECK_S", 0.05)
    monkeypatch.setattr(Echo, "max_unsent_bytes", 1_000_000)
    monkeypatch.setattr(Echo, "texts_per_s", 1e6)
    async with serving(sockets) as server:
        _, writer = await upgraded(server.port)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        question = websocket.render_text(b'{"x":"' + b"y" * 15_000 + b'"}', is_client=True)

        for _ in range(600):  # 9 MB; the kernel takes a part of it
            writer.write(question)

        await eventually(lambda: sockets.connection_count("/media/echo") == 0)
        writer.close()


@pytest.mark.parametrize("stream", [StreamKind.MAIN, StreamKind.AUDIO])
def test_tiny_chunks_do_not_fill_the_memory(stream: StreamKind) -> None:
    cache = make_cache(stream)
    cache.begin(90_000)
    for number in range(60_000):  # an edge that sends one byte at a time, all of the same moment
        cache.add(LiveChunk(1, number == 0 or stream is StreamKind.AUDIO, 0, 0, b"x", 0.0))

    assert len(cache.chunks) < GOP_CACHE_BYTES // 400


async def test_the_largest_chunk_of_sound_is_no_accident() -> None:
    hub = Hub(SystemClock())
    publication = hub.begin_run(StreamKey(new_id(), StreamKind.AUDIO), a_run())
    for _ in range(2):
        publication.publish(is_sync=True, decode_time=0, wall_us=0, chunk=bytes(GOP_CACHE_BYTES))


class FromOutside(Transport):
    """A connection from somewhere."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self._address, 50_000) if name == "peername" else default


@pytest.mark.req("B4-03")
@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("203.0.113.9", b"HTTP/1.1 403"),
        ("::ffff:203.0.113.9", b"HTTP/1.1 403"),
        ("10.0.0.2", b"HTTP/1.1 101"),  # the proxy
        ("::ffff:10.0.0.2", b"HTTP/1.1 101"),
        ("127.0.0.1", b"HTTP/1.1 101"),  # the local edge
    ],
)
async def test_nobody_opens_a_plain_socket_past_the_proxy(address: str, answer: bytes) -> None:
    sockets = SocketServer(SocketPolicy(trusted_proxies=(ipaddress.ip_network("10.0.0.2"),)))
    sockets.add_route("/media/echo", Echo)
    head = websocket.render_upgrade_request("cam.example", "/media/echo", websocket.new_key())
    transport = FromOutside(address)

    connection = sockets.accept(head, transport, ServerState())

    assert bytes(transport.written).startswith(answer)
    connection.connection_lost(None)
