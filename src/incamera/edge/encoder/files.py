"""In the child: a file played again and again, at its own pace, as if it were a camera.

H.264 and H.265 are taken as they are, so is AAC; everything else is encoded. Each pass begins where the one before
ended: times go on, and the first picture of a pass is a sync sample that nothing before it is needed for.
"""

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, BinaryIO, Final

import av
import av.error

from incamera.edge.encoder.faults import Failure
from incamera.edge.encoder.h264 import PictureEncoder
from incamera.edge.encoder.messages import PICTURE_CLOCK, Opened, Track, Unit
from incamera.media.aac import SAMPLES_PER_FRAME, render_audio_specific_config
from incamera.media.video.byte_stream import split_nal_units
from incamera.protocol.messages import CameraFault

_COPIED: Final = {"h264": ("H264", "h264_mp4toannexb"), "hevc": ("H265", "hevc_mp4toannexb")}
_ENCODED_RATE: Final = 48_000
_ENCODED_FRAME_S: Final = Fraction(SAMPLES_PER_FRAME, _ENCODED_RATE)
_AHEAD_S: Final = 0.010  # what is due within this is sent now
_LONGEST_PAUSE_S: Final = 10.0  # between two packets; a file with a longer one is broken, or means to hold us
_LONGEST_DELAY_S: Final = 2.0  # a machine that slept longer goes on where it was, and hurries nothing
_SHORTEST_PASS_TICKS: Final = PICTURE_CLOCK // 10
_FORMATS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,mjpeg,ivf,ogg"
_UNREADABLE: Final = (av.error.FFmpegError, ValueError, IndexError, EOFError, OverflowError, ZeroDivisionError)


class FilePlayer:
    """Opens the file when made; raises Failure. `sleep` and `monotonic` are those of the system."""

    def __init__(
        self,
        file: BinaryIO,
        *,
        with_sound: bool,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._file = file
        self._monotonic, self._sleep = monotonic, sleep
        self._began_s = 0.0  # when decode time 0 was due
        with _as_failure(), self._open() as container:
            if not container.streams.video:
                raise Failure(CameraFault.NO_VIDEO, "the file has no picture")
            self._video = container.streams.video[0].index
            name = container.streams.video[0].codec_context.name
            sound = container.streams.audio[0] if container.streams.audio else None
            self._sound = None if sound is None or not with_sound else sound.index
            self._tracks = (_video_track(name), *([] if sound is None else [_sound_track(sound, with_sound)]))

    @property
    def opened(self) -> Opened:
        return Opened(self._tracks)

    def units(self) -> Iterator[Unit]:
        """For ever; Failure when the file cannot be read any more."""
        self._began_s, origin = self._monotonic(), 0
        while True:
            duration = 0
            with _as_failure():
                for unit, end in self._pass(origin):
                    duration = max(duration, end - origin)
                    yield unit
            if duration < _SHORTEST_PASS_TICKS:
                raise Failure(CameraFault.NO_VIDEO, "the file has no picture to play")
            origin += duration

    def _pass(self, origin: int) -> Iterator[tuple[Unit, int]]:
        """One pass through the file: units in the order of the file, each with where it ends, in ticks of pictures."""
        with self._open() as container:
            streams = [container.streams[self._video]]
            takers: dict[int, Any] = {self._video: _video_taker(streams[0])}
            if self._sound is not None:
                streams.append(container.streams[self._sound])
                takers[self._sound] = _sound_taker(streams[1])
            start_s, end_s = _span(streams[0])
            for packet in container.demux(*streams):
                is_video = packet.stream_index == self._video
                if packet.dts is not None:
                    if start_s is None:
                        start_s = packet.dts * packet.time_base
                    self._wait(origin / PICTURE_CLOCK + float(packet.dts * packet.time_base - start_s))
                for stated_s, length_s, nal_units in takers[packet.stream_index].take(packet):
                    at_s = stated_s - (start_s or 0)
                    # Sound begins before the picture, to prime its decoder, and may end after it: into another pass.
                    if is_video or (at_s >= 0 and (end_s is None or at_s + length_s <= end_s)):
                        end = origin + round((at_s + length_s) * PICTURE_CLOCK)
                        yield self._unit(is_video, origin, at_s, nal_units), end

    def _unit(self, is_video: bool, origin: int, at_s: Fraction, nal_units: tuple[bytes, ...]) -> Unit:
        rate = self._tracks[0 if is_video else 1].clock_rate
        ticks = origin * rate // PICTURE_CLOCK + round(at_s * rate)
        return Unit(0 if is_video else 1, ticks, self._monotonic(), nal_units)

    def _wait(self, played_s: float) -> None:
        left_s = self._began_s + played_s - self._monotonic()
        if left_s > _LONGEST_PAUSE_S:
            raise Failure(CameraFault.FILE_UNREADABLE, "its times make no sense")
        if left_s < -_LONGEST_DELAY_S:
            self._began_s -= left_s
        elif left_s > _AHEAD_S:
            self._sleep(left_s)

    def _open(self) -> Any:
        self._file.seek(0)
        # Without a list of formats libav would also follow playlists, which name other files and addresses.
        return av.open(self._file, options={"format_whitelist": _FORMATS, "protocol_whitelist": "none"})


class _as_failure:  # noqa: N801  # reads like a function
    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, _UNREADABLE):
            raise Failure(CameraFault.FILE_UNREADABLE, type(error).__name__) from error


def _span(stream: Any) -> tuple[Fraction | None, Fraction | None]:
    """When the picture begins, and how long it lasts from there; None where the file does not say."""
    start_s = None if stream.start_time is None else stream.start_time * stream.time_base
    return start_s, None if not stream.duration else stream.duration * stream.time_base


def _video_track(codec: str) -> Track:
    return Track("video", _COPIED[codec][0] if codec in _COPIED else "H264", PICTURE_CLOCK)


def _sound_track(stream: Any, is_received: bool) -> Track:
    context = stream.codec_context
    if context.name == "aac" and context.extradata:
        return Track("audio", "MPEG4-GENERIC", context.sample_rate, context.channels, context.extradata, is_received)
    config = render_audio_specific_config(_ENCODED_RATE, 1)
    return Track("audio", "MPEG4-GENERIC", _ENCODED_RATE, 1, config, is_received)


def _video_taker(stream: Any) -> "_Copier | _Transcoder":
    if stream.codec_context.name not in _COPIED:
        return _Transcoder(stream)
    return _Copier(stream, _COPIED[stream.codec_context.name][1])


def _sound_taker(stream: Any) -> "_SoundCopier | _SoundEncoder":
    is_copied = stream.codec_context.name == "aac" and stream.codec_context.extradata
    return _SoundCopier(stream) if is_copied else _SoundEncoder(stream)


Taken = Iterator[tuple[Fraction, Fraction, tuple[bytes, ...]]]  # presentation time, duration, NAL units or one frame


class _Copier:
    """Length-prefixed NAL units become a byte stream with parameter sets before each sync sample."""

    def __init__(self, stream: Any, filter_name: str) -> None:
        self._filter: Any = av.BitStreamFilterContext(filter_name, stream)
        self._usual = 1 / Fraction(stream.average_rate or 25)

    def take(self, packet: Any) -> Taken:
        for filtered in self._filter.filter(packet if packet.size else None):
            if filtered.pts is not None:
                length = filtered.duration * filtered.time_base if filtered.duration else self._usual
                yield filtered.pts * filtered.time_base, length, split_nal_units(bytes(filtered))


class _Transcoder:
    def __init__(self, stream: Any) -> None:
        stream.thread_count = 1
        self._encoder = PictureEncoder()
        self._usual = 1 / Fraction(stream.average_rate or 25)
        self._newest = -1

    def take(self, packet: Any) -> Taken:
        for frame in packet.decode():
            if frame.pts is None:
                continue
            at = round(frame.pts * frame.time_base * PICTURE_CLOCK)
            if at <= self._newest:
                continue
            self._newest = at
            for time_, nal_units in self._encoder.encode(frame, at):
                yield Fraction(time_, PICTURE_CLOCK), self._usual, nal_units


class _SoundCopier:
    """Each frame begins where the one before it ended: Matroska states times in milliseconds, frames are 21.3 long."""

    def __init__(self, stream: Any) -> None:
        self._frame_s = Fraction(SAMPLES_PER_FRAME, stream.codec_context.sample_rate)
        self._next_s: Fraction | None = None

    def take(self, packet: Any) -> Taken:
        if not packet.size or packet.pts is None:
            return
        at_s = packet.pts * packet.time_base
        if self._next_s is not None and abs(at_s - self._next_s) < self._frame_s / 2:
            at_s = self._next_s
        self._next_s = at_s + self._frame_s
        yield at_s, self._frame_s, (bytes(packet),)


class _SoundEncoder:
    """Whatever it is becomes AAC, one channel, 48 kHz."""

    def __init__(self, stream: Any) -> None:
        stream.thread_count = 1
        self._resampler: Any = av.AudioResampler("fltp", "mono", _ENCODED_RATE, frame_size=SAMPLES_PER_FRAME)
        encoder: Any = av.CodecContext.create("aac", "w")
        encoder.sample_rate, encoder.layout, encoder.format = _ENCODED_RATE, "mono", "fltp"
        encoder.bit_rate = 64_000
        self._encoder = encoder
        self._next: Fraction | None = None

    def take(self, packet: Any) -> Taken:
        for decoded in packet.decode():
            if self._next is None and decoded.pts is not None:  # the encoder's first frame only primes the decoder
                self._next = decoded.pts * decoded.time_base - _ENCODED_FRAME_S
            decoded.pts = None
            for resampled in self._resampler.resample(decoded):
                resampled.pts = None
                for encoded in self._encoder.encode(resampled):
                    if self._next is not None:
                        yield self._next, _ENCODED_FRAME_S, (bytes(encoded),)
                        self._next += _ENCODED_FRAME_S
