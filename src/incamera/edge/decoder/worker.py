"""The child: reads requests from stdin, answers on stdout, until stdin ends. Holds libav and nothing else.

It confines itself once libav is loaded: from then on no file can be opened, written or run.
"""

import io
from fractions import Fraction
from typing import Any, Final, Literal

import av
import av.error
import av.logging
import msgspec

from incamera.edge.child_process import read_body, write_bodies
from incamera.edge.confinement import Limits, confine
from incamera.edge.decoder.messages import (
    Answer,
    CloseSound,
    Failed,
    OpenSound,
    Picture,
    PushSound,
    SoundFrame,
    TakePicture,
    parse_request,
    render,
)
from incamera.edge.decoder.sound_formats import SoundFormat
from incamera.media.aac import SAMPLES_PER_FRAME

MEMORY_BYTES: Final = 768 * 1024 * 1024  # of address space; a 4K picture needs a third of what libav leaves of it
_CHILD_LIMITS: Final = Limits(address_space_bytes=MEMORY_BYTES, open_files=16, file_size_bytes=0)
_JPEG_QUALITY: Final = "4"  # quantiser, 2 is best and 31 worst
_TALLEST: Final = 2  # times the greatest width: doorbells are upright, columns are an attack
_TOLERATED_GAP_S: Final = 0.060  # below, the camera's clock only jitters
_FAULTS: Final = (av.error.FFmpegError, EOFError, MemoryError, ValueError, IndexError, OverflowError)


def main() -> None:
    """Serves until the edge closes stdin."""
    av.logging.set_level(None)
    _warm_up()
    confine(_CHILD_LIMITS, readable=(), writable=(), may_connect=False)
    sessions: dict[int, SoundSession] = {}
    while (body := read_body()) is not None:
        try:
            answers = _answer(parse_request(body), sessions)
        except msgspec.MsgspecError:
            return
        except _FAULTS as error:
            answers = [Failed(type(error).__name__)]
        write_bodies(map(render, answers))


def _answer(request: object, sessions: dict[int, "SoundSession"]) -> list[Answer]:
    match request:
        case TakePicture(media, max_width):
            return [Picture(decode_picture(media, max_width))]
        case OpenSound(session, codec, clock_rate, channels):
            sessions[session] = SoundSession(session, SoundFormat(codec, clock_rate, channels))
        case PushSound(session, presentation_time, data) if session in sessions:
            return list(sessions[session].push(presentation_time, data))
        case CloseSound(session):
            sessions.pop(session, None)
    return []


# --- pictures -------------------------------------------------------------------------------------------------------


def decode_picture(media: bytes, max_width: int) -> bytes:
    """The first picture as JPEG; raises one of many errors if there is none."""
    opened: Any = av.open(io.BytesIO(media), format="mp4")
    with opened as container:
        container.streams.video[0].thread_count = 1
        frame = next(iter(container.decode(video=0)), None)
    if frame is None:
        raise EOFError("no picture came out")
    return _render_jpeg(frame, max_width)


def _render_jpeg(frame: Any, max_width: int) -> bytes:
    scale = min(1.0, max_width / frame.width, _TALLEST * max_width / frame.height)
    width, height = max(2, int(frame.width * scale) // 2 * 2), max(2, round(frame.height * scale / 2) * 2)
    encoder = _codec("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": _JPEG_QUALITY, "qmax": _JPEG_QUALITY}
    picture = frame.reformat(width=width, height=height, format="yuvj420p")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])


# --- sound ----------------------------------------------------------------------------------------------------------


class SoundSession:
    """A camera's sound in, AAC-LC out. Times follow the camera's, gaps included."""

    def __init__(self, session: int, sound_format: SoundFormat) -> None:
        if not sound_format.is_encodable:
            raise ValueError("no sound that is encoded here")
        self._session = session
        self._format = sound_format
        layout = "stereo" if sound_format.channels > 1 else "mono"
        self._decoder = _codec(sound_format.libav_name, "r")
        self._decoder.sample_rate, self._decoder.layout = sound_format.sample_rate, layout
        self._decoder.options = sound_format.libav_options
        rate = sound_format.encoded_rate
        self._resampler: Any = av.AudioResampler(format="fltp", layout=layout, rate=rate, frame_size=SAMPLES_PER_FRAME)
        self._encoder = _codec("aac", "w")
        self._encoder.sample_rate, self._encoder.layout, self._encoder.format = rate, layout, "fltp"
        self._encoder.bit_rate = sound_format.bit_rate
        self._expected: int | None = None  # presentation time of the next unit if nothing is missing
        self._next_frame = -SAMPLES_PER_FRAME  # the encoder's first frame only primes the decoder

    def push(self, presentation_time: int, data: bytes) -> list[SoundFrame]:
        """The frames that one unit completes, mostly none or one."""
        self._follow(presentation_time)
        frames: list[SoundFrame] = []
        for decoded in self._decoder.decode(av.Packet(self._whole_samples(data))):
            self._expect(decoded.samples)
            decoded.pts = None
            for resampled in self._resampler.resample(decoded):
                resampled.pts = None
                for packet in self._encoder.encode(resampled):
                    frames.append(SoundFrame(self._session, self._next_frame, bytes(packet)))
                    self._next_frame += SAMPLES_PER_FRAME
        return frames

    def _follow(self, presentation_time: int) -> None:
        """Moves what comes out along with the camera's clock where that steps by more than it jitters."""
        clock_rate = self._format.clock_rate
        gap = presentation_time - (self._expected or 0)
        if self._expected is None or abs(gap) > _TOLERATED_GAP_S * clock_rate:
            self._next_frame += gap * self._format.encoded_rate // clock_rate
            self._expected = presentation_time

    def _expect(self, samples: int) -> None:
        assert self._expected is not None, "_follow came first"
        self._expected += samples * self._format.clock_rate // self._format.sample_rate

    def _whole_samples(self, data: bytes) -> bytes:
        """Without half a sample at the end, at which libav would give up all of it."""
        if self._format.codec != "L16":
            return data
        return data[: len(data) // (2 * self._format.channels) * 2 * self._format.channels]


def _codec(name: str, mode: Literal["r", "w"]) -> Any:
    """PyAV's type of a codec context does not know the fields of its kinds, so it is Any."""
    return av.CodecContext.create(name, mode)


# --- the start ------------------------------------------------------------------------------------------------------


def _warm_up() -> None:
    """Goes through everything once: PyAV imports some modules late, and no file can be opened any more then."""
    for codec in ("PCMA", "L16", "G722", "G726-32"):
        SoundSession(0, SoundFormat(codec, 8_000)).push(0, bytes(8 * SAMPLES_PER_FRAME))
    clip = io.BytesIO()
    with av.open(clip, "w", format="mp4") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))
    decode_picture(clip.getvalue(), 16)
