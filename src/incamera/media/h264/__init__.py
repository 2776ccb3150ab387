"""H.264 (ITU-T H.264): parameter sets, slice headers, decode times, and access units made into samples."""

from incamera.media.bits import InvalidBitstream
from incamera.media.h264.assembler import VIDEO_TIMESCALE, VideoAssembler
from incamera.media.h264.decode_times import DecodeTimes
from incamera.media.h264.parameter_sets import Sps, parse_pps_ids, parse_sps

__all__ = ["VIDEO_TIMESCALE", "DecodeTimes", "InvalidBitstream", "Sps", "VideoAssembler", "parse_pps_ids", "parse_sps"]
