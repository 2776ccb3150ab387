"""Messages and media packets out of one byte stream."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtsp.errors import NotRtsp, RtspError, RtspProtocolError
from incamera.media.rtsp.messages import Headers, Message, Response, render_response
from incamera.media.rtsp.reader import MAX_STRAY_BYTES, RtspReader
from tests.support.rtp_packets import a_packet

ANSWER = render_response(Response(200, Headers([("CSeq", "1")]), b"body"))
MEDIA = a_packet(b"media", 1)
FRAME = b"$\x00" + len(MEDIA).to_bytes(2, "big") + MEDIA


class Reading:
    """A reader with a sink on channel 0."""

    def __init__(self) -> None:
        self.reader = RtspReader()
        self.packets: list[bytes] = []
        self.messages: list[Message] = []
        self.reader.set_sink(0, lambda data, start, stop, _: self.packets.append(data[start:stop]))

    def feed(self, reads: Iterable[bytes]) -> "Reading":
        for data in reads:
            self.messages += self.reader.receive(data, 0.0)
        return self


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("cut", [1, 7, 61, 10_000])
def test_messages_and_packets_come_apart_however_they_arrive(cut: int) -> None:
    stream = ANSWER + FRAME + FRAME + b"\r\n" + ANSWER + FRAME

    reading = Reading().feed(stream[at : at + cut] for at in range(0, len(stream), cut))

    assert [message.body for message in reading.messages] == [b"body", b"body"]
    assert reading.packets == [MEDIA] * 3


def test_packets_on_channels_of_nobody_are_ignored() -> None:
    reading = Reading().feed([ANSWER + b"$\x07\x00\x02xx" + FRAME])

    assert reading.packets == [MEDIA]
    assert reading.reader.packets_ignored == 1


@pytest.mark.parametrize(
    "stray", [b"\x00\x01\x02", b"$$$\x00\x00", b"RTSX", b"x" * 5000, b"$\x00\x00\x02ab"[:3] + b"zz$"]
)
def test_stray_bytes_are_skipped(stray: bytes) -> None:
    for cut in (lambda data: [data], one_by_one):
        reading = Reading().feed(cut(ANSWER + b"?" + stray + FRAME + FRAME + ANSWER))

        assert len(reading.messages) == 2
        assert reading.packets[-1] == MEDIA


def test_stray_bytes_have_an_end() -> None:
    reading = Reading().feed([ANSWER])

    with pytest.raises(RtspProtocolError, match="mean nothing"):
        reading.feed([b"?" * 60_000] * (MAX_STRAY_BYTES // 60_000 + 1))


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x", b"\x16\x03\x01\x02", b"220 ready\r\n"]
)
def test_other_protocols_are_told_at_once(data: bytes) -> None:
    with pytest.raises(NotRtsp):
        Reading().feed([data])


def test_a_head_without_end_is_refused() -> None:
    with pytest.raises(RtspProtocolError, match="too long"):
        Reading().feed([b"RTSP/1.0 200 OK\r\n"] + [b"X: " + b"y" * 1000 + b"\r\n"] * 20)


def test_a_packet_in_tiny_reads_is_not_copied_each_time() -> None:
    reading = Reading()
    big = a_packet(bytes(60_000), 1)
    reading.feed(one_by_one(ANSWER + b"$\x00" + len(big).to_bytes(2, "big") + big))

    assert reading.packets == [big]


@given(st.lists(st.binary(max_size=80), max_size=20), st.booleans())
def test_no_bytes_do_harm(reads: list[bytes], begins_well: bool) -> None:
    reading = Reading()
    try:
        reading.feed([ANSWER] if begins_well else [])
        reading.feed(reads)
    except RtspError:
        return
    assert len(reading.reader._rest) <= sum(map(len, reads))
