"""Asking a camera for a picture that decodes alone: over real HTTP, politely, and only where it makes sense."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from incamera.edge.sources.dialling import DialRanges
from incamera.edge.sync_points import MIN_INTERVAL_S, SyncPoints
from incamera.kit.clock import SystemClock
from incamera.protocol.messages import RtspSource
from tests.support.onvif_camera import OnvifCamera, fault, soap


class PatientClock(SystemClock):
    """Time that a test moves; pauses between questions take none."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def monotonic(self) -> float:
        return self.passed_s

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(0)


class Asker:
    """Sync points of one edge, and the camera beside it."""

    def __init__(self, camera: OnvifCamera, *, ranges: DialRanges | None = None) -> None:
        self.camera, self.clock = camera, PatientClock()
        self.points = SyncPoints(self.clock, ranges or DialRanges.parse(), (camera.port,), asks_this_machine=True)

    async def ask(self, path: str = "/main", *, password: str = "s3cret", times: int = 1) -> None:
        """Asks and waits until everything was said; next time it will be late enough to ask again."""
        source = RtspSource(url=f"rtsp://127.0.0.1:554{path}", username="admin", password=password)
        for _ in range(times):
            self.points.ask(source)
        await self.points.settle()
        self.clock.passed_s += MIN_INTERVAL_S + 1


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Any]]:
    askers: list[Asker] = []

    async def start(ranges: DialRanges | None = None, **fields: Any) -> Asker:
        camera = OnvifCamera(**fields)
        await camera.start()
        askers.append(Asker(camera, ranges=ranges))
        return askers[-1]

    yield start
    for asker in askers:
        await asker.points.close()
        await asker.camera.stop()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"wants": "digest"},
        {"wants": "nothing"},
        {"guards_time": True},
        {"guards_time": True, "wants": "digest"},
        {"edition": 2},
        {"lacks": frozenset({"GetServices"})},
        {"ahead": timedelta(days=-3650)},
        {"xaddr": "http://192.0.2.9:81/onvif/media"},
        {"profiles": {"a": "/other", "b": "/main?transportmode=unicast&profile=b"}},
        {"profiles": {"only": "/called/differently"}},
    ],
    ids=str,
)
async def test_cameras_of_all_kinds_are_asked(make: Callable[..., Any], fields: dict[str, Any]) -> None:
    asker = await make(**fields)

    await asker.ask()

    assert asker.camera.sync_points in (["Profile_1"], ["b"], ["only"])
    assert all(b"s3cret" not in request for request in asker.camera.requests)


async def test_what_was_learnt_is_not_asked_again(make: Callable[..., Any]) -> None:
    asker = await make()
    await asker.ask()
    asker.camera.asked.clear()

    await asker.ask()
    await asker.ask("/sub")

    assert asker.camera.asked == ["SetSynchronizationPoint", "GetStreamUri", "SetSynchronizationPoint"]
    assert asker.camera.sync_points == ["Profile_1", "Profile_1", "Profile_2"]


async def test_a_hundred_wishes_are_one_question(make: Callable[..., Any]) -> None:
    asker = await make()

    await asker.ask(times=100)

    assert asker.camera.sync_points == ["Profile_1"]
    assert asker.camera.most_connections == 1


async def test_wishes_for_ever_other_streams_fill_no_memory(make: Callable[..., Any]) -> None:
    asker = await make()
    for number in range(5000):
        asker.points.ask(RtspSource(url=f"rtsp://127.0.0.1/{number}", username=f"u{number}", password="p"))

    assert len(asker.points._tasks) <= 256
    await asker.points.close()
    assert len(asker.points._cameras) <= 1024


async def test_a_password_that_was_refused_is_tried_once(make: Callable[..., Any]) -> None:
    asker = await make()

    await asker.ask(password="wrong")
    tried = asker.camera.asked.count("GetServices") + asker.camera.asked.count("GetCapabilities")
    await asker.ask(password="wrong")
    await asker.ask("/sub", password="wrong")

    assert tried == asker.camera.asked.count("GetServices") == 1
    await asker.ask()
    assert asker.camera.sync_points == ["Profile_1"], "the right one is another matter"


async def test_a_password_is_never_sent_as_it_is(make: Callable[..., Any]) -> None:
    asker = await make(wants="basic")

    await asker.ask()
    await asker.ask()

    assert not asker.camera.sync_points
    assert all(b"s3cret" not in it and b"Basic" not in it for it in asker.camera.requests)
    assert asker.camera.asked.count("GetServices") == 1


async def test_a_camera_that_does_not_know_how_is_left_alone(make: Callable[..., Any]) -> None:
    asker = await make(lacks=frozenset({"SetSynchronizationPoint"}))
    await asker.ask()
    asker.camera.asked.clear()

    await asker.ask()

    assert not asker.camera.asked


async def test_a_stream_that_is_in_no_profile_is_not_looked_for_again(make: Callable[..., Any]) -> None:
    asker = await make()
    await asker.ask("/elsewhere")
    asker.camera.asked.clear()

    await asker.ask("/elsewhere")
    await asker.ask()

    assert asker.camera.asked == ["SetSynchronizationPoint"]


async def test_a_recorder_with_64_inputs_is_asked_a_little_at_a_time(make: Callable[..., Any]) -> None:
    profiles = {f"p{number}": f"/Streaming/Channels/{number}01" for number in range(1, 65)}
    asker = await make(profiles=profiles)

    for _ in range(4):
        asker.camera.asked.clear()
        await asker.ask("/Streaming/Channels/6401")
        assert len(asker.camera.asked) <= 20

    assert asker.camera.sync_points == ["p64"]


async def test_who_is_not_there_is_left_alone_for_ten_minutes(make: Callable[..., Any]) -> None:
    asker = await make()
    await asker.camera.stop()
    await asker.ask()
    await asker.camera.start()

    await asker.ask()
    assert not asker.camera.asked

    asker.clock.passed_s += 600
    await asker.ask()
    assert asker.camera.sync_points == ["Profile_1"]


async def test_nothing_outside_the_ranges_is_dialled(make: Callable[..., Any]) -> None:
    asker = await make(ranges=DialRanges.parse(("192.168.0.0/16",)))

    await asker.ask()

    assert not asker.camera.requests


async def test_other_ports_of_this_machine_belong_to_no_camera() -> None:
    camera = OnvifCamera()
    await camera.start()
    points = SyncPoints(PatientClock(), DialRanges.parse(), (camera.port,))
    for host in ("127.0.0.1", "localhost", "[::1]", "127.1.2.3"):
        points.ask(RtspSource(url=f"rtsp://{host}/main", username="admin", password="s3cret"))
    await points.settle()

    assert not camera.requests
    await camera.stop()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"<a>" * 200_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b" " * 700_000,
        b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.66/\r\n\r\n",
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=x\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
        fault("ter:Anything"),
        soap("<x/>"),
    ],
    ids=lambda answer: repr(answer[:40]),
)
@pytest.mark.parametrize("operation", ["GetSystemDateAndTime", "GetServices", "GetProfiles", "GetStreamUri"])
async def test_a_hostile_camera_costs_some_questions_and_nothing_else(
    make: Callable[..., Any], operation: str, answer: bytes
) -> None:
    asker = await make(instead=lambda asked: answer if asked == operation else None)

    for _ in range(3):
        await asker.ask()

    assert len(asker.camera.asked) <= 24
    assert asker.camera.most_connections == 1
