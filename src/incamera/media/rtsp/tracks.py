"""From a description's track to the depacketiser that reads its packets."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final, Literal

from incamera.media.rtp.aac import AacDepacketiser, AuHeaderLayout
from incamera.media.rtp.h264 import H264Depacketiser
from incamera.media.rtp.h265 import H265Depacketiser
from incamera.media.rtp.receiver import Depacketiser, Emit
from incamera.media.rtp.sound import SoundDepacketiser
from incamera.media.rtsp.sdp import MediaDescription, RtpMap, SessionDescription

_AAC_FRAME_SAMPLES: Final = 1024
_MAX_PARAMETER_SETS: Final = 32
_MAX_CONFIG_BYTES: Final = 256
_PLAIN_SOUND: Final = frozenset(
    {"PCMA", "PCMU", "L16", "G722", "OPUS"}
    | {f"{packing}G726-{rate}" for packing in ("", "AAL2-") for rate in (16, 24, 32, 40)}
)
_H264_SETS: Final = frozenset({7, 8})  # SPS, PPS
_H265_SETS: Final = frozenset({32, 33, 34})  # VPS, SPS, PPS


@dataclass(frozen=True, slots=True)
class TrackFormat:
    """What travels on a track."""

    index: int  # into the description's media
    kind: Literal["video", "audio"]
    codec: str  # RTP encoding name in capitals
    payload_type: int
    clock_rate: int
    channels: int
    parameter_sets: tuple[bytes, ...] = ()
    config: bytes = b""
    layout: AuHeaderLayout = field(default_factory=AuHeaderLayout)
    unit_ticks: int = _AAC_FRAME_SAMPLES
    has_order_numbers: bool = False  # H.265: packets carry decoding order numbers

    @property
    def is_supported(self) -> bool:
        """Whether `make_depacketiser` knows it."""
        if self.codec == "MPEG4-GENERIC":
            return bool(self.config)
        if self.kind == "video":
            return self.codec in ("H264", "H265")
        return self.codec in _PLAIN_SOUND and 8_000 <= self.clock_rate <= 48_000 and 1 <= self.channels <= 2


def describe_tracks(description: SessionDescription) -> tuple[TrackFormat, ...]:
    """The video and audio tracks that a camera sends, supported or not. Metadata and back channels are left out."""
    tracks = (_describe(index, media) for index, media in enumerate(description.media))
    return tuple(track for track in tracks if track is not None)


def _describe(index: int, media: MediaDescription) -> TrackFormat | None:
    rtp_map, payload_type = media.rtp_map, media.payload_type
    if media.kind not in ("video", "audio") or (media.kind == "audio" and media.direction in ("sendonly", "inactive")):
        return None  # `sendonly` sound is a back channel: cameras write directions as the client sees them (ONVIF)
    if rtp_map is None or payload_type is None or not media.protocol.startswith("RTP/AV"):
        return None  # RTP/SAVP would bring packets under a key that nobody gave us (RFC 3711)
    parameters = media.format_parameters
    return TrackFormat(
        index=index,
        kind="video" if media.kind == "video" else "audio",
        codec=rtp_map.encoding,
        payload_type=payload_type,
        clock_rate=rtp_map.clock_rate,
        channels=_find_channels(rtp_map, parameters),
        parameter_sets=_parse_parameter_sets(rtp_map.encoding, parameters),
        config=_parse_config(parameters) if rtp_map.encoding == "MPEG4-GENERIC" else b"",
        layout=_parse_layout(parameters),
        unit_ticks=_parse_number(parameters, "constantduration", _AAC_FRAME_SAMPLES, 1 << 20),
        has_order_numbers=_parse_number(parameters, "sprop-max-don-diff", 0, 32_767) > 0,
    )


def _find_channels(rtp_map: RtpMap, parameters: dict[str, str]) -> int:
    """Opus always says 2 (RFC 7587 clause 7), and apart from that whether it means it."""
    if rtp_map.encoding == "OPUS":
        return 2 if parameters.get("sprop-stereo") == "1" else 1
    return rtp_map.channels


def make_depacketiser(track: TrackFormat, emit: Emit) -> Depacketiser:
    """The reader of a supported track's packets."""
    if track.codec == "H264":
        return H264Depacketiser(emit)
    if track.codec == "H265":
        return H265Depacketiser(emit, has_order_numbers=track.has_order_numbers)
    if track.codec == "MPEG4-GENERIC":
        return AacDepacketiser(emit, track.unit_ticks, track.layout)
    return SoundDepacketiser(emit)


def _parse_parameter_sets(codec: str, parameters: dict[str, str]) -> tuple[bytes, ...]:
    """`sprop-parameter-sets` (RFC 6184 clause 8.1) or `sprop-vps`, -sps and -pps (RFC 7798 clause 7.1)."""
    if codec == "H264":
        units = _parse_nal_units(parameters, "sprop-parameter-sets")
        return tuple(unit for unit in units if unit[0] & 0x1F in _H264_SETS)
    if codec == "H265":
        units = [unit for name in ("vps", "sps", "pps") for unit in _parse_nal_units(parameters, f"sprop-{name}")]
        return tuple(unit for unit in units if unit[0] >> 1 & 0x3F in _H265_SETS)
    return ()


def _parse_nal_units(parameters: dict[str, str], name: str) -> list[bytes]:
    """Base64, by commas. Some cameras leave start codes at their ends."""
    found: list[bytes] = []
    for text in parameters.get(name, "").split(",")[:_MAX_PARAMETER_SETS]:
        try:
            data = base64.b64decode(text.strip() + "=" * (-len(text.strip()) % 4))
        except (binascii.Error, ValueError):
            continue
        data = data.removesuffix(b"\x00\x00\x00\x01").removesuffix(b"\x00\x00\x01").rstrip(b"\x00")
        data = data.removeprefix(b"\x00\x00\x00\x01").removeprefix(b"\x00\x00\x01")
        if data:
            found.append(data)
    return found


def _parse_config(parameters: dict[str, str]) -> bytes:
    """`config` of RFC 3640 clause 4.1: an AudioSpecificConfig in hexadecimal."""
    text = parameters.get("config", "").strip('"')
    try:
        return bytes.fromhex(text[: 2 * _MAX_CONFIG_BYTES])
    except ValueError:
        return b""


def _parse_layout(parameters: dict[str, str]) -> AuHeaderLayout:
    """Field widths; where a camera names a mode only, those of the mode (RFC 3640 clauses 3.3.5 and 3.3.6)."""
    is_low_rate = parameters.get("mode", "").lower() == "aac-lbr"
    size, index = (6, 2) if is_low_rate else (13, 3)
    return AuHeaderLayout(
        _parse_number(parameters, "sizelength", size, 32) or size,
        _parse_number(parameters, "indexlength", index, 32),
        _parse_number(parameters, "indexdeltalength", index, 32),
    )


def _parse_number(parameters: dict[str, str], name: str, default: int, limit: int) -> int:
    text = parameters.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= limit else default
