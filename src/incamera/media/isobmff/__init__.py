"""ISO base media file format (ISO/IEC 14496-12): boxes in and out, and what our own files say."""

from incamera.media.isobmff.boxes import Box, InvalidBox, box, full_box, iter_boxes
from incamera.media.isobmff.fragments import FragmentSample, parse_chunk

__all__ = ["Box", "FragmentSample", "InvalidBox", "box", "full_box", "iter_boxes", "parse_chunk"]
