"""Sources whose access units come out of a child: it decodes what no browser plays, and encodes H.264 (`edge.encoder`).

    file, device     child ─► units ─► on_unit
    http             socket ─► pictures ─► child ─► units ─► on_unit

What a child says is judged like what a camera says: hostile pictures may have taken it over.
"""

import asyncio
from typing import Final

import msgspec

from incamera.edge.child_process import ChildProcess
from incamera.edge.encoder.messages import (
    MAX_NAL_UNITS,
    Answer,
    Failed,
    Opened,
    Request,
    Track,
    Unit,
    parse_answer,
    render,
)
from incamera.edge.nursery import Nursery
from incamera.edge.sources.base import ClockPoint, SourceFault, TrackInfo, UnitSink
from incamera.kit.clock import Clock
from incamera.media.sample import AccessUnit
from incamera.protocol.messages import CameraFault

OPEN_TIMEOUT_S: Final = 15.0  # a small board needs seconds to load libav, and a USB camera some to wake up
STALL_TIMEOUT_S: Final = 12.0  # without one whole picture
_OLDEST_ARRIVAL_S: Final = 5.0
_MAX_CLOCK_RATE: Final = 192_000
_VIDEO_CODECS: Final = frozenset({"H264", "H265"})


class EncoderChild(ChildProcess):
    """A child that gives access units."""

    def ask(self, request: Request) -> None:
        """Never waits."""
        self.send(render(request))

    async def answer(self) -> Answer:
        """The next answer; raises SourceFault when the child is gone or talks nonsense."""
        try:
            return parse_answer(await self.receive())
        except EOFError as error:
            raise SourceFault(CameraFault.PROTOCOL, "what it sent took the decoder down") from error
        except msgspec.MsgspecError as error:
            raise SourceFault(CameraFault.PROTOCOL, "the decoder talks nonsense") from error


async def start_encoder(descriptors: tuple[int, ...] = (), *, nursery: Nursery | None = None) -> EncoderChild:
    """A child of this process, or of a nursery; raises SourceFault where this machine cannot start one more."""
    try:
        if nursery is not None:
            return await nursery.child(EncoderChild)
        return await EncoderChild.start("incamera.edge.encoder", descriptors=descriptors)
    except OSError as error:
        raise SourceFault(CameraFault.BUSY, "this edge can start no further process") from error


class EncodedStream:
    """The units of one child, judged and delivered. It belongs to the source that made it, which ends it."""

    def __init__(self, child: EncoderChild, clock: Clock, stall_timeout_s: float = STALL_TIMEOUT_S) -> None:
        self.child = child
        self._clock = clock
        self._stall_timeout_s = stall_timeout_s
        self._tracks: tuple[Track, ...] = ()
        self._newest: list[int | None] = []  # presentation time, by track

    async def open(self, request: Request) -> tuple[TrackInfo, ...]:
        """Asks for this kind of work and waits until it begins; raises SourceFault."""
        self.child.ask(request)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                answer = await self.child.answer()
        except TimeoutError as error:
            raise SourceFault(CameraFault.STALLED, f"nothing within {OPEN_TIMEOUT_S:.0f} s") from error
        match answer:
            case Opened(tracks) if _make_sense(tracks):
                self._tracks = tracks
                self._newest = [None] * len(tracks)
                return tuple(map(_describe, tracks))
            case Failed(fault, problem):
                raise _fault(fault, problem)
            case _:
                raise SourceFault(CameraFault.PROTOCOL, "the decoder talks nonsense")

    async def deliver(self, on_unit: UnitSink) -> None:
        """Until the child fails or no picture comes any more; raises SourceFault."""
        while True:
            try:
                async with asyncio.timeout(self._stall_timeout_s):
                    unit = await self._next_unit()
                    while not self._is_picture(unit):
                        self._hand_over(unit, on_unit)
                        unit = await self._next_unit()
            except TimeoutError as error:
                raise SourceFault(CameraFault.STALLED, f"no picture for {self._stall_timeout_s:.0f} s") from error
            self._hand_over(unit, on_unit)

    def clock_point(self, track: int) -> ClockPoint | None:
        """Both tracks of a child are on one time line, so any point of it will do."""
        newest = self._newest[track] if track < len(self._newest) else None
        return None if newest is None else ClockPoint(newest, newest / self._tracks[track].clock_rate)

    async def close(self) -> None:
        await self.child.kill()

    async def _next_unit(self) -> Unit:
        answer = await self.child.answer()
        match answer:
            case Unit() if 0 <= answer.track < len(self._tracks) and 0 < len(answer.nal_units) <= MAX_NAL_UNITS:
                return answer
            case Failed(fault, problem):
                raise _fault(fault, problem)
            case _:
                raise SourceFault(CameraFault.PROTOCOL, "the decoder talks nonsense")

    def _is_picture(self, unit: Unit) -> bool:
        return self._tracks[unit.track].kind == "video"

    def _hand_over(self, unit: Unit, on_unit: UnitSink) -> None:
        now_s = self._clock.monotonic()
        is_likely = now_s - _OLDEST_ARRIVAL_S <= unit.arrived_s <= now_s
        self._newest[unit.track] = unit.presentation_time
        on_unit(unit.track, AccessUnit(unit.presentation_time, unit.nal_units), unit.arrived_s if is_likely else now_s)


def _make_sense(tracks: tuple[Track, ...]) -> bool:
    kinds = [track.kind for track in tracks]
    if kinds not in (["video"], ["video", "audio"]) or not tracks[0].is_received:
        return False
    return tracks[0].codec in _VIDEO_CODECS and all(0 < track.clock_rate <= _MAX_CLOCK_RATE for track in tracks)


def _describe(track: Track) -> TrackInfo:
    return TrackInfo(
        track.kind,
        track.codec,
        track.clock_rate,
        track.channels,
        config=track.config,
        is_received=track.is_received,
    )


def _fault(fault: str, problem: str) -> SourceFault:
    try:
        known = CameraFault(fault)
    except ValueError:
        known = CameraFault.NONE
    return SourceFault(CameraFault.PROTOCOL if known is CameraFault.NONE else known, problem[:80])
