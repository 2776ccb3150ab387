"""CMAF (ISO/IEC 23000-19) written by hand: init segments, and one chunk per picture without added delay."""

from incamera.media.cmaf.init_segment import (
    audio_init_segment,
    sound_init_segment,
    sound_sample_entry,
    video_init_segment,
    video_sample_entry,
)
from incamera.media.cmaf.packager import LIVE_DURATION_BOUND_S, Packager

__all__ = [
    "LIVE_DURATION_BOUND_S",
    "Packager",
    "audio_init_segment",
    "sound_init_segment",
    "sound_sample_entry",
    "video_init_segment",
    "video_sample_entry",
]
