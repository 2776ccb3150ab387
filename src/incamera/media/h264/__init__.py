"""H.264 (ITU-T H.264): parameter sets and slice headers; samples are made of it by `media.video`."""

from incamera.media.bits import InvalidBitstream
from incamera.media.h264.parameter_sets import Sps, parse_pps_ids, parse_sps

__all__ = ["InvalidBitstream", "Sps", "parse_pps_ids", "parse_sps"]
