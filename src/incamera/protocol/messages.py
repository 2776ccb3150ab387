"""Control messages of the uplink: JSON text, one object each, told apart by `type`.

Order after the WebSocket opens: server `hello` → edge `enrol` or `authenticate` → server `welcome` (or `refused` and
close) → server `desired` (whole state, repeated on every change). Media then goes in spans:
edge `stream.open` → server `stream.start` (its index) or `stream.refuse` → binary frames → server `ack`s.
What a former life of the edge left sealed on its disk goes the same way: `spool.open` → `stream.start` → sealed frames
→ `ack`s → `stream.close`, with the id of the spool file in the place of the span's (`protocol.spool`).
"""

from enum import StrEnum
from typing import Final, Literal, TypeVar
from uuid import UUID

import msgspec

Parsed = TypeVar("Parsed")

PROTOCOL_VERSION: Final = 1
MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024  # the largest is a test picture
SIGNATURE_CONTEXT: Final = b"incamera uplink v1\x00"  # signed: context + nonce + SHA-256 of the server's key


class StreamKind(StrEnum):
    MAIN = "main"
    SUB = "sub"
    AUDIO = "audio"


class StreamMode(StrEnum):
    """`off`: nothing captured · `live`: sent while somebody watches · `record`: always sent, kept until ack."""

    OFF = "off"
    LIVE = "live"
    RECORD = "record"


class GapCause(StrEnum):
    """Why there is no picture before a run, as shown on the timeline."""

    STARTED = "started"  # first run since recording was turned on
    CAMERA_LOST = "camera_lost"
    CAMERA_CHANGED = "camera_changed"  # new parameter sets: no time is missing
    EDGE_STOPPED = "edge_stopped"
    EDGE_RESTARTED = "edge_restarted"
    LINE_LOST = "line_lost"
    LINE_SLOW = "line_slow"
    SPOOL_FULL = "spool_full"
    SERVER_STOPPED = "server_stopped"
    DISK_FULL = "disk_full"
    TURNED_OFF = "turned_off"
    DAMAGED = "damaged"  # stored bytes no longer open
    EXPIRED = "expired"


class CameraState(StrEnum):
    OFF = "off"
    CONNECTING = "connecting"
    ONLINE = "online"
    OFFLINE = "offline"


class CameraFault(StrEnum):
    """Why a camera gives no picture. The web app has a sentence and a way out for each, in every language."""

    NONE = "none"
    UNREACHABLE = "unreachable"
    NAME_NOT_FOUND = "name_not_found"
    REFUSED_PASSWORD = "refused_password"
    NEEDS_PASSWORD = "needs_password"
    NOT_FOUND = "not_found"  # RTSP 404: the path is wrong
    NOT_RTSP = "not_rtsp"
    NO_VIDEO = "no_video"
    UNSUPPORTED_CODEC = "unsupported_codec"
    BUSY = "busy"  # RTSP 453/503: too many clients
    STALLED = "stalled"  # connected, but no picture for 15 s
    CLOSED = "closed"  # the camera hung up
    PROTOCOL = "protocol"  # it said something we cannot follow
    ADDRESS_REFUSED = "address_refused"  # outside the ranges this edge may dial
    NOT_HTTP = "not_http"  # what answers is no web server
    NO_PICTURES = "no_pictures"  # a web server that answers with a page, not with pictures
    CERTIFICATE = "certificate"  # not the certificate that was accepted, or one that nobody vouches for
    NO_DEVICE = "no_device"  # the USB camera is not plugged in
    IN_USE = "in_use"  # another program has the USB camera
    NOT_PERMITTED = "not_permitted"  # the edge may not use this device or file
    NO_FILE = "no_file"
    FILE_UNREADABLE = "file_unreadable"


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """Base of all control messages."""


# --- server to edge -------------------------------------------------------------------------------------------------


class Hello(Message, tag="hello", kw_only=True, frozen=True):
    nonce: bytes  # 32 random bytes; msgspec writes bytes as base64
    version: int = PROTOCOL_VERSION


class Welcome(Message, tag="welcome", kw_only=True, frozen=True):
    edge_id: UUID
    spool_public_key: bytes  # X25519, raw 32 bytes: spool keys are wrapped to it
    server_us: int


class Refused(Message, tag="refused", kw_only=True, frozen=True):
    """Then the socket closes. `is_final`: the edge need not try again without a person's help."""

    code: str
    detail: str
    is_final: bool


class CameraSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """Where the edge gets a stream: the base of all kinds. No URL carries credentials."""


class RtspSource(CameraSource, frozen=True, kw_only=True, tag="rtsp"):
    url: str
    username: str = ""
    password: str = ""


class HttpSource(CameraSource, frozen=True, kw_only=True, tag="http"):
    """JPEGs over HTTP: a stream of them (MJPEG), or one per request."""

    url: str
    username: str = ""
    password: str = ""
    certificate: str = ""  # SHA-256 of the one that was accepted, in hexadecimal; https:// only


class FileSource(CameraSource, frozen=True, kw_only=True, tag="file"):
    """A file in the folder that the edge's operator named, played again and again."""

    name: str  # relative to that folder, "/" between its parts


class DeviceSource(CameraSource, frozen=True, kw_only=True, tag="device"):
    """A USB or built-in camera of the edge's machine (V4L2)."""

    device: str  # as the edge's operator named it, such as "video0"
    width: int = 1280
    height: int = 720
    rate: int = 15


AnySource = RtspSource | HttpSource | FileSource | DeviceSource


class DesiredStream(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    stream: StreamKind
    mode: StreamMode
    is_watched: bool  # somebody wants it live right now


class DesiredChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    channel_id: UUID
    epoch: int  # ownership epoch; media of an older one is refused
    source: AnySource
    sub_source: AnySource | None = None  # where the `sub` stream comes from, when the camera has one
    streams: tuple[DesiredStream, ...]  # `audio` present and not off only where the owner turned sound on
    edge_version: int = 0


class Desired(Message, tag="desired", kw_only=True, frozen=True):
    """Everything this edge shall do; replaces the earlier one."""

    version: int
    channels: tuple[DesiredChannel, ...]


class StreamStart(Message, tag="stream.start", kw_only=True, frozen=True):
    """Frames of this span carry `index` from now on. `next_sequence`: the first the server does not have durably."""

    span_id: UUID
    index: int
    next_sequence: int = 0


class StreamRefuse(Message, tag="stream.refuse", kw_only=True, frozen=True):
    """`busy`: ask again later. All other reasons: drop the span; `expired` counts as acknowledged."""

    span_id: UUID
    reason: Literal["expired", "stale_epoch", "unknown_channel", "not_wanted", "busy"]


class Ack(Message, tag="ack", kw_only=True, frozen=True):
    """All chunks of the span up to and including `sequence` are durable (or gone for good)."""

    span_id: UUID
    sequence: int


class Resend(Message, tag="resend", kw_only=True, frozen=True):
    """The recorder dropped unacknowledged chunks: send again from `sequence` as backlog."""

    span_id: UUID
    sequence: int


class Pong(Message, tag="pong", kw_only=True, frozen=True):
    sent_us: int  # as in the ping
    server_us: int


class Probe(Message, tag="probe", kw_only=True, frozen=True):
    """Try this camera and send a test picture. Answered by `probe.result`."""

    request_id: UUID
    source: AnySource


class TakeSnapshot(Message, tag="snapshot", kw_only=True, frozen=True):
    """Decode the current sync sample of a channel to a JPEG. Answered by `snapshot.result`."""

    request_id: UUID
    channel_id: UUID


class WantSync(Message, tag="sync.want", kw_only=True, frozen=True):
    """Somebody waits for a sync sample of this stream: ask the camera for one, if it lets itself be asked."""

    channel_id: UUID
    stream: StreamKind


ServerMessage = (
    Hello
    | Welcome
    | Refused
    | Desired
    | StreamStart
    | StreamRefuse
    | Ack
    | Resend
    | Pong
    | Probe
    | TakeSnapshot
    | WantSync
)

# --- edge to server -------------------------------------------------------------------------------------------------


class Enrol(Message, tag="enrol", kw_only=True, frozen=True):
    """First contact: a short one-time code, and the key this edge will sign with ever after."""

    code: str
    public_key: bytes  # Ed25519, raw 32 bytes
    signature: bytes  # over SIGNATURE_CONTEXT + nonce + SHA-256 of the server's public key (b"" without TLS)
    software: str
    version: int = PROTOCOL_VERSION


class Authenticate(Message, tag="authenticate", kw_only=True, frozen=True):
    edge_id: UUID
    signature: bytes
    software: str
    version: int = PROTOCOL_VERSION


class StreamOpen(Message, tag="stream.open", kw_only=True, frozen=True):
    """A span begins (or begins again after a reconnect, with the same ids)."""

    span_id: UUID
    run_id: UUID
    channel_id: UUID
    stream: StreamKind
    epoch: int
    is_backlog: bool
    codec: str
    timescale: int
    init_segment: bytes
    width: int = 0
    height: int = 0
    run_started_us: int  # one moment of the run: as wall time, and …
    run_decode_time: int  # … as decode time; all tracks of a camera share it
    gap_cause: GapCause  # why the run before it ended
    first_sequence: int = 0  # sequence of the first chunk that will follow


class SpoolOpen(Message, tag="spool.open", kw_only=True, frozen=True):
    """Sealed records of an earlier life of this edge: one spool file, whose record 0 is its span's `stream.open`.

    Answered by `stream.start` or `stream.refuse` with `span_id` = `spool_id`; `expired` or `not_wanted` lets the edge
    delete the file (also when the key cannot be unwrapped). Then binary frames with FLAG_SEALED, `sequence` = record
    number from 0; an `ack` with the number of a record means that it and all before it are durable or not wanted;
    `stream.close` with `spool_id` and the last record's number ends it. A file torn by a crash has no `stream.close`
    record inside.
    """

    spool_id: UUID
    salt: bytes
    wrapped_key: bytes


class StreamClose(Message, tag="stream.close", kw_only=True, frozen=True):
    """No further chunk of this span; `last_sequence` is -1 if there was none."""

    span_id: UUID
    last_sequence: int
    cause: GapCause


class Ping(Message, tag="ping", kw_only=True, frozen=True):
    sent_us: int  # the edge's monotonic clock


class CameraStatus(Message, tag="camera.status", kw_only=True, frozen=True):
    channel_id: UUID
    state: CameraState
    fault: CameraFault = CameraFault.NONE
    since_us: int
    video_codec: str = ""
    audio_codec: str = ""  # what the camera offers, also while sound is off
    width: int = 0
    height: int = 0


class SpoolStatus(Message, tag="spool.status", kw_only=True, frozen=True):
    """How far behind the edge is; sent when it changes by more than 5 %, at most every 5 s."""

    waiting_bytes: int
    limit_bytes: int


class ProbeResult(Message, tag="probe.result", kw_only=True, frozen=True):
    request_id: UUID
    fault: CameraFault
    video_codec: str = ""
    audio_codec: str = ""
    width: int = 0
    height: int = 0
    picture: bytes = b""  # JPEG; empty when only the picture could not be decoded
    certificate: str = ""  # with the fault `certificate`: SHA-256 of what the camera showed, in hexadecimal


class SnapshotResult(Message, tag="snapshot.result", kw_only=True, frozen=True):
    request_id: UUID
    channel_id: UUID
    taken_us: int
    picture: bytes = b""  # JPEG; empty if there is none


EdgeMessage = (
    Enrol
    | Authenticate
    | StreamOpen
    | StreamClose
    | SpoolOpen
    | Ping
    | CameraStatus
    | SpoolStatus
    | ProbeResult
    | SnapshotResult
)

_server_decoder: "msgspec.json.Decoder[ServerMessage]" = msgspec.json.Decoder(ServerMessage)
_edge_decoder: "msgspec.json.Decoder[EdgeMessage]" = msgspec.json.Decoder(EdgeMessage)
_encoder = msgspec.json.Encoder()


class InvalidMessage(ValueError):
    """A text message that is not one of ours. Its text names the field, never a value."""


def render_message(message: Message) -> bytes:
    """JSON text of a message."""
    return _encoder.encode(message)


def parse_server_message(text: bytes) -> ServerMessage:
    """What the edge reads; raises InvalidMessage."""
    return _parse(_server_decoder, text)


def parse_edge_message(text: bytes) -> EdgeMessage:
    """What the server reads; raises InvalidMessage."""
    return _parse(_edge_decoder, text)


def _parse(decoder: "msgspec.json.Decoder[Parsed]", text: bytes) -> "Parsed":
    if len(text) > MAX_MESSAGE_BYTES:
        raise InvalidMessage(f"a control message of {len(text)} bytes is too long")
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidMessage(str(error)) from error
