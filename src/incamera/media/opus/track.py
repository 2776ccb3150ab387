"""Opus in ISO base media files (Encapsulation of Opus in ISOBMFF, version 0.6.8)."""

import struct

from incamera.media.cmaf import sound_init_segment, sound_sample_entry
from incamera.media.isobmff.boxes import box
from incamera.media.opus.packet import SAMPLE_RATE
from incamera.media.sample import TrackConfig


def opus_track_config(channel_count: int) -> TrackConfig:
    """The track of mono or stereo Opus, init segment included. We join a stream that runs, so nothing is skipped."""
    # Version, OutputChannelCount, PreSkip, InputSampleRate, OutputGain, ChannelMappingFamily (clause 4.3.2)
    specific = box(b"dOps", struct.pack(">BBHIhB", 0, channel_count, 0, SAMPLE_RATE, 0, 0))
    entry = sound_sample_entry(b"Opus", specific, SAMPLE_RATE, channel_count)
    return TrackConfig(
        kind="audio",
        codec="opus",
        timescale=SAMPLE_RATE,
        init_segment=sound_init_segment(entry, SAMPLE_RATE),
        sample_rate=SAMPLE_RATE,
        channel_count=channel_count,
    )
