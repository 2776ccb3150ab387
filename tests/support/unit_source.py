"""A camera inside the test process: real H.264 from libx264 and real A-law, as access units, at a chosen pace."""

import asyncio
import functools
import itertools
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av

from incamera.edge.sources.base import ClockPoint, SourceFault, TrackInfo, UnitSink
from incamera.kit.clock import SystemClock
from incamera.media.sample import AccessUnit
from incamera.protocol.messages import CameraFault, RtspSource

PICTURES_PER_S = 25
TICKS_PER_PICTURE = 90_000 // PICTURES_PER_S


@functools.cache
def encoded_pictures(
    gop: int = 10, width: int = 64, height: int = 48, *, refresh: int = 0
) -> tuple[tuple[bytes, ...], ...]:
    """One GOP, each picture as its NAL units; the first with SPS and PPS.

    `refresh`: it has no end; after so many pictures each, every part of the picture was renewed (intra refresh).
    """
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, PICTURES_PER_S)
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "g": str(refresh or gop),
        "x264-params": "annexb=1:sliced-threads=0" + (":intra-refresh=1" if refresh else ""),
    }
    packets: list[bytes] = []
    for number in range(gop):
        frame = av.VideoFrame(width, height, "yuv420p")
        for place, plane in enumerate(frame.planes):
            plane.update(bytes([(number * 16 + place) % 256]) * plane.buffer_size)
        frame.pts = number
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    packets += [bytes(packet) for packet in encoder.encode(None)]
    return tuple(_nal_units(packet) for packet in packets)


def _nal_units(annex_b: bytes) -> tuple[bytes, ...]:
    return tuple(part.rstrip(b"\0") for part in annex_b.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if part)


@dataclass
class Camera:
    """What the sources of one test share: pace, padding, faults. Counts connections."""

    pictures_per_s: float = 50.0
    gop: int = 10
    padding_bytes: int = (
        0  # makes pictures larger: a filler that decoders skip is no filler here, so SEI-free slices grow
    )
    width: int = 64
    sound: str = ""  # "PCMA" to have some
    fault: CameraFault | None = None  # refuse to open
    connections: int = 0
    opening: int = 0  # at this moment
    most_opening: int = 0
    opening_takes_s: float = 0.0
    wanted_audio: list[bool] = field(default_factory=list)
    patience: list[bool] = field(default_factory=list)  # as it was told, one after the other
    stalled: bool = False
    gops_begun: int = 0  # by request
    refresh: int = 0  # pictures of an intra refresh; such a camera sends a sync sample on request only
    _sources: "list[UnitSource]" = field(default_factory=list)

    def make_source(self, where: RtspSource, want_audio: bool) -> "UnitSource":
        self.wanted_audio.append(want_audio)
        return UnitSource(self, want_audio)

    def begin_gop(self) -> None:
        """The next picture of every connection decodes alone, as after SetSynchronizationPoint."""
        self.gops_begun += 1

    def hang_up(self) -> None:
        """The camera drops every connection."""
        for source in self._sources:
            source.ended.set()


class UnitSource:
    """See `incamera.edge.sources.base.Source`."""

    def __init__(self, camera: Camera, want_audio: bool) -> None:
        self._camera = camera
        self._want_audio = want_audio
        self.ended = asyncio.Event()
        self.is_closed = False

    async def open(self) -> tuple[TrackInfo, ...]:
        camera = self._camera
        if camera.fault is not None:
            raise SourceFault(camera.fault, "told to")
        camera.opening += 1
        camera.most_opening = max(camera.most_opening, camera.opening)
        try:
            await asyncio.sleep(camera.opening_takes_s)
        finally:
            camera.opening -= 1
        camera.connections += 1
        camera._sources.append(self)
        video = TrackInfo("video", "H264", 90_000)
        if not camera.sound:
            return (video,)
        return (video, TrackInfo("audio", camera.sound, 8000, is_received=self._want_audio))

    async def play(self, on_unit: UnitSink) -> None:
        camera, clock = self._camera, SystemClock()
        started_s = clock.monotonic()
        gop_began, gops_begun = -10 if camera.refresh else 0, camera.gops_begun
        for number in itertools.count():
            due_s = started_s + number / camera.pictures_per_s
            while (wait_s := due_s - clock.monotonic()) > 0 or camera.stalled:
                try:
                    async with asyncio.timeout(max(wait_s, 0.01)):
                        await self.ended.wait()
                except TimeoutError:
                    continue
                raise SourceFault(CameraFault.CLOSED, "told to")
            pictures = encoded_pictures(camera.gop, camera.width, refresh=camera.refresh)
            if gops_begun != camera.gops_begun:
                gop_began, gops_begun = number, camera.gops_begun
            units = pictures[(number - gop_began) % len(pictures)]
            if camera.padding_bytes:
                units = (*units[:-1], units[-1] + bytes([0x55]) * camera.padding_bytes)
            arrived_s = clock.monotonic()
            on_unit(0, AccessUnit(5_000_000 + number * TICKS_PER_PICTURE, units), arrived_s)
            if camera.sound and self._want_audio:
                on_unit(1, AccessUnit(9_000 + number * 320, (b"\xd5" * 320,)), arrived_s)

    def set_patient(self, is_patient: bool) -> None:
        self._camera.patience.append(is_patient)

    def clock_point(self, track: int) -> ClockPoint | None:
        return None

    async def close(self) -> None:
        self.is_closed = True
        if self in self._camera._sources:
            self._camera._sources.remove(self)
