"""Opus (RFC 6716): how long a packet lasts, and the track it becomes. Browsers play it as it is."""

from incamera.media.opus.packet import SAMPLE_RATE, InvalidOpusPacket, parse_duration
from incamera.media.opus.track import opus_track_config

__all__ = ["SAMPLE_RATE", "InvalidOpusPacket", "opus_track_config", "parse_duration"]
