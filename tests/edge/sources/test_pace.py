"""Media of a camera that nobody watches wait in the kernel for company, and for nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from incamera.edge.sources.base import SourceFault
from incamera.edge.sources.rtsp_connection import RtspConnection
from incamera.kit.clock import SystemClock
from incamera.media.rtsp.client import RtspClient
from incamera.media.rtsp.url import RtspUrl
from incamera.protocol.messages import CameraFault

SECOND_BYTES = 100_000
PICTURE_BYTES = 4_004


class HandClock(SystemClock):
    """Goes on when told."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


class Listening(RtspConnection):
    """Says how much it was given."""

    received_bytes = 0
    reads = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.received_bytes += len(data)
        self.reads += 1

    async def has_received(self, size_bytes: int) -> None:
        async with asyncio.timeout(5):
            while self.received_bytes < size_bytes:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


Send = Callable[[int], Awaitable[None]]


@asynccontextmanager
async def a_line(clock: HandClock) -> AsyncIterator[tuple[Listening, Send, Callable[[], None]]]:
    """A connection that has received for a second, and what makes the camera send one more packet or hang up."""
    writers: list[asyncio.StreamWriter] = []

    async def camera(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read()
        writer.close()

    async def send(size_bytes: int) -> None:
        writers[0].write(b"$\x00" + (size_bytes - 4).to_bytes(2, "big") + bytes(size_bytes - 4))
        await writers[0].drain()

    server = await asyncio.start_server(camera, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        connection = Listening(RtspClient(RtspUrl.parse(f"rtsp://127.0.0.1:{port}/")), clock)
        await asyncio.get_running_loop().create_connection(lambda: connection, "127.0.0.1", port)
        while not writers:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        for _ in range(SECOND_BYTES // PICTURE_BYTES):
            await send(PICTURE_BYTES)
        await connection.has_received(SECOND_BYTES // PICTURE_BYTES * PICTURE_BYTES)
        clock.now_s += 1.0
        try:
            yield connection, send, writers[0].close
        finally:
            await connection.close()


async def test_pictures_wait_for_each_other_and_come_in_one_read() -> None:
    async with a_line(HandClock()) as (connection, send, _):
        connection.set_pace(is_patient=True)
        before_bytes, before_reads = connection.received_bytes, connection.reads
        for _ in range(4):
            await send(PICTURE_BYTES)
        await asyncio.sleep(0.1)
        assert connection.received_bytes == before_bytes, "0.2 s of them are not there yet"

        await send(PICTURE_BYTES)
        await connection.has_received(before_bytes + 5 * PICTURE_BYTES)
        assert connection.reads == before_reads + 1


async def test_what_waits_comes_at_once_when_somebody_watches() -> None:
    async with a_line(HandClock()) as (connection, send, _):
        connection.set_pace(is_patient=True)
        before_bytes = connection.received_bytes
        await send(PICTURE_BYTES)
        await asyncio.sleep(0.1)
        assert connection.received_bytes == before_bytes

        connection.set_pace(is_patient=False)
        await connection.has_received(before_bytes + PICTURE_BYTES)
        await send(PICTURE_BYTES)
        await connection.has_received(before_bytes + 2 * PICTURE_BYTES)


async def test_what_a_camera_sent_before_it_fell_silent_comes_with_the_next_look() -> None:
    clock = HandClock()
    async with a_line(clock) as (connection, send, _):
        connection.set_pace(is_patient=True)
        before_bytes = connection.received_bytes
        await send(PICTURE_BYTES)
        await asyncio.sleep(0.1)
        assert connection.received_bytes == before_bytes

        clock.now_s += 1.0
        connection.set_pace(is_patient=True)
        await connection.has_received(before_bytes + PICTURE_BYTES)


async def test_what_a_camera_sent_before_it_hung_up_is_not_lost() -> None:
    async with a_line(HandClock()) as (connection, send, hang_up):
        connection.set_pace(is_patient=True)
        before_bytes = connection.received_bytes
        await send(PICTURE_BYTES)
        hang_up()

        await connection.has_received(before_bytes + PICTURE_BYTES)
        with pytest.raises(SourceFault) as caught:
            await connection.wait_for_end(5.0)
        assert caught.value.fault is CameraFault.CLOSED
