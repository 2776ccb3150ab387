"""Whatever bytes arrive, a connection stays open or closes; nothing escapes into the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from incamera.kit.clock import SystemClock
from incamera.protocol import websocket
from incamera.protocol.frames import MediaFrame, render_media_frame_header
from incamera.streams import Hub, SocketRequest, UplinkContext, UplinkDirectory, WebSocketConnection
from tests.streams.test_server import Echo
from tests.streams.test_uplink import Recorder, Registry, a_span, render_message

REQUEST = SocketRequest("/", "", {}, "192.0.2.1", is_secure=False)


class Transport(asyncio.Transport):
    """Swallows what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


def text(payload: bytes) -> bytes:
    return websocket.render_text(payload, is_client=True)


def binary(payload: bytes) -> bytes:
    return websocket.render_binary_header(len(payload), is_client=True) + payload


ENCODED = st.one_of(
    st.binary(max_size=64),  # no frame at all
    st.binary(max_size=200).map(binary),
    st.text(max_size=40).map(lambda words: text(words.encode())),
    st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8)).map(
        lambda it: text(msgspec.json.encode(it))
    ),
    st.sampled_from(
        [
            text(b'{"type":"ping","sent_us":1}'),
            text(render_message(a_span())),
            text(b'{"open":"x"}'),
            binary(render_media_frame_header(MediaFrame(1, True, False, 0, -1, 0, 1 << 62, b"")) + b"x"),
            binary(render_media_frame_header(MediaFrame(0, True, True, 1 << 63, 0, 0, 0, b"", is_sealed=True)) + b"x"),
            websocket.render_ping(b"x", is_client=True),
            websocket.render_close(1000, is_client=True),
        ]
    ),
)


async def feed(make: Callable[[WebSocketConnection], Any], pieces: list[bytes], *, is_admitted: bool = False) -> None:
    escaped: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: escaped.append(context))
    transport = Transport()
    connection = WebSocketConnection(REQUEST, transport, lambda _connection: None)
    handler = make(connection)
    connection.open(handler, b"")
    if is_admitted:
        handler._become_ready(UUID(int=1))  # as after a successful authentication
    for piece in pieces:
        connection.data_received(piece)
    await asyncio.sleep(0)
    assert connection.is_open or b"\x88" in transport.written, "a close frame says why"
    connection.connection_lost(None)
    await asyncio.sleep(0)
    assert not escaped


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(ENCODED, max_size=8))
async def test_pages(pieces: list[bytes]) -> None:
    await feed(Echo, pieces)


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(ENCODED, max_size=8))
async def test_edges(pieces: list[bytes]) -> None:
    registry, clock = Registry(), SystemClock()
    hub = Hub(clock)
    key = X25519PrivateKey.generate()
    directory = UplinkDirectory(UplinkContext(hub, registry, registry, Recorder(), key, lambda _: (b"",), clock))

    await feed(directory.make_socket, pieces)
    await feed(directory.make_socket, pieces, is_admitted=True)
    await directory.settle()
