"""The first bytes of an Opus packet (RFC 6716 clause 3.1)."""

from typing import Final

SAMPLE_RATE: Final = 48_000  # of the RTP clock and of what is played, whatever was recorded (RFC 7587 clause 4.1)
MAX_PACKET_SAMPLES: Final = SAMPLE_RATE * 120 // 1000
_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_FRAME_SAMPLES: Final = (*_SILK * 3, *_HYBRID * 2, *_CELT * 4)  # Table 2, by configuration number


class InvalidOpusPacket(ValueError):
    """A packet that no Opus encoder makes."""


def parse_duration(packet: bytes) -> int:
    """Samples at 48 kHz that the packet decodes to, at most MAX_PACKET_SAMPLES; raises InvalidOpusPacket."""
    if not packet:
        raise InvalidOpusPacket("an empty packet")
    count = (1, 2, 2, 0)[packet[0] & 3]
    if not count:  # code 3: the next byte counts the frames
        if len(packet) < 2:
            raise InvalidOpusPacket("the number of frames is missing")
        count = packet[1] & 0x3F
    samples = count * _FRAME_SAMPLES[packet[0] >> 3]
    if not 0 < samples <= MAX_PACKET_SAMPLES:
        raise InvalidOpusPacket("longer than 120 ms, or nothing at all")
    return samples
