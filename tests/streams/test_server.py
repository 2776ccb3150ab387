"""Sockets outside ASGI, seen from the other end of a real connection."""

import asyncio
import ipaddress
import json
import socket
import struct
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from incamera.protocol import websocket
from incamera.streams import MediaSocket, SocketPolicy, SocketServer, WebSocketConnection
from incamera.streams import connection as connection_module
from incamera.streams import server as server_module
from tests.support.sockets import Serving, serving


class Echo(MediaSocket):
    """Says back what it hears, and obeys a few orders."""

    def on_message(self, message: dict[str, object]) -> None:
        self.connection.admit()
        match message:
            case {"fail": True}:
                raise RuntimeError("a mistake in a handler")
            case {"flood": int(count)}:
                self.connection.start(self._flood(count))
            case _:
                self.send_json({"you": message, "address": self.connection.request.client_address})

    def on_shutdown(self) -> None:
        self.send_json({"type": "stopped", "reason": "server_stopping"})

    async def _flood(self, count: int) -> None:
        for number in range(count):
            self.send_chunk(number.to_bytes(24, "big"), bytes(100_000))
            await self.connection.drained()
        self.send_json({"flooded": count})


class Machine(Echo):
    """For programs, not pages."""


@pytest.fixture
async def sockets() -> SocketServer:
    policy = SocketPolicy(
        trusted_proxies=(ipaddress.ip_network("127.0.0.1/32"),), max_per_address=3, public_url="https://public.example"
    )
    server = SocketServer(policy)
    server.add_route("/media/echo", Echo)
    server.add_route("/uplink/echo", Machine, is_for_browsers=False)
    return server


@pytest.fixture
async def server(sockets: SocketServer) -> AsyncIterator[Serving]:
    async with serving(sockets) as running:
        yield running


async def test_a_registered_path_is_served_and_counted(server: Serving, sockets: SocketServer) -> None:
    async with connect(server.url("/media/echo")) as page:
        await page.send('{"hello": 1}')

        assert json.loads(await page.recv()) == {"you": {"hello": 1}, "address": "127.0.0.1"}
        assert sockets.connection_count("/media/echo") == 1
    await asyncio.sleep(0.05)
    assert sockets.connection_count("/media/echo") == 0


async def test_other_sockets_go_through_asgi(server: Serving) -> None:
    async with connect(server.url("/elsewhere")) as page:
        await page.send("as before")

        assert await page.recv() == "as before"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/media/echo", {"Origin": "http://evil.example"}, 403),
        ("/media/echo", {"Origin": "null"}, 403),
        ("/media/echo", {"Origin": "https://cam.example", "X-Forwarded-Proto": "http"}, 403),
        ("/uplink/echo", {"Origin": "http://127.0.0.1"}, 403),
        ("/uplink/echo", {"Origin": "https://public.example"}, 403),
    ],
)
async def test_other_origins_are_refused(server: Serving, path: str, headers: dict[str, str], status: int) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(server.url(path), additional_headers=headers):
            pass

    assert refusal.value.response.status_code == status
    assert json.loads(refusal.value.response.body)["code"] in ("other_origin", "not_for_browsers")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://cam.example", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "cam.example:443"},
        {"Origin": "https://public.example", "Host": "inner:8080"},
    ],
)
async def test_the_own_origin_is_let_in_also_behind_a_proxy(server: Serving, headers: dict[str, str]) -> None:
    async with connect(server.url("/media/echo"), additional_headers=headers or {"Origin": server.origin}) as page:
        await page.send("{}")
        assert await page.recv()


async def test_sockets_of_one_address_are_limited(server: Serving) -> None:
    from_there = {"X-Forwarded-For": "10.1.1.1, 192.0.2.9"}
    pages = [await connect(server.url("/media/echo"), additional_headers=from_there) for _ in range(3)]

    with pytest.raises(InvalidStatus) as refusal:
        await connect(server.url("/media/echo"), additional_headers=from_there)
    async with connect(server.url("/media/echo"), additional_headers={"X-Forwarded-For": "192.0.2.10"}) as other:
        await other.send("{}")
        assert json.loads(await other.recv())["address"] == "192.0.2.10"

    assert refusal.value.response.status_code == 429
    await asyncio.gather(*(page.close() for page in pages))
    async with connect(server.url("/media/echo"), additional_headers=from_there):
        pass  # room again


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x02{}", websocket.PROTOCOL_ERROR),  # a client must mask
        (b"\xc1\x80" + bytes(4), websocket.PROTOCOL_ERROR),  # reserved bit
        (b"\x82\x81" + bytes(4) + b"x", websocket.UNSUPPORTED),  # binary is not for pages
        (b"\x81\x82" + bytes(4) + b"\xff\xff", websocket.INVALID_TEXT),
        (b"\x81\x82" + bytes(4) + b"[]", websocket.POLICY),
        (b"\x81\xff" + struct.pack(">Q", 1 << 40) + bytes(4), websocket.TOO_BIG),
        ((b"\x81\x82" + bytes(4) + b"{}") * 500, websocket.POLICY),  # a flood of messages
        (b"\x81\x8e" + bytes(4) + b'{"fail": true}', websocket.INTERNAL_ERROR),
    ],
)
async def test_hostile_frames_close_only_their_own_connection(
    server: Serving, frame: bytes, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "CLOSE_TIMEOUT_S", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(websocket.render_upgrade_request("127.0.0.1", "/media/echo", websocket.new_key()))
    await reader.readuntil(b"\r\n\r\n")

    writer.write(frame)
    received = await reader.read()

    assert websocket.render_close(code)[:4][2:] in received
    async with connect(server.url("/media/echo")) as other:
        await other.send("{}")
        assert await other.recv()
    writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /media/echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        (
            b"GET /media/echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ),
    ],
)
async def test_half_an_upgrade_is_answered_and_closed(server: Serving, head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head)

    answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 426 ")
    assert b"Sec-WebSocket-Version: 13" in answer
    writer.close()


async def test_graceful_stop_says_farewell_and_closes_with_1001(server: Serving) -> None:
    async with connect(server.url("/media/echo")) as page:
        await page.send("{}")
        await page.recv()

        await server.stop()

        assert json.loads(await page.recv())["reason"] == "server_stopping"
        with pytest.raises(ConnectionClosed):
            await page.recv()
        assert page.close_code == websocket.GOING_AWAY


async def test_a_stranger_without_ticket_is_sent_away(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incamera.streams.media_socket.ADMISSION_S", 0.05)
    async with connect(server.url("/media/echo")) as page:
        with pytest.raises(ConnectionClosedError):
            await page.recv()
        assert page.close_code == websocket.POLICY


async def test_a_half_open_connection_is_pinged_and_cut(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_ALIVE_CHECK_S", 0.02)
    monkeypatch.setattr(connection_module, "PING_AFTER_S", 0.05)
    monkeypatch.setattr(connection_module, "SILENCE_LIMIT_S", 0.3)
    async with connect(server.url("/media/echo")) as alive:  # answers pings
        await alive.send("{}")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(websocket.render_upgrade_request("127.0.0.1", "/media/echo", websocket.new_key()))
        await reader.readuntil(b"\r\n\r\n")

        received = b""
        with pytest.raises(ConnectionResetError):  # noqa: PT012 - aborted, after a ping at least
            while part := await reader.read(100):
                received += part
            raise ConnectionResetError

        assert received.startswith(websocket.render_ping())
        assert await alive.recv()
        writer.close()


async def test_backpressure_reaches_who_asks_for_it(server: Serving) -> None:
    """Playback waits for its viewer: of 40 MB no more than the buffers hold is written ahead of a reader that waits."""
    async with connect(server.url("/media/echo"), max_size=None) as page:
        await page.send('{"flood": 400}')
        sizes = [len(await page.recv()) for _ in range(400)]

        assert set(sizes) == {100_024}
        assert json.loads(await page.recv()) == {"flooded": 400}


async def test_a_reader_that_stops_is_noticed_within_half_a_megabyte(sockets: SocketServer) -> None:
    """TCP_NOTSENT_LOWAT: otherwise the kernel takes 4 MB before `unsent_bytes` grows."""
    opened: list[WebSocketConnection] = []

    def remember(connection: WebSocketConnection) -> Echo:
        opened.append(connection)
        return Echo(connection)

    sockets.add_route("/media/stuck", remember)
    async with serving(sockets) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        line = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        writer.write(websocket.render_upgrade_request("127.0.0.1", "/media/stuck", websocket.new_key()))
        await reader.readuntil(b"\r\n\r\n")
        written = 0
        while not opened[0].unsent_bytes and written < 8_000_000:
            opened[0].write(bytes(20_000))
            written += 20_000
            await asyncio.sleep(0.005)

        assert written < 1_000_000
        writer.close()
