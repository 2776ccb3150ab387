"""What H.264 and H.265 share: decode times, and access units made into samples. Names and limits of the codecs lie
beside their parsers; `make_assembler` of `media.video.codecs` puts both together.
"""

from incamera.media.video.assembler import VideoAssembler
from incamera.media.video.decode_times import DecodeTimes
from incamera.media.video.format import VIDEO_TIMESCALE, ActiveSets, VideoFormat

__all__ = ["VIDEO_TIMESCALE", "ActiveSets", "DecodeTimes", "VideoAssembler", "VideoFormat"]
