"""The codecs that we take, by their RTP encoding names."""

from collections.abc import Callable, Iterable
from typing import Final

from incamera.media.h264.format import H264Format
from incamera.media.h265.format import H265Format
from incamera.media.video.assembler import VideoAssembler
from incamera.media.video.format import VideoFormat

_FORMATS: Final[dict[str, Callable[[], VideoFormat]]] = {"H264": H264Format, "H265": H265Format}

VIDEO_CODECS: Final = frozenset(_FORMATS)


def make_assembler(codec: str, parameter_sets: Iterable[bytes] = ()) -> VideoAssembler:
    """The assembler of a stream of this codec, one of VIDEO_CODECS."""
    return VideoAssembler(_FORMATS[codec](), parameter_sets)
