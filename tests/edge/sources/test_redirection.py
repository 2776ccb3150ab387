"""Cameras and gateways that send us to another address."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from incamera.edge.sources.base import SourceFault
from incamera.edge.sources.dialling import DialRanges
from incamera.edge.sources.rtsp import rtsp_source
from incamera.kit.clock import SystemClock
from incamera.protocol.messages import CameraFault, RtspSource
from tests.support.cameras import StartSimulated, a_source, has_units, play_until, simulated_camera

__all__ = ["simulated_camera"]


class Gateway:
    """An RTSP server that answers every DESCRIBE with a redirection, and keeps what it was asked."""

    def __init__(self, location: Callable[[int], str], challenge: str = "") -> None:
        self._location = location
        self._challenge = challenge
        self.port = 0
        self.asked: list[bytes] = []

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1") -> AsyncIterator[str]:
        server = await asyncio.start_server(self._answer, host, 0)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield f"rtsp://{host}:{self.port}/door"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with_password = False
        while request := await reader.readuntil(b"\r\n\r\n"):
            self.asked.append(request)
            cseq = next(line for line in request.split(b"\r\n") if line.startswith(b"CSeq"))
            with_password = with_password or b"Authorization" in request
            if request.startswith(b"OPTIONS"):
                head = b"200 OK\r\n"
            elif self._challenge and not with_password:
                head = b"401 Unauthorized\r\nWWW-Authenticate: " + self._challenge.encode() + b"\r\n"
            else:
                head = b"302 Moved\r\nLocation: " + self._location(self.port).encode() + b"\r\n"
            writer.write(b"RTSP/1.0 " + head + cseq + b"\r\n\r\n")


async def test_the_stream_is_found_where_the_gateway_says(simulated_camera: StartSimulated) -> None:
    cameras = await simulated_camera("garden")
    async with Gateway(lambda _: cameras.url("garden")).running() as url:
        source = a_source(url)
        video, *_ = await source.open()
        recording = await play_until(source, has_units(10))
        await source.close()

    assert video.codec == "H264"
    assert len(recording.of(0)) >= 10


async def test_going_round_in_circles_ends() -> None:
    gateway = Gateway(lambda port: f"rtsp://127.0.0.1:{port}/door")
    async with gateway.running() as url:
        assert await _fault_of(url) is CameraFault.PROTOCOL
    described = [request for request in gateway.asked if request.startswith(b"DESCRIBE")]
    assert len(described) == 4


@pytest.mark.parametrize("location", ["http://127.0.0.1/", "rtsp://", "/other", "rtsp://127.0.0.1:99999/x", "\x01"])
async def test_an_address_that_is_none_is_named(location: str) -> None:
    async with Gateway(lambda _: location).running() as url:
        assert await _fault_of(url) is CameraFault.PROTOCOL


@pytest.mark.parametrize("location", ["rtsp://169.254.169.254/latest", "rtsp://203.0.113.9/x"])
async def test_a_redirection_leads_nowhere_that_may_not_be_dialled(location: str) -> None:
    """Attack: a camera makes the edge call the cloud's metadata service, or somebody on the internet."""
    async with Gateway(lambda _: location).running() as url:
        assert await _fault_of(url) is CameraFault.ADDRESS_REFUSED


async def test_the_password_stays_with_the_host_that_its_owner_named() -> None:
    """Attack: a camera sends us on to a host of the attacker that asks for Basic."""
    thief = Gateway(lambda _: "rtsp://127.0.0.2/x", challenge='Basic realm="give"')
    async with thief.running("127.0.0.2") as elsewhere:
        gateway = Gateway(lambda _: elsewhere, challenge='Digest realm="home", nonce="n"')
        async with gateway.running() as url:
            assert await _fault_of(url, username="zoe", password="s3cret") is CameraFault.NEEDS_PASSWORD

    assert any(b"Authorization: Digest" in request for request in gateway.asked)
    assert thief.asked
    assert not any(b"Authorization" in request or b"zoe" in request for request in thief.asked)


async def test_a_redirection_is_judged_by_the_ranges_of_this_edge() -> None:
    ranges = DialRanges.parse(["127.0.0.1/32"])
    async with Gateway(lambda _: "rtsp://127.0.0.2/x").running() as url:
        source = rtsp_source(RtspSource(url=url), False, SystemClock(), ranges)
        with pytest.raises(SourceFault) as caught:
            await source.open()
        await source.close()
    assert caught.value.fault is CameraFault.ADDRESS_REFUSED


async def _fault_of(url: str, username: str = "", password: str = "") -> CameraFault:
    source = a_source(url, username=username, password=password)
    try:
        with pytest.raises(SourceFault) as caught:
            await source.open()
    finally:
        await source.close()
    return caught.value.fault
