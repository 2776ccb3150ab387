"""H.265 (ITU-T H.265): parameter sets and slice headers; samples are made of it by `media.video`."""

from incamera.media.h265.parameter_sets import Pps, Sps, parse_pps, parse_sps, parse_vps_id

__all__ = ["Pps", "Sps", "parse_pps", "parse_sps", "parse_vps_id"]
