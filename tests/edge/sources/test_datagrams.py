"""Cameras that send over UDP: our own simulated one on good and bad lines, and who else may send to those ports."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import pytest

from incamera.edge.simulated.cameras import SimulatedCamera
from incamera.edge.simulated.server import SimulatedCameras
from incamera.edge.sources.datagrams import TrackDatagrams, bind_pair
from incamera.kit.clock import SystemClock
from incamera.media.rtsp.transport import Ports
from incamera.media.video.codecs import make_assembler
from tests.support.cameras import (
    Recording,
    StartSimulated,
    a_source,
    has_units,
    play_until,
    read_counters,
    simulated_camera,
)
from tests.support.rtp_packets import a_packet

__all__ = ["simulated_camera"]


def decodable(recording: Recording) -> Recording:
    """The pictures that a recorder keeps: after a damaged one nothing up to the next sync sample."""
    assembler, kept = make_assembler("H264", ()), Recording()
    for track, unit, arrival_s in recording.units:
        if track == 0 and assembler.push(unit) is not None:
            kept(track, unit, arrival_s)
    return kept


async def test_pictures_and_sound_over_udp(simulated_camera: StartSimulated) -> None:
    cameras = await simulated_camera("garden:udp")
    source = a_source(cameras.url("garden"))
    await source.open()
    enough = has_units(75, 30)
    recording = await play_until(source, lambda got: enough(got) and source.clock_point(0) is not None)
    await source.close()

    numbers = recording.counters()
    assert None not in numbers
    assert {later - earlier for earlier, later in pairwise(n for n in numbers if n is not None)} == {1}
    assert not any(unit.is_damaged for _, unit, _ in recording.units)


@pytest.mark.parametrize(("loss", "stream", "pictures"), [(0.01, "main", 150), (0.1, "sub", 100)])
async def test_what_gets_lost_is_told_and_what_is_kept_can_be_seen(
    loss: float, stream: Literal["main", "sub"], pictures: int
) -> None:
    """One packet of ten is too many for the sync samples of a large picture: none of them would come whole."""
    camera = SimulatedCamera.parse("garden:lossy")
    camera = replace(camera, sound=None, profile=replace(camera.profile, gop_s=0.4, loss=loss))
    async with SimulatedCameras(0, [camera]) as cameras:
        source = a_source(cameras.url("garden", stream))
        await source.open()
        recording = await play_until(source, has_units(pictures))
        await source.close()

    units = recording.of(0)
    assert any(unit.is_damaged for unit in units)
    assert [unit.presentation_time for unit in units] == sorted(unit.presentation_time for unit in units)
    kept = decodable(recording).of(0)
    numbers = read_counters(kept)
    assert len(kept) >= 5
    assert None not in numbers, "whatever is kept decodes, and shows its number"
    assert all(later > earlier for earlier, later in pairwise(n for n in numbers if n is not None))


async def test_only_the_camera_may_send_to_our_ports() -> None:
    """Attack: another machine of the house sends pictures of its own to the ports of a camera's stream."""
    got: list[bytes] = []

    def take(data: bytes, start: int, stop: int, arrival_s: float) -> None:
        got.append(data[start:stop])

    datagrams = TrackDatagrams("127.0.0.1", take, take, SystemClock(), lambda error: None)
    ports = await datagrams.open("127.0.0.1")
    with a_socket("127.0.0.2") as stranger, a_socket("127.0.0.1") as camera:
        for port in (ports.rtp, ports.rtcp):
            stranger.sendto(a_packet(b"forged", 1), ("127.0.0.1", port))
        camera.sendto(a_packet(b"true", 1), ("127.0.0.1", ports.rtp))
        await until(lambda: bool(got) and datagrams.datagrams_refused == 2)
    datagrams.close()

    assert got == [a_packet(b"true", 1)]


async def test_a_lost_packet_does_not_hold_up_what_follows() -> None:
    """No further packet comes to push the waiting one out: the timer does."""
    got: list[int] = []
    datagrams = TrackDatagrams(
        "127.0.0.1", lambda data, start, stop, arrival_s: got.append(data[3]), _ignore, SystemClock(), _fail
    )
    ports = await datagrams.open("127.0.0.1")
    with a_socket("127.0.0.1") as camera:
        for number in (1, 3):
            camera.sendto(a_packet(b"x", number), ("127.0.0.1", ports.rtp))
        await until(lambda: len(got) == 2)
    datagrams.close()

    assert got == [1, 3]


async def test_the_way_through_firewalls_is_opened_from_inside() -> None:
    datagrams = TrackDatagrams("127.0.0.1", _ignore, _ignore, SystemClock(), _fail)
    ports = await datagrams.open("127.0.0.1")
    rtp, rtcp = bind_pair("127.0.0.1")
    with rtp, rtcp:
        datagrams.greet(Ports(rtp.getsockname()[1], rtcp.getsockname()[1]), b"report")
        for end in (rtp, rtcp):
            end.settimeout(5)
        try:
            _, from_rtp = await asyncio.to_thread(rtp.recvfrom, 100)
            said, from_rtcp = await asyncio.to_thread(rtcp.recvfrom, 100)
        finally:
            datagrams.close()

    assert (from_rtp[1], from_rtcp[1]) == (ports.rtp, ports.rtcp)
    assert said == b"report"
    assert ports.rtp % 2 == 0
    assert ports.rtcp == ports.rtp + 1


async def test_what_the_taker_of_packets_raises_is_told() -> None:
    errors: list[Exception] = []

    def refuse(data: bytes, start: int, stop: int, arrival_s: float) -> None:
        raise LookupError("mine")

    datagrams = TrackDatagrams("127.0.0.1", refuse, refuse, SystemClock(), errors.append)
    ports = await datagrams.open("127.0.0.1")
    with a_socket("127.0.0.1") as camera:
        camera.sendto(a_packet(b"x", 1), ("127.0.0.1", ports.rtp))
        await until(lambda: bool(errors))
    datagrams.close()

    assert isinstance(errors[0], LookupError)


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_true():  # noqa: ASYNC110  # packets of a socket announce themselves to nobody else
            await asyncio.sleep(0.01)


def a_socket(host: str) -> socket.socket:
    """Somebody's on this machine."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((host, 0))
    return bound


def _ignore(data: bytes, start: int, stop: int, arrival_s: float) -> None:
    """Takes anything."""


def _fail(error: Exception) -> None:
    raise error
