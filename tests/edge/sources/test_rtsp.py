"""A camera behind a socket: every way it can fail has a name, and it is let go of cleanly."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import pytest

from incamera.edge.sources.base import SourceFault
from incamera.edge.sources.datagrams import bind_pair
from incamera.edge.sources.rtsp import RtspCamera, TransportMemory
from incamera.kit.clock import SystemClock
from incamera.media.rtp.rtcp import Goodbye, parse_rtcp
from incamera.media.rtsp.authentication import Credentials
from incamera.media.sample import AccessUnit
from incamera.protocol.messages import CameraFault, RtspSource
from tests.support.cameras import RANGES, StartSimulated, a_source, has_units, play_until, simulated_camera
from tests.support.rtsp_peers import SDP

__all__ = ["simulated_camera"]

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def fault_of(url: str, **options: str) -> CameraFault:
    source = a_source(url, **options)  # type: ignore[arg-type]
    try:
        with pytest.raises(SourceFault) as caught:
            await source.open()
    finally:
        await source.close()
    return caught.value.fault


async def fault_of_server(handler: Handler) -> CameraFault:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        return await fault_of(f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")


def saying(text: bytes, *, hang_up: bool = True) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        number = next(line for line in request.split(b"\r\n") if line.startswith(b"CSeq"))
        writer.write(text.replace(b"CSEQ", number))
        await writer.drain()
        if not hang_up:
            await reader.read()
        writer.close()

    return handle


async def test_nothing_listens_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        assert await fault_of(f"rtsp://127.0.0.1:{port}/") is CameraFault.UNREACHABLE


async def test_the_name_is_unknown() -> None:
    assert await fault_of("rtsp://nobody.invalid/") is CameraFault.NAME_NOT_FOUND


@pytest.mark.req("B3-06")
@pytest.mark.parametrize("host", ["8.8.8.8", "169.254.169.254", "[::ffff:169.254.169.254]"])
async def test_the_address_is_not_ours_to_dial(host: str) -> None:
    assert await fault_of(f"rtsp://{host}/") is CameraFault.ADDRESS_REFUSED


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", CameraFault.NOT_RTSP),
        (b"", CameraFault.CLOSED),
        (b"RTSP/1.0 200 OK\r\nCSEQ\r\nContent-Length: x\r\n\r\n", CameraFault.PROTOCOL),
        (b"RTSP/1.0 401 Unauthorized\r\nCSEQ\r\nWWW-Authenticate: Basic realm=x\r\n\r\n", CameraFault.NEEDS_PASSWORD),
        (b"$\x00\x00\x01x" + b"RTSP/1.0 200 OK\r\nCSEQ\r\n\r\n", CameraFault.CLOSED),
    ],
)
async def test_strange_answers_have_names(answer: bytes, fault: CameraFault) -> None:
    assert await fault_of_server(saying(answer)) is fault


def describing(sdp: bytes) -> Handler:
    """A camera that gets as far as its description."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for body in (b"", sdp):
            request = await reader.readuntil(b"\r\n\r\n")
            number = next(line for line in request.split(b"\r\n") if line.startswith(b"CSeq"))
            writer.write(b"RTSP/1.0 200 OK\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (number, len(body), body))
        await reader.read()
        writer.close()

    return handle


@pytest.mark.parametrize(
    ("sdp", "fault"),
    [
        (b"v=0\r\nm=audio 0 RTP/AVP 8\r\n", CameraFault.NO_VIDEO),
        (b"v=0\r\nm=video 0 RTP/AVP 98\r\na=rtpmap:98 MP4V-ES/90000\r\n", CameraFault.UNSUPPORTED_CODEC),
        (b"nonsense", CameraFault.PROTOCOL),
    ],
)
async def test_descriptions_without_a_picture_for_us(sdp: bytes, fault: CameraFault) -> None:
    assert await fault_of_server(describing(sdp)) is fault


async def test_passwords_and_paths(simulated_camera: StartSimulated) -> None:
    cameras = await simulated_camera("garden", credentials=Credentials("admin", "secret"))

    assert await fault_of(cameras.url("garden")) is CameraFault.NEEDS_PASSWORD
    assert await fault_of(cameras.url("garden"), username="admin", password="no") is CameraFault.REFUSED_PASSWORD
    wrong_path = cameras.url("garden").replace("main", "other")
    assert await fault_of(wrong_path, username="admin", password="secret") is CameraFault.NOT_FOUND


async def test_a_camera_that_hangs_up_after_asking_gets_the_password_over_a_new_connection(
    simulated_camera: StartSimulated,
) -> None:
    cameras = await simulated_camera("garden", credentials=Credentials("admin", "secret"))
    connections = 0

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        camera_reader, camera_writer = await asyncio.open_connection("127.0.0.1", cameras.port)
        if connections == 1:
            for _ in range(2):  # OPTIONS, DESCRIBE
                camera_writer.write(await reader.readuntil(b"\r\n\r\n"))
                writer.write(await camera_reader.readuntil(b"\r\n\r\n"))
        else:
            await asyncio.gather(_copy(reader, camera_writer), _copy(camera_reader, writer))
        writer.close()
        camera_writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        source = a_source(f"rtsp://127.0.0.1:{port}/garden/sub", username="admin", password="secret")
        await source.open()
        assert await play_until(source, has_units(2))
        await source.close()
    assert connections == 2


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


async def test_sound_that_nobody_wants_is_not_asked_for(simulated_camera: StartSimulated) -> None:
    cameras = await simulated_camera("garden")
    source = a_source(cameras.url("garden", "sub"), want_audio=False)
    video, audio = await source.open()
    recording = await play_until(source, has_units(5))
    await source.close()

    assert (video.is_received, audio.is_received, audio.codec) == (True, False, "MPEG4-GENERIC")
    assert {track for track, _, _ in recording.units} == {0}


async def test_a_camera_that_hangs_up_is_closed(simulated_camera: StartSimulated) -> None:
    cameras = await simulated_camera("garden")
    source = a_source(cameras.url("garden", "sub"))
    await source.open()
    await play_until(source, has_units(2))
    cameras.drop("garden")

    with pytest.raises(SourceFault) as caught:
        await play_until(source, has_units(10_000))

    assert caught.value.fault is CameraFault.CLOSED
    await source.close()


async def test_a_camera_that_plays_nothing_has_stalled() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readuntil(b"\r\n\r\n"):
            number = next(line for line in request.split(b"\r\n") if line.startswith(b"CSeq"))
            body = SDP if request.startswith(b"DESCRIBE") else b""
            writer.write(
                b"RTSP/1.0 200 OK\r\n%s\r\nSession: 1\r\nContent-Length: %d\r\n\r\n" % (number, len(body)) + body
            )
            if request.startswith(b"TEARDOWN"):
                writer.close()
                return

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        where = RtspSource(url=f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")
        camera = RtspCamera(where, True, SystemClock(), RANGES, stall_timeout_s=0.5)
        await camera.open()
        with pytest.raises(SourceFault) as caught:
            await camera.play(lambda track, unit, arrival_s: None)
        await camera.close()

    assert caught.value.fault is CameraFault.STALLED


def a_mute_camera(asked: list[str], server_ports: str = "") -> Handler:
    """It takes any transport and sends nothing."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while request := (await reader.readuntil(b"\r\n\r\n")).decode():
                lines = dict(line.split(": ", 1) for line in request.split("\r\n")[1:] if line)
                asked.extend([lines["Transport"]] if "Transport" in lines else [])
                body = SDP.partition(b"m=audio")[0] if request.startswith("DESCRIBE") else b""
                head = f"RTSP/1.0 200 OK\r\nCSeq: {lines['CSeq']}\r\nSession: 1\r\nContent-Length: {len(body)}\r\n"
                transport = f"Transport: {lines['Transport']}{server_ports}\r\n" if "Transport" in lines else ""
                writer.write(f"{head}{transport}\r\n".encode() + body)
        writer.close()

    return handle


async def test_a_camera_that_stays_mute_is_asked_for_the_other_way_the_next_time() -> None:
    """Over TCP, over UDP, over TCP again."""
    asked: list[str] = []
    memory = TransportMemory()
    server = await asyncio.start_server(a_mute_camera(asked), "127.0.0.1", 0)
    async with server:
        where = RtspSource(url=f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")
        for _ in range(3):
            camera = RtspCamera(where, False, SystemClock(), RANGES, memory, stall_timeout_s=0.3)
            await camera.open()
            with pytest.raises(SourceFault, match="no picture"):
                await camera.play(lambda track, unit, arrival_s: None)
            await camera.close()

    assert [transport.split(";")[0] for transport in asked] == ["RTP/AVP/TCP", "RTP/AVP", "RTP/AVP/TCP"]


async def test_over_udp_the_camera_hears_that_we_go() -> None:
    rtp, rtcp = bind_pair("127.0.0.1")
    with rtp, rtcp:
        rtcp.settimeout(5)
        ports = f";server_port={rtp.getsockname()[1]}-{rtcp.getsockname()[1]}"
        server = await asyncio.start_server(a_mute_camera([], ports), "127.0.0.1", 0)
        async with server:
            where = RtspSource(url=f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/x")
            memory = TransportMemory()
            memory.remember(where.url, over_udp=True)
            camera = RtspCamera(where, False, SystemClock(), RANGES, memory)
            await camera.open()
            await camera.close()
        said = [await asyncio.to_thread(rtcp.recv, 1000) for _ in range(2)]

    assert [len(parse_rtcp(packet)) for packet in said] == [0, 1], "a greeting, then a good-bye"
    assert isinstance(parse_rtcp(said[1])[0], Goodbye)


async def test_the_way_that_worked_comes_first_when_the_camera_comes_back(simulated_camera: StartSimulated) -> None:
    cameras = await simulated_camera("garden:udp")
    where, memory = RtspSource(url=cameras.url("garden", "sub")), TransportMemory()
    ways = []
    for _ in range(2):
        source = RtspCamera(where, False, SystemClock(), RANGES, memory)
        await source.open()
        await play_until(source, has_units(2))
        await source.close()
        ways.append(memory.take(where.url))
        memory.remember(where.url, over_udp=ways[-1])

    assert ways == [True, True]
    assert not memory.take("rtsp://other/")


async def test_an_error_of_the_one_who_takes_units_reaches_play(simulated_camera: StartSimulated) -> None:
    cameras = await simulated_camera("garden")
    source = a_source(cameras.url("garden", "sub"))
    await source.open()

    def refuse(track: int, unit: AccessUnit, arrival_s: float) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await source.play(refuse)
    await source.close()


async def test_closing_twice_and_before_opening_is_allowed() -> None:
    source = a_source("rtsp://127.0.0.1:1/")
    await source.close()
    await source.close()


def test_a_fault_tells_nothing_secret() -> None:
    fault = SourceFault(CameraFault.CLOSED, "the camera closed the connection")

    assert fault.fault is CameraFault.CLOSED
    assert str(fault) == "The camera gives no picture (closed): the camera closed the connection."
