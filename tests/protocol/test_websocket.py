"""RFC 6455 framing: what one end writes the other reads, whatever the network does to it in between."""

import contextlib
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.protocol import websocket as ws
from incamera.protocol.websocket import Binary, Close, Event, FrameReader, Ping, Pong, Text

LIMIT = 1 << 20


def frame(opcode: int, payload: bytes, *, is_final: bool = True, mask: bytes | None = b"\x11\x22\x33\x44") -> bytes:
    """A frame written the slow, obvious way, to judge the quick one."""
    first = bytes([(0x80 if is_final else 0) | opcode])
    masked = 0x80 if mask is not None else 0
    if len(payload) < 126:
        head = first + bytes([masked | len(payload)])
    elif len(payload) < 65536:
        head = first + bytes([masked | 126]) + struct.pack(">H", len(payload))
    else:
        head = first + bytes([masked | 127]) + struct.pack(">Q", len(payload))
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def server(limit: int = LIMIT) -> FrameReader:
    return FrameReader(is_server=True, max_message_bytes=limit)


def client(limit: int = LIMIT) -> FrameReader:
    return FrameReader(is_server=False, max_message_bytes=limit)


def rendered(event: Event, is_client: bool) -> bytes:
    match event:
        case Text(data):
            return ws.render_text(data, is_client=is_client)
        case Binary(data):
            return ws.render_binary_header(len(data), is_client=is_client) + data
        case Ping(data):
            return ws.render_ping(data, is_client=is_client)
        case Pong(data):
            return ws.render_pong(data, is_client=is_client)
        case Close(code, reason):
            return ws.render_close(code, reason, is_client=is_client)


events = st.lists(
    st.one_of(
        st.text(max_size=300).map(lambda text: Text(text.encode())),
        st.binary(max_size=300).map(Binary),
        st.binary(max_size=125).map(Ping),
        st.binary(max_size=125).map(Pong),
    ),
    max_size=6,
)


@given(events, st.booleans(), st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_messages_survive_any_cut_of_the_byte_stream(messages: list[Event], is_client: bool, sizes: list[int]) -> None:
    messages = [*messages, Close(ws.GOING_AWAY, "back soon")]
    data = b"".join(rendered(message, is_client) for message in messages)
    reader = FrameReader(is_server=is_client, max_message_bytes=LIMIT)

    received: list[Event] = []
    turn = 0
    while data:
        size = sizes[turn % len(sizes)]
        received += reader.receive(data[:size])
        data, turn = data[size:], turn + 1

    assert received == messages


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
def test_every_length_form_is_read_whole_and_byte_by_byte(length: int) -> None:
    payload = os.urandom(length)
    data = ws.render_binary_header(length, is_client=True) + payload + frame(0x2, payload)

    assert server().receive(data) == [Binary(payload), Binary(payload)]
    if length <= 65536:
        reader = server()
        assert [event for byte in data for event in reader.receive(bytes([byte]))] == [Binary(payload)] * 2


@given(st.binary(max_size=1000), st.binary(min_size=4, max_size=4))
def test_any_mask_is_undone(payload: bytes, mask: bytes) -> None:
    assert server().receive(frame(0x2, payload, mask=mask)) == [Binary(payload)]


def test_fragments_are_joined_around_control_frames() -> None:
    whole = "déjà vu".encode()
    data = frame(0x1, whole[:2], is_final=False) + frame(0x9, b"?") + frame(0x0, whole[2:5], is_final=False)
    data += frame(0x0, whole[5:]) + frame(0x2, b"next")

    assert server().receive(data) == [Ping(b"?"), Text(whole), Binary(b"next")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0x2, b"x", mask=None), ws.PROTOCOL_ERROR),
        (b"\xc2\x80\0\0\0\0", ws.PROTOCOL_ERROR),  # reserved bit
        (frame(0x3, b""), ws.PROTOCOL_ERROR),
        (frame(0xB, b""), ws.PROTOCOL_ERROR),
        (frame(0x0, b"tail"), ws.PROTOCOL_ERROR),  # continuation of nothing
        (frame(0x1, b"a", is_final=False) + frame(0x1, b"b"), ws.PROTOCOL_ERROR),
        (frame(0x9, b"x" * 126), ws.PROTOCOL_ERROR),
        (frame(0x9, b"x", is_final=False), ws.PROTOCOL_ERROR),
        (frame(0x8, b"\x03"), ws.PROTOCOL_ERROR),
        (frame(0x8, struct.pack(">H", 1005)), ws.PROTOCOL_ERROR),
        (frame(0x8, struct.pack(">H", 999)), ws.PROTOCOL_ERROR),
        (frame(0x8, struct.pack(">H", 5000)), ws.PROTOCOL_ERROR),
        (frame(0x8, struct.pack(">H", 1000) + b"\xff"), ws.INVALID_TEXT),
        (frame(0x1, b"\xc3\x28"), ws.INVALID_TEXT),
        (b"\x82\xff" + b"\xff" * 8 + b"\0\0\0\0", ws.PROTOCOL_ERROR),  # a length with the top bit set
        (b"\x82\xff" + struct.pack(">Q", LIMIT + 1) + b"\0\0\0\0", ws.TOO_BIG),  # refused before its payload comes
        (frame(0x2, b"x" * LIMIT, is_final=False) + frame(0x0, b"x"), ws.TOO_BIG),
    ],
)
def test_violations_are_named_with_their_close_code(data: bytes, code: int) -> None:
    with pytest.raises(ws.WebSocketViolation) as violation:
        server().receive(data)
    assert violation.value.close_code == code


def test_a_client_refuses_masked_frames() -> None:
    with pytest.raises(ws.WebSocketViolation):
        client().receive(frame(0x2, b"x"))


def test_nothing_is_read_after_a_close() -> None:
    reader = client()

    assert reader.receive(ws.render_close(ws.ABNORMAL) + b"\xff\xff") == [Close(ws.NO_STATUS, "")]
    assert reader.receive(b"\xff\xff") == []


def test_a_long_close_reason_is_cut_between_characters() -> None:
    [event] = client().receive(ws.render_close(ws.POLICY, "é" * 200))

    assert event == Close(ws.POLICY, "é" * 61)


@given(st.binary(max_size=200))
def test_noise_never_crashes_the_reader(noise: bytes) -> None:
    with contextlib.suppress(ws.WebSocketViolation):
        server(100).receive(noise)


def test_the_key_of_the_rfc_gets_the_answer_of_the_rfc() -> None:
    assert ws.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_upgrade_heads_are_understood_by_the_other_end() -> None:
    key = ws.new_key()
    request = ws.parse_upgrade_request(ws.render_upgrade_request("cam.example", "/uplink/v1?a=b", key, {"X-Id": "7"}))

    assert (request.target, request.key, request.headers["x-id"]) == ("/uplink/v1?a=b", key, "7")
    assert ws.parse_upgrade_response(ws.render_upgrade_response(key), key)["upgrade"] == "websocket"


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"GET / HTTP/1.1\r\nbroken line\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"x" * ws.MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
)
def test_other_heads_are_refused(head: bytes) -> None:
    with pytest.raises(ws.UpgradeFailed):
        ws.parse_upgrade_request(head)


def test_an_answer_other_than_101_tells_its_status() -> None:
    with pytest.raises(ws.UpgradeFailed) as failure:
        ws.parse_upgrade_response(b"HTTP/1.1 404 Not Found\r\n\r\n", ws.new_key())
    assert failure.value.status == 404


def test_a_line_break_never_gets_into_a_head() -> None:
    with pytest.raises(ValueError, match="line break"):
        ws.render_upgrade_request("a\r\nX: y", "/", ws.new_key())


def test_a_status_in_other_digits_than_ours_is_refused() -> None:
    with pytest.raises(ws.UpgradeFailed):
        ws.parse_upgrade_response(b"HTTP/1.1 \xb9\xb2\xb3 Odd\r\n\r\n", "k")  # superscripts in Latin-1
