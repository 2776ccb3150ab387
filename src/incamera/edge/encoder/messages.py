"""What the edge and an encoder child say to each other: MessagePack, by the pipes of `edge.child_process`.

The edge asks once for a kind of work. The child answers `Opened` or `Failed`, then units until it fails or is killed.
"""

from typing import Final, Literal, TypeVar

import msgspec

MAX_NAL_UNITS: Final = 4096  # of one picture
PICTURE_CLOCK: Final = 90_000  # ticks per second of every picture


class _Base(msgspec.Struct, frozen=True, tag=True, array_like=True):
    pass


class EncodePictures(_Base, frozen=True):
    """JPEGs will come, by `PushPicture`."""


class PushPicture(_Base, frozen=True):
    presentation_time: int
    arrived_s: float  # monotonic: comes back with the unit
    jpeg: bytes


class CaptureDevice(_Base, frozen=True):
    """Take the pictures of a device. `input_format` is libav's name of the kind of device."""

    input_format: str
    device: str
    width: int
    height: int
    rate: int


class PlayFile(_Base, frozen=True):
    """Play the file behind an inherited descriptor again and again, at its own pace."""

    descriptor: int
    with_sound: bool


class Track(_Base, frozen=True):
    kind: Literal["video", "audio"]
    codec: str  # as in `sources.base.TrackInfo`
    clock_rate: int
    channels: int = 1
    config: bytes = b""
    is_received: bool = True


class Opened(_Base, frozen=True):
    tracks: tuple[Track, ...]


class Unit(_Base, frozen=True):
    track: int
    presentation_time: int
    arrived_s: float  # monotonic
    nal_units: tuple[bytes, ...]


class Failed(_Base, frozen=True):
    """Nothing more comes; `fault` is a value of `CameraFault`."""

    fault: str
    problem: str


Message = TypeVar("Message")
Request = EncodePictures | PushPicture | CaptureDevice | PlayFile
Answer = Opened | Unit | Failed

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def render(message: Request | Answer) -> bytes:
    """The body of a message."""
    return _encoder.encode(message)


def parse_request(body: bytes) -> Request:
    """What the child reads; raises msgspec.MsgspecError."""
    return _decode(_requests, body)


def parse_answer(body: bytes) -> Answer:
    """What the edge reads, from a child that hostile input may have taken over; raises msgspec.MsgspecError."""
    return _decode(_answers, body)


def _decode(decoder: "msgspec.msgpack.Decoder[Message]", body: bytes) -> Message:
    try:
        return decoder.decode(body)
    except (UnicodeDecodeError, RecursionError) as error:  # text that is none is no MsgspecError in msgspec
        raise msgspec.DecodeError("this is no message") from error
