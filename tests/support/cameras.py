"""Cameras for tests: GStreamer's RTSP server, which nobody here wrote, and our own simulated ones.

Use the fixtures by importing them into a conftest or a test module:

    from tests.support.cameras import gstreamer_camera, simulated_camera
"""

import asyncio
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import pytest

from incamera.edge.simulated import counter
from incamera.edge.simulated.cameras import SimulatedCamera
from incamera.edge.simulated.server import SimulatedCameras
from incamera.edge.sources.base import Source
from incamera.edge.sources.dialling import DialRanges
from incamera.edge.sources.rtsp import rtsp_source
from incamera.kit.clock import SystemClock
from incamera.media.sample import AccessUnit
from incamera.protocol.messages import RtspSource
from tests.support.shared import shared_path

SYSTEM_PYTHON = Path("/usr/bin/python3")
RANGES = DialRanges.parse()
_START_TIMEOUT_S = 20.0
_UDP_ONLY = Path(__file__).with_name("gstreamer_udp_only.py")


@dataclass
class Recording:
    """What a source delivered."""

    units: list[tuple[int, AccessUnit, float]] = field(default_factory=list)

    def __call__(self, track: int, unit: AccessUnit, arrival_s: float) -> None:
        self.units.append((track, unit, arrival_s))

    def of(self, track: int) -> list[AccessUnit]:
        """The units of one track."""
        return [unit for number, unit, _ in self.units if number == track]

    def counters(self) -> list[int | None]:
        """The numbers in the decoded pictures of track 0."""
        return read_counters(self.of(0))


def read_counters(units: list[AccessUnit], codec_name: str = "h264") -> list[int | None]:
    """Decodes access units; the number in each picture, in presentation order."""
    decoder = av.CodecContext.create(codec_name, "r")
    packets = [av.Packet(b"".join(b"\0\0\0\1" + nal_unit for nal_unit in unit.nal_units)) for unit in units]
    pictures = [picture for packet in [*packets, None] for picture in decoder.decode(packet)]
    return [counter.read(luma_of(picture)) for picture in pictures]


def luma_of(picture: av.VideoFrame) -> counter.Luma:
    """The luma plane of a decoded picture."""
    plane = picture.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


def a_source(url: str, *, want_audio: bool = True, username: str = "", password: str = "") -> Source:
    """A source for an address."""
    where = RtspSource(url=url, username=username, password=password)
    return rtsp_source(where, want_audio, SystemClock(), RANGES)


async def play_until(source: Source, is_enough: Callable[[Recording], bool], timeout_s: float = 20.0) -> Recording:
    """Plays an opened source until it delivered enough, or its fault."""
    recording = Recording()
    enough = asyncio.Event()

    def take(track: int, unit: AccessUnit, arrival_s: float) -> None:
        recording(track, unit, arrival_s)
        if is_enough(recording):
            enough.set()

    playing, waiting = asyncio.create_task(source.play(take)), asyncio.create_task(enough.wait())
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.wait({playing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            await playing
    finally:
        playing.cancel()
        waiting.cancel()
        await asyncio.gather(playing, waiting, return_exceptions=True)
    return recording


def has_units(video: int, audio: int = 0) -> Callable[[Recording], bool]:
    """Enough: so many units of track 0 and track 1."""

    def is_enough(recording: Recording) -> bool:
        count = Counter(track for track, _, _ in recording.units)
        return count[0] >= video and count[1] >= audio

    return is_enough


def make_clip(path: Path, *, b_frames: int = 0, size: tuple[int, int] = (640, 360), seconds: int = 4) -> Path:
    """An MP4 with H.264 at 25 pictures a second, numbered by our counter, and AAC."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "veryfast", "bf": str(b_frames), "g": "25"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        for number in range(seconds * 25):
            container.mux(video.encode(numbered_picture(size, number)))
        for number in range(seconds * 16_000 // 1024):
            container.mux(audio.encode(_tone(number)))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def numbered_picture(size: tuple[int, int], number: int) -> av.VideoFrame:
    """A picture with our counter in its corner."""
    width, height = size
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = np.arange(width, dtype=np.uint32)[None, :] * 3 + number * 5 & 0x7F
    counter.draw(planes[:height], number)
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts, frame.time_base = number, Fraction(1, 25)
    return frame


def _tone(number: int) -> av.AudioFrame:
    at = (np.arange(1024) + number * 1024) / 16_000
    frame = av.AudioFrame.from_ndarray(np.sin(2 * np.pi * 440 * at).astype(np.float32)[None] * 0.2, "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = 16_000, number * 1024, Fraction(1, 16_000)
    return frame


StartGstreamer = Callable[..., Awaitable[str]]


@lru_cache
def _has_gstreamer() -> bool:
    if not SYSTEM_PYTHON.exists():
        return False
    check = "import gi; gi.require_version('GstRtspServer', '1.0')"
    return subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, check=False).returncode == 0


def _gstreamer_program() -> Path:
    program = shared_path("bench/gst_rtsp_source.py")
    if not _has_gstreamer():
        pytest.skip(
            "GStreamer's RTSP server for the system's Python (python3-gi, gir1.2-gst-rtsp-server-1.0) is absent"
        )
    return program


@contextmanager
def running_gstreamer(clip: Path, *arguments: str) -> Iterator[str]:
    """The same camera for tests that are not async: `with running_gstreamer(clip, "--audio", "alaw") as address:`."""
    port = _free_port()
    command = [SYSTEM_PYTHON, _gstreamer_program(), clip, "--port", str(port), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline(), "GStreamer's camera did not start"
            yield f"rtsp://127.0.0.1:{port}/cam0"
        finally:
            process.kill()


@pytest.fixture
async def gstreamer_camera(tmp_path: Path) -> AsyncIterator[StartGstreamer]:
    """`await gstreamer_camera("--digest", "me:secret", b_frames=2)` -> the URL of a real camera that plays a clip."""
    program = _gstreamer_program()
    running: list[asyncio.subprocess.Process] = []

    async def start(*arguments: str, b_frames: int = 0, clip: Path | None = None, udp_only: bool = False) -> str:
        if clip is None:
            clip = await asyncio.to_thread(make_clip, tmp_path / f"clip{b_frames}.mp4", b_frames=b_frames)
        port = _free_port()
        process = await asyncio.create_subprocess_exec(
            SYSTEM_PYTHON, *([_UDP_ONLY] if udp_only else []), program, clip, "--port", str(port), *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        running.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(_START_TIMEOUT_S):
            assert await process.stdout.readline(), "GStreamer's camera did not start"
        return f"rtsp://127.0.0.1:{port}/cam0"

    yield start
    for process in running:
        process.kill()
        await process.communicate()


_LIVE_PROGRAM = Path(__file__).with_name("gst_live_camera.py")


@contextmanager
def running_live_gstreamer(launch: str) -> Iterator[str]:
    """A camera made of GStreamer's own encoders and payloaders (`pay0`, `pay1`); yields its address."""
    if not _has_gstreamer():
        pytest.skip("GStreamer's RTSP server for the system's Python is absent")
    port = _free_port()
    command = [SYSTEM_PYTHON, _LIVE_PROGRAM, str(port), f"( {launch} )"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline(), "GStreamer's camera did not start"
            yield f"rtsp://127.0.0.1:{port}/cam0"
        finally:
            process.kill()


def has_gstreamer_elements(*names: str) -> bool:
    """Whether this machine's GStreamer has these elements."""
    check = (
        "import sys, gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None);"
        "sys.exit(not all(map(Gst.ElementFactory.find, sys.argv[1:])))"
    )
    return _has_gstreamer() and subprocess.run([SYSTEM_PYTHON, "-c", check, *names], check=False).returncode == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


StartSimulated = Callable[..., Awaitable[SimulatedCameras]]


@pytest.fixture
async def simulated_camera() -> AsyncIterator[StartSimulated]:
    """`await simulated_camera("garden:steady")` -> running cameras; `.url("garden")` is the address of its picture."""
    async with AsyncExitStack() as stack:

        async def start(*cameras: str, **options: object) -> SimulatedCameras:
            chosen = [SimulatedCamera.parse(camera) for camera in cameras or ("garden",)]
            return await stack.enter_async_context(SimulatedCameras(0, chosen, **options))  # type: ignore[arg-type]

        yield start


def simulated_camera_command(*arguments: str) -> list[str]:
    """The command line that serves simulated cameras in a process of their own."""
    return [sys.executable, "-m", "incamera.edge.simulated", *arguments]
