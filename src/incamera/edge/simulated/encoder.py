"""Pictures and sound into what travels in RTP: H.264 by libx264, H.265 by libx265, sound by libav, all through PyAV.

What it costs is measured in `docs/howto/add-a-camera-source.md`.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from incamera.edge.simulated.drawing import Picture
from incamera.edge.simulated.profiles import Profile, SoundCodec, VideoCodec
from incamera.media.video.byte_stream import split_nal_units

VIDEO_CLOCK_RATE: Final = 90_000
_BT709: Final = 1
_LIMITED_RANGE: Final = 1
_REORDERED_PICTURES: Final = 2
_H264_IDR: Final = 5
_H265_IDR: Final = (19, 20)
_SETS: Final = {"H264": (0, 0x1F, (7, 8)), "H265": (1, 0x3F, (32, 33, 34))}  # shift and mask of the type, SPS and PPS


class VideoEncoder:
    """H.264 or H.265 with parameter sets before every sync sample. Encoding runs without the interpreter's lock."""

    def __init__(self, width: int, height: int, fps: int, profile: Profile, codec: VideoCodec = "H264") -> None:
        context = av.CodecContext.create("libx264" if codec == "H264" else "libx265", "w")
        context.width, context.height = width, height
        context.pix_fmt = "yuv420p"
        context.framerate = Fraction(fps)
        context.time_base = Fraction(1, VIDEO_CLOCK_RATE)
        context.gop_size = max(1, round(profile.gop_s * fps))
        context.thread_count = 1
        context.colorspace, context.color_primaries, context.color_trc = _BT709, _BT709, _BT709
        context.color_range = _LIMITED_RANGE
        context.max_b_frames = _REORDERED_PICTURES if profile.reorders else 0
        context.options = self._options(width, profile, codec)
        self._context = context
        self._codec = codec
        self._width, self._height = width, height

    @staticmethod
    def _options(width: int, profile: Profile, codec: VideoCodec) -> dict[str, str]:
        """`forced-idr` so that a viewer who comes gets a sync sample; no look-ahead: it would only delay."""
        options = {"preset": "ultrafast", "forced-idr": "1"}
        if codec == "H264":
            options["x264-params"] = "scenecut=0:sync-lookahead=0:rc-lookahead=0"
            if profile.refreshes:
                options["x264-params"] += ":intra-refresh=1"
        else:
            options["x265-params"] = (
                "log-level=none:scenecut=0:pools=1:frame-threads=1:repeat-headers=1:open-gop=0:rc-lookahead=3:b-adapt=0"
                # After a large sync sample a held bitrate would leave the next pictures nothing for their counter.
                ":qpmax=38"
            )
        if not profile.reorders:
            options["tune"] = "zerolatency"
        if profile.bitrate is None:
            options["crf"] = "25"
        else:
            rate = max(250_000, profile.bitrate * width * width // (1280 * 1280))
            options |= {"b": str(rate), "maxrate": str(rate), "bufsize": str(rate)}
        return options

    def is_sync(self, nal_units: tuple[bytes, ...]) -> bool:
        """Whether these NAL units are a picture that decodes alone."""
        if self._codec == "H264":
            return any(nal_unit[0] & 0x1F == _H264_IDR for nal_unit in nal_units)
        return any(nal_unit[0] >> 1 & 0x3F in _H265_IDR for nal_unit in nal_units)

    def encode(self, picture: Picture, time: int, is_sync: bool) -> list[tuple[int, tuple[bytes, ...]]]:
        """(presentation time, NAL units) of each picture that is ready, in decoding order."""
        frame = av.VideoFrame(self._width, self._height, "yuv420p")
        for plane, content in zip(frame.planes, (picture.luma, picture.cb, picture.cr), strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            rows[:, : content.shape[1]] = content
        frame.pts = time
        frame.time_base = Fraction(1, VIDEO_CLOCK_RATE)
        if is_sync:
            frame.pict_type = av.video.frame.PictureType.I
        return [(int(packet.pts or 0), split_nal_units(bytes(packet))) for packet in self._context.encode(frame)]


def find_parameter_sets(width: int, height: int, fps: int, profile: Profile, codec: VideoCodec) -> tuple[bytes, ...]:
    """The (VPS,) SPS and PPS that an encoder with these settings will use, for the description of a stream."""
    encoder = VideoEncoder(width, height, fps, profile, codec)
    luma = np.full((height, width), 16, np.uint8)
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    units: list[bytes] = []
    for number in range(16):  # an encoder that reorders gives its first picture later
        for _, nal_units in encoder.encode(
            Picture(luma, chroma, chroma), number * VIDEO_CLOCK_RATE // fps, number == 0
        ):
            units += nal_units
        if units:
            break
    shift, mask, kinds = _SETS[codec]
    by_kind = {unit[0] >> shift & mask: unit for unit in units}
    return tuple(by_kind[kind] for kind in kinds)


@dataclass(frozen=True, slots=True)
class _SoundKind:
    """How a simulated camera sends one kind of sound."""

    libav_name: str
    sample_rate: int
    frame_samples: int
    payload_type: int
    rtp_map: str
    sample_format: str = "s16"
    bit_rate: int | None = None
    clock_rate: int | None = None  # of RTP, where it is not the sample rate


_SOUND_KINDS: Final[dict[SoundCodec, _SoundKind]] = {
    "aac": _SoundKind("aac", 16_000, 1024, 97, "MPEG4-GENERIC/16000/1", "fltp", 32_000),
    "alaw": _SoundKind("pcm_alaw", 8_000, 320, 8, "PCMA/8000"),
    "opus": _SoundKind("libopus", 48_000, 960, 98, "opus/48000/2", bit_rate=32_000),
    "l16": _SoundKind("pcm_s16be", 16_000, 320, 99, "L16/16000"),
    "g722": _SoundKind("g722", 16_000, 320, 9, "G722/8000", clock_rate=8_000),
    "g726": _SoundKind("g726le", 8_000, 2048, 100, "G726-32/8000", bit_rate=32_000),  # libav's encoder takes no fewer
}


class SoundEncoder:
    """Mono sound in one of the kinds that cameras send."""

    def __init__(self, codec: SoundCodec) -> None:
        kind = _SOUND_KINDS[codec]
        self.codec = codec
        self.sample_rate, self.frame_samples = kind.sample_rate, kind.frame_samples
        self.clock_rate = kind.clock_rate or kind.sample_rate
        self.payload_type, self.rtp_map = kind.payload_type, kind.rtp_map
        self._sample_format = kind.sample_format
        context: Any = av.CodecContext.create(kind.libav_name, "w")
        context.sample_rate = self.sample_rate
        context.layout = "mono"
        context.format = self._sample_format
        context.time_base = Fraction(1, self.sample_rate)
        if kind.bit_rate is not None:
            context.bit_rate = kind.bit_rate
        context.open()
        self._context = context

    @property
    def config(self) -> bytes:
        """AudioSpecificConfig of AAC; empty for others."""
        return bytes(self._context.extradata or b"") if self.codec == "aac" else b""

    def encode(self, samples: NDArray[np.float32], time: int) -> list[tuple[int, bytes]]:
        """(presentation time in samples, unit) of what is ready; `frame_samples` of them, from -1 to 1."""
        if self._sample_format == "fltp":
            frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
        else:
            whole = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(whole[None, :], format="s16", layout="mono")
        frame.sample_rate = self.sample_rate
        frame.pts = time
        frame.time_base = Fraction(1, self.sample_rate)
        return [(int(packet.pts or 0), bytes(packet)) for packet in self._context.encode(frame)]
