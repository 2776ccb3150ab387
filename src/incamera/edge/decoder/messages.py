"""What edge and decoder child say to each other: MessagePack, by the pipes of `edge.child_process`."""

from typing import TypeVar

import msgspec


class _Base(msgspec.Struct, frozen=True, tag=True, array_like=True):
    pass


class TakePicture(_Base, frozen=True):
    """Decode the first picture of a fragmented MP4 and scale it down to at most `max_width`."""

    media: bytes
    max_width: int


class OpenSound(_Base, frozen=True):
    """Sound in a `SoundFormat` will come."""

    session: int
    codec: str
    clock_rate: int
    channels: int


class PushSound(_Base, frozen=True):
    session: int
    presentation_time: int  # ticks of the camera's RTP clock
    data: bytes


class CloseSound(_Base, frozen=True):
    session: int


class Picture(_Base, frozen=True):
    jpeg: bytes


class SoundFrame(_Base, frozen=True):
    session: int
    presentation_time: int  # ticks of the AAC's sample rate
    data: bytes


class Failed(_Base, frozen=True):
    """What was asked last could not be done; the child lives on."""

    problem: str


Message = TypeVar("Message")
Request = TakePicture | OpenSound | PushSound | CloseSound
Answer = Picture | SoundFrame | Failed

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
