"""AudioSpecificConfig (ISO/IEC 14496-3 clause 1.6.2.1)."""

from dataclasses import dataclass
from typing import Final

from incamera.media.bits import BitReader, InvalidBitstream
from incamera.media.cmaf.init_segment import audio_init_segment
from incamera.media.sample import TrackConfig

SAMPLES_PER_FRAME: Final = 1024
MAX_CONFIG_BYTES: Final = 64
_RATES: Final = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_CHANNELS: Final = (0, 1, 2, 3, 4, 5, 6, 8)
_EXPLICIT_RATE: Final = 15
_ESCAPED_TYPE: Final = 31
_AAC_LC: Final = 2


class InvalidAudioConfig(ValueError):
    """Bytes that do not configure an AAC decoder a browser has."""


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """An AAC stream. `sample_rate` in Hz is also its timescale; a frame holds SAMPLES_PER_FRAME of them."""

    object_type: int
    sample_rate: int
    channel_count: int
    specific_config: bytes

    @property
    def codec(self) -> str:
        """RFC 6381 name, e.g. `mp4a.40.2`."""
        return f"mp4a.40.{self.object_type}"


def parse_audio_specific_config(data: bytes) -> AudioConfig:
    """Reads what SDP calls `config`; raises InvalidAudioConfig."""
    if not 2 <= len(data) <= MAX_CONFIG_BYTES:
        raise InvalidAudioConfig(f"an AAC configuration of {len(data)} bytes")
    reader = BitReader(data)
    try:
        object_type = reader.bits(5)
        if object_type == _ESCAPED_TYPE:
            object_type = 32 + reader.bits(6)
        index = reader.bits(4)
        sample_rate = reader.bits(24) if index == _EXPLICIT_RATE else (_RATES[index] if index < len(_RATES) else 0)
        channels = reader.bits(4)
    except InvalidBitstream as error:
        raise InvalidAudioConfig("the AAC configuration ends too early") from error
    if not (1 <= sample_rate <= 96_000 and 1 <= channels < len(_CHANNELS) and object_type):
        raise InvalidAudioConfig("the AAC configuration names no rate or channels we know")
    return AudioConfig(object_type, sample_rate, _CHANNELS[channels], bytes(data))


def render_audio_specific_config(sample_rate: int, channel_count: int) -> bytes:
    """The two bytes for AAC-LC at one of the standard rates; raises InvalidAudioConfig for others."""
    if sample_rate not in _RATES or channel_count not in _CHANNELS[1:]:
        raise InvalidAudioConfig(f"AAC at {sample_rate} Hz with {channel_count} channels is not standard")
    value = _AAC_LC << 11 | _RATES.index(sample_rate) << 7 | _CHANNELS.index(channel_count) << 3
    return value.to_bytes(2, "big")


def aac_track_config(config: AudioConfig) -> TrackConfig:
    """The track of such a stream, init segment included."""
    return TrackConfig(
        kind="audio",
        codec=config.codec,
        timescale=config.sample_rate,
        init_segment=audio_init_segment(
            config.specific_config, sample_rate=config.sample_rate, channel_count=config.channel_count
        ),
        sample_rate=config.sample_rate,
        channel_count=config.channel_count,
    )
