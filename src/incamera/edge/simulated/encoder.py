"""Pictures and sound into what travels in RTP: H.264 by libx264, H.265 by libx265, sound by libav, all through PyAV.

What it costs is measured in `docs/howto/add-a-camera-source.md`.
"""

import re
from fractions import Fraction
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from incamera.edge.simulated.drawing import Picture
from incamera.edge.simulated.profiles import Profile, VideoCodec

VIDEO_CLOCK_RATE: Final = 90_000
_START_CODE: Final = re.compile(b"\x00\x00\x01")
_BT709: Final = 1
_LIMITED_RANGE: Final = 1
_REORDERED_PICTURES: Final = 2
_H264_IDR: Final = 5
_H265_IDR: Final = (19, 20)
_SETS: Final = {"H264": (0, 0x1F, (7, 8)), "H265": (1, 0x3F, (32, 33, 34))}  # shift and mask of the type, SPS and PPS


def split_nal_units(stream: bytes) -> tuple[bytes, ...]:
    """The NAL units of a byte stream (H.264 annex B), without start codes."""
    starts = [match.end() for match in _START_CODE.finditer(stream)]
    ends = [start - 3 for start in starts[1:]] + [len(stream)]
    return tuple(stream[start:end].rstrip(b"\x00") for start, end in zip(starts, ends, strict=True) if end > start)


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


class SoundEncoder:
    """Mono sound at the codec's rate: AAC-LC at 16 kHz or G.711 A-law at 8 kHz."""

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self.sample_rate = 16_000 if codec == "aac" else 8_000
        self.frame_samples = 1024 if codec == "aac" else 320
        context = av.CodecContext.create("aac" if codec == "aac" else "pcm_alaw", "w")
        context.sample_rate = self.sample_rate
        context.layout = "mono"
        context.format = "fltp" if codec == "aac" else "s16"
        context.time_base = Fraction(1, self.sample_rate)
        if codec == "aac":
            context.bit_rate = 32_000
        context.open()
        self._context = context

    @property
    def config(self) -> bytes:
        """AudioSpecificConfig of AAC; empty for A-law."""
        return bytes(self._context.extradata or b"") if self.codec == "aac" else b""

    def encode(self, samples: NDArray[np.float32], time: int) -> list[tuple[int, bytes]]:
        """(presentation time, unit) of what is ready; `samples` from -1 to 1, `frame_samples` of them."""
        if self.codec == "aac":
            frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
        else:
            whole = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(whole[None, :], format="s16", layout="mono")
        frame.sample_rate = self.sample_rate
        frame.pts = time
        frame.time_base = Fraction(1, self.sample_rate)
        return [(int(packet.pts or 0), bytes(packet)) for packet in self._context.encode(frame)]
