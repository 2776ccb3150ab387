"""AAC (ISO/IEC 14496-3): the AudioSpecificConfig, which says everything a decoder must know beforehand."""

from incamera.media.aac.configuration import (
    SAMPLES_PER_FRAME,
    AudioConfig,
    InvalidAudioConfig,
    aac_track_config,
    parse_audio_specific_config,
    render_audio_specific_config,
)

__all__ = [
    "SAMPLES_PER_FRAME",
    "AudioConfig",
    "InvalidAudioConfig",
    "aac_track_config",
    "parse_audio_specific_config",
    "render_audio_specific_config",
]
