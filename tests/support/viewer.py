"""A page without a browser: tickets over HTTP, then the media sockets, as the web app uses them."""

import asyncio
import base64
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from incamera.protocol.frames import VIEWER_HEADER_BYTES, parse_viewer_header
from tests.support.server import Server

ANSWER_S = 15.0


@dataclass
class Picture:
    """One binary frame."""

    is_sync: bool
    decode_time: int
    wall_us: int
    chunk: bytes


@dataclass
class Part:
    """What came under one init segment."""

    run: dict[str, Any]
    init: bytes
    pictures: list[Picture] = field(default_factory=list)

    @property
    def media(self) -> bytes:
        """A whole file."""
        return self.init + b"".join(picture.chunk for picture in self.pictures)


@dataclass
class Stream:
    """What came of one stream, run by run."""

    parts: list[Part] = field(default_factory=list)

    @property
    def pictures(self) -> list[Picture]:
        return [picture for part in self.parts for picture in part.pictures]


class Viewer:
    """One media socket. `streams` fills while `receive` or `until` runs."""

    def __init__(self, connection: ClientConnection) -> None:
        self._socket = connection
        self.messages: list[dict[str, Any]] = []
        self.streams: dict[int, Stream] = {}
        self.first_picture_s: float | None = None
        self._opened_at = time.monotonic()

    async def say(self, **message: Any) -> None:
        await self._socket.send(json.dumps(message))

    async def receive(self, timeout_s: float = ANSWER_S) -> dict[str, Any] | Picture:
        """The next message, also kept in `messages` or `streams`."""
        async with asyncio.timeout(timeout_s):
            data = await self._socket.recv()
        return self._text(json.loads(data)) if isinstance(data, str) else self._binary(data)

    async def until(self, condition: Callable[[], Any], timeout_s: float = ANSWER_S) -> None:
        """Receives until the condition is true."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                await self.receive(timeout_s)

    def find(self, kind: str, **members: Any) -> dict[str, Any] | None:
        """The first message of this type with these members."""
        wanted = {"type": kind, **members}.items()
        return next((message for message in self.messages if wanted <= message.items()), None)

    def vanish(self) -> None:
        """Goes without a good-bye."""
        self._socket.transport.abort()

    def _text(self, message: dict[str, Any]) -> dict[str, Any]:
        self.messages.append(message)
        if message.get("type") == "run":
            stream = self.streams.setdefault(message["handle"], Stream())
            stream.parts.append(Part(message, base64.b64decode(message["init"])))
        return message

    def _binary(self, data: bytes) -> Picture:
        if self.first_picture_s is None:
            self.first_picture_s = time.monotonic() - self._opened_at
        handle, is_sync, decode_time, wall_us = parse_viewer_header(data)
        picture = Picture(is_sync, decode_time, wall_us, data[VIEWER_HEADER_BYTES:])
        self.streams[handle].parts[-1].pictures.append(picture)  # a picture before its run is an error
        return picture


@asynccontextmanager
async def open_viewer(server: Server, path: str, line: socket.socket | None = None) -> AsyncIterator[Viewer]:
    """A socket such as `/media/live`, from the server's own page; over `line`, if that is connected already."""
    url = server.url.replace("http", "ws", 1) + path
    # Without a bound on its queue: with one, closing waits ten seconds behind the pictures nobody read.
    given: dict[str, Any] = {"sock": line} if line is not None else {}
    if server.url.startswith("https"):
        given["ssl"] = server.trust()
    async with websockets.connect(url, origin=server.url, max_size=None, max_queue=None, **given) as opened:  # type: ignore[arg-type]
        yield Viewer(opened)


def get_tickets(server: Server, channel_id: str, purpose: str, *streams: str) -> list[str]:
    """Fresh tickets for these streams, as the owner."""
    response = server.owner().post(
        f"/api/v1/channels/{channel_id}/tickets", json={"for": purpose, "streams": list(streams)}
    )
    assert response.status_code == 201, response.text
    return [ticket["ticket"] for ticket in response.json()["tickets"]]


@asynccontextmanager
async def watching(
    server: Server, channel_id: str, *streams: str, line: socket.socket | None = None
) -> AsyncIterator[tuple[Viewer, dict[str, int]]]:
    """A live viewer of these streams, and their handles."""
    async with open_viewer(server, "/media/live", line) as viewer:
        for ticket in get_tickets(server, channel_id, "live", *streams):
            await viewer.say(open=ticket)
        await viewer.until(lambda: sum(message["type"] == "opened" for message in viewer.messages) == len(streams))
        handles = {message["stream"]: message["handle"] for message in viewer.messages if message["type"] == "opened"}
        yield viewer, handles


@asynccontextmanager
async def looking_back(server: Server, channel_id: str, *streams: str) -> AsyncIterator[tuple[Viewer, dict[str, Any]]]:
    """A viewer of recordings, and the `opened` message."""
    async with open_viewer(server, "/media/playback") as viewer:
        (ticket,) = get_tickets(server, channel_id, "playback", *streams)
        await viewer.say(open=ticket)
        await viewer.until(lambda: viewer.find("opened"))
        opened = viewer.find("opened")
        assert opened is not None
        yield viewer, opened
