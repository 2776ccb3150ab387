"""Cameras that give JPEGs over HTTP, from a real server: pictures, passwords, certificates, redirections, faults."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from incamera.edge.sources.base import SourceFault
from incamera.edge.sources.dialling import DialRanges
from incamera.edge.sources.http import HttpCamera as HttpSourceCamera
from incamera.kit.clock import SystemClock
from incamera.protocol.messages import CameraFault, HttpSource
from tests.support.cameras import RANGES, Recording, has_units, play_until
from tests.support.http_cameras import PASSWORD, USER, HttpCamera, fingerprint, make_certificate


def a_source(
    url: str,
    *,
    username: str = "",
    password: str = "",
    certificate: str = "",
    ranges: DialRanges = RANGES,
    stall_timeout_s: float = 12.0,
) -> HttpSourceCamera:
    where = HttpSource(url=url, username=username, password=password, certificate=certificate)
    return HttpSourceCamera(where, SystemClock(), ranges, stall_timeout_s)


async def watch(source: HttpSourceCamera, pictures: int) -> Recording:
    try:
        (track,) = await source.open()
        assert (track.kind, track.codec, track.clock_rate) == ("video", "H264", 90_000)
        return await play_until(source, has_units(pictures))
    finally:
        await source.close()


async def fault_of(source: HttpSourceCamera) -> SourceFault:
    with pytest.raises(SourceFault) as caught:
        await watch(source, 3)
    return caught.value


@pytest.mark.parametrize("path", ["/video.mjpg", "/chunked.mjpg"])
async def test_every_picture_of_a_stream_comes_through(path: str) -> None:
    async with HttpCamera().running() as base:
        recording = await watch(a_source(base + path), 20)

    times = [unit.presentation_time for unit in recording.of(0)]
    numbers = recording.counters()
    assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + len(numbers))), "none is lost, none comes twice"
    assert all(before < after for before, after in pairwise(times))
    assert 0.5 < (times[19] - times[0]) / 90_000 < 3, "not those in a burst that came while the child was starting"


async def test_one_picture_per_request() -> None:
    camera = HttpCamera(challenge="digest")
    async with camera.running() as base:
        recording = await watch(a_source(f"{base}/snapshot.jpg", username=USER, password=PASSWORD), 3)

    first, second, third, *_ = recording.counters()
    assert first is not None
    assert (second, third) == (first + 1, first + 2)
    assert sum(b"Authorization" not in request for request in camera.asked) == 1, "it is asked for the password once"


@pytest.mark.parametrize("challenge", ["basic", "digest"])
async def test_a_password_opens_the_stream(challenge: str) -> None:
    async with HttpCamera(challenge=challenge).running() as base:
        recording = await watch(a_source(f"{base}/video.mjpg?x=1", username=USER, password=PASSWORD), 3)
        assert len(recording.of(0)) >= 3
        assert (await fault_of(a_source(f"{base}/video.mjpg"))).fault is CameraFault.NEEDS_PASSWORD
        wrong = a_source(f"{base}/video.mjpg", username=USER, password="wrong")
        assert (await fault_of(wrong)).fault is CameraFault.REFUSED_PASSWORD


async def test_a_digest_is_not_answered_in_the_clear() -> None:
    camera = HttpCamera(challenge="digest")
    async with camera.running() as base:
        await watch(a_source(f"{base}/video.mjpg", username=USER, password=PASSWORD), 1)

    assert not any(PASSWORD.encode() in request or b"Basic" in request for request in camera.asked)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/page.html", CameraFault.NO_PICTURES),
        ("/nothing", CameraFault.NOT_FOUND),
        ("/silent.mjpg", CameraFault.STALLED),
    ],
)
async def test_what_gives_no_pictures_says_why(path: str, fault: CameraFault) -> None:
    async with HttpCamera().running() as base:
        assert (await fault_of(a_source(base + path, stall_timeout_s=0.5))).fault is fault


async def test_what_is_no_web_server_is_named() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert (await fault_of(a_source(f"http://127.0.0.1:{port}/"))).fault is CameraFault.NOT_HTTP
        assert (await fault_of(a_source(f"https://127.0.0.1:{port}/"))).fault is CameraFault.NOT_HTTP
    assert (await fault_of(a_source(f"http://127.0.0.1:{port}/"))).fault is CameraFault.UNREACHABLE


async def test_an_end_of_the_stream_is_a_fault() -> None:
    async with HttpCamera(most_pictures=5, rate=100).running() as base:
        assert (await fault_of(a_source(f"{base}/video.mjpg"))).fault is CameraFault.CLOSED


# --- certificates -----------------------------------------------------------------------------------------------------


async def test_a_certificate_that_nobody_vouches_for_is_shown_and_nothing_is_said(tmp_path: Path) -> None:
    camera = HttpCamera(certificate=make_certificate(tmp_path))
    async with camera.running() as base:
        fault = await fault_of(a_source(f"{base}/video.mjpg", username=USER, password=PASSWORD))

    assert fault.fault is CameraFault.CERTIFICATE
    assert fault.certificate == fingerprint(tmp_path / "camera.pem")
    assert camera.asked == []


async def test_an_accepted_certificate_opens_the_stream(tmp_path: Path) -> None:
    camera = HttpCamera(certificate=make_certificate(tmp_path), challenge="basic")
    accepted = fingerprint(tmp_path / "camera.pem")
    async with camera.running() as base:
        source = a_source(f"{base}/video.mjpg", username=USER, password=PASSWORD, certificate=accepted.upper())
        assert len((await watch(source, 3)).of(0)) >= 3


async def test_another_certificate_than_the_accepted_one_hears_nothing(tmp_path: Path) -> None:
    """Attack: somebody between edge and camera shows a certificate of their own."""
    camera = HttpCamera(certificate=make_certificate(tmp_path, "thief"))
    accepted = fingerprint(make_certificate(tmp_path, "camera"))
    async with camera.running() as base:
        source = a_source(f"{base}/video.mjpg", username=USER, password=PASSWORD, certificate=accepted)
        assert (await fault_of(source)).fault is CameraFault.CERTIFICATE

    assert camera.asked == []


# --- redirections -----------------------------------------------------------------------------------------------------


async def test_a_redirection_is_followed() -> None:
    camera = HttpCamera(location="/video.mjpg")
    async with camera.running() as base:
        assert len((await watch(a_source(f"{base}/moved"), 3)).of(0)) >= 3
        camera.location = "/moved"
        assert (await fault_of(a_source(f"{base}/moved"))).fault is CameraFault.PROTOCOL


@pytest.mark.parametrize(
    "location", ["http://169.254.169.254/latest/meta-data", "//203.0.113.9/x", "http://[::ffff:169.254.169.254]/"]
)
async def test_a_redirection_leads_nowhere_that_may_not_be_dialled(location: str) -> None:
    """Attack: a camera makes the edge call the cloud's metadata service, or somebody on the internet."""
    async with HttpCamera(location=location).running() as base:
        assert (await fault_of(a_source(f"{base}/moved"))).fault is CameraFault.ADDRESS_REFUSED


@pytest.mark.parametrize("location", ["file:///etc/passwd", "rtsp://127.0.0.1/", "gopher://127.0.0.1/", ""])
async def test_a_redirection_leads_to_no_other_kind_of_address(location: str) -> None:
    """Attack: libraries that follow such addresses read files."""
    camera = HttpCamera(location=location)
    async with camera.running() as base:
        assert (await fault_of(a_source(f"{base}/moved"))).fault is CameraFault.PROTOCOL


async def test_the_password_stays_with_the_host_that_its_owner_named() -> None:
    """Attack: a camera sends us on to a host of the attacker that asks for Basic."""
    thief = HttpCamera(host="127.0.0.2", challenge="basic")
    async with thief.running() as elsewhere:
        camera = HttpCamera(challenge="digest", location=f"{elsewhere}/video.mjpg")
        async with camera.running() as base:
            source = a_source(f"{base}/moved", username=USER, password=PASSWORD)
            assert (await fault_of(source)).fault is CameraFault.NEEDS_PASSWORD

    assert any(b"Authorization: Digest" in request for request in camera.asked)
    assert thief.asked
    assert not any(b"Authorization" in request or USER.encode() in request for request in thief.asked)


async def test_the_password_never_leaves_encryption(tmp_path: Path) -> None:
    """Attack: an https:// camera sends us to http:// on the same host, where somebody listens."""
    plain = HttpCamera(challenge="basic")
    async with plain.running() as in_the_clear:
        camera = HttpCamera(certificate=make_certificate(tmp_path), location=f"{in_the_clear}/video.mjpg")
        async with camera.running() as base:
            accepted = fingerprint(tmp_path / "camera.pem")
            source = a_source(f"{base}/moved", username=USER, password=PASSWORD, certificate=accepted)
            assert (await fault_of(source)).fault is CameraFault.NEEDS_PASSWORD

    assert not any(b"Authorization" in request for request in plain.asked)


async def test_an_address_outside_the_ranges_is_not_dialled() -> None:
    async with HttpCamera().running() as base:
        source = a_source(f"{base}/video.mjpg", ranges=DialRanges.parse(["10.0.0.0/8"]))
        assert (await fault_of(source)).fault is CameraFault.ADDRESS_REFUSED


# --- hostile pictures -------------------------------------------------------------------------------------------------


async def test_a_stream_that_is_no_pictures_ends(tmp_path: Path) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n")
        for _ in range(64):
            writer.write(b"<html>" * 8192)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert (await fault_of(a_source(f"http://127.0.0.1:{port}/"))).fault is CameraFault.NO_PICTURES
