"""Which sound the decoder child turns into AAC, and what comes out."""

from dataclasses import dataclass
from typing import Final

from incamera.media.aac import aac_track_config, parse_audio_specific_config, render_audio_specific_config
from incamera.media.sample import TrackConfig

# AAC at 16 kHz comes after 140 ms, at 8 kHz after 260: so what is slower is made faster.
_SLOWEST_ENCODED_RATE: Final = 16_000
_ENCODED_RATES: Final = frozenset({16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
_G722_RATE: Final = 16_000
_MOST_CHANNELS: Final = 2
_LIBAV_NAMES: Final = {
    "PCMA": "pcm_alaw",
    "PCMU": "pcm_mulaw",
    "L16": "pcm_s16be",  # RFC 3551 clause 4.5.11
    "G722": "g722",
    # RFC 3551 clause 4.5.4 packs the first sample into the lowest bits, ITU-T I.366.2 ("AAL2") into the highest.
    **{f"G726-{rate}": "g726le" for rate in (16, 24, 32, 40)},
    **{f"AAL2-G726-{rate}": "g726" for rate in (16, 24, 32, 40)},
}


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """Sound as a camera sends it: RTP encoding name, ticks of its RTP clock per second, channels."""

    codec: str
    clock_rate: int
    channels: int = 1

    @property
    def is_encodable(self) -> bool:
        """Whether the decoder child takes it."""
        if not 1 <= self.channels <= _MOST_CHANNELS or (self.channels > 1 and not self.is_pcm):
            return False
        return self.codec in _LIBAV_NAMES and 8_000 <= self.clock_rate <= 48_000

    @property
    def is_pcm(self) -> bool:
        """Whether every sample stands for itself."""
        return self.codec in ("PCMA", "PCMU", "L16")

    @property
    def sample_rate(self) -> int:
        """In Hz. G.722 is sampled 16,000 times a second, though its RTP clock says 8,000 (RFC 3551 clause 4.5.2)."""
        return _G722_RATE if self.codec == "G722" else self.clock_rate

    @property
    def libav_name(self) -> str:
        """The decoder."""
        return _LIBAV_NAMES[self.codec]

    @property
    def libav_options(self) -> dict[str, str]:
        """What the decoder must be told beforehand: of G.726 the bits of a sample, 8,000 of which make a second."""
        if "G726" not in self.codec:
            return {}
        return {"bits_per_coded_sample": str(int(self.codec.rpartition("-")[2]) // 8)}

    @property
    def encoded_rate(self) -> int:
        """Of the AAC that comes out, in Hz: also the timescale of its track."""
        rate = max(self.sample_rate, _SLOWEST_ENCODED_RATE)
        return rate if rate in _ENCODED_RATES else 48_000

    @property
    def bit_rate(self) -> int:
        """Of the AAC: enough for speech at 16 kHz, for more than speech above."""
        return (32_000 if self.encoded_rate <= _SLOWEST_ENCODED_RATE else 64_000) * self.channels

    def encoded_config(self) -> TrackConfig:
        """The track that comes out."""
        return aac_track_config(
            parse_audio_specific_config(render_audio_specific_config(self.encoded_rate, self.channels))
        )
