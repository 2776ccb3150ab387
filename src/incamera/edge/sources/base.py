"""What the edge asks of a camera, whatever its kind: open it, let it play, close it.

    source = rtsp_source(...)                 # nothing happens yet
    try:
        tracks = await source.open()          # connected, described, set up; or SourceFault
        await source.play(on_unit)            # calls on_unit for every access unit until it raises SourceFault
    finally:
        await source.close()                  # says good-bye; safe at any time, and twice

Units come by a plain callback, not by a queue or an async iterator: at 25 pictures a second and 50 cameras a task
switch per picture would cost as much as reading the stream.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from incamera.kit.errors import IncameraError
from incamera.media.sample import AccessUnit
from incamera.protocol.messages import CameraFault

UnitSink = Callable[[int, AccessUnit, float], None]
"""`on_unit(track, unit, arrival_s)`: index into the tuple `open` returned, the unit, and the monotonic time in seconds
at which its last byte was read. Called from the event loop, so it must be quick; what it raises ends `play`."""


class SourceFault(IncameraError):
    """A camera gives no picture, and why. `detail` is for the log: no address, name or password is ever in it.

    `certificate`: SHA-256 in hexadecimal of one that nobody vouches for, so that a person may look at it.
    """

    status = 502

    def __init__(self, fault: CameraFault, detail: str, *, certificate: str = "") -> None:
        self.fault = fault
        self.detail = detail
        self.certificate = certificate
        super().__init__(f"The camera gives no picture ({fault.value}): {detail}.")


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """One track of a camera. Those that are not received are only there to say what the camera offers."""

    kind: Literal["video", "audio"]
    codec: str  # RTP encoding name in capitals: H264, H265, JPEG, MPEG4-GENERIC, PCMA, PCMU, …
    clock_rate: int  # ticks per second of `AccessUnit.presentation_time`
    channels: int = 1  # audio only
    parameter_sets: tuple[bytes, ...] = ()  # H.264: SPS and PPS that came with the description, maybe none
    config: bytes = b""  # AAC: AudioSpecificConfig (ISO/IEC 14496-3 clause 1.6.2.1)
    is_received: bool = True  # False: sound that was not asked for, or a codec that we cannot take


@dataclass(frozen=True, slots=True)
class ClockPoint:
    """The camera's clock at one moment of a track, from an RTCP sender report (RFC 3550 clause 6.4.1).

    Only differences between tracks of one camera mean something: a camera's clock is never wall time.
    """

    presentation_time: int  # ticks, on the same unwrapped scale as the units
    camera_s: float  # seconds of the camera's own clock


class Source(Protocol):
    """One stream of one camera. Use it once: after a fault, make a new one."""

    async def open(self) -> tuple[TrackInfo, ...]:
        """Connects and asks what there is; at least one received video track, or SourceFault."""
        ...

    async def play(self, on_unit: UnitSink) -> None:
        """Delivers units until the camera fails (SourceFault) or the task is cancelled; never returns otherwise."""
        ...

    def clock_point(self, track: int) -> ClockPoint | None:
        """The latest sender report of a track, to align sound with picture; None before the first."""
        ...

    async def close(self) -> None:
        """Lets go of the camera, with a good-bye if it listens, within two seconds. Never raises a SourceFault."""
        ...


@runtime_checkable
class PatientSource(Source, Protocol):
    """A source that can save work by delivering several pictures at a time, which nobody minds who only records."""

    def set_patient(self, is_patient: bool) -> None:
        """Whether several may come at a time. May be called at any time; false takes effect at once."""
        ...
