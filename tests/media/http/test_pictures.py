"""Streams of JPEGs as cameras write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incamera.media.http.errors import HttpProtocolError
from incamera.media.http.pictures import MAX_PICTURE_BYTES, PictureReader
from tests.media.jpeg.test_walker import a_jpeg, with_thumbnail

PICTURES = [a_jpeg(seed=1), with_thumbnail(a_jpeg(seed=2)), a_jpeg(seed=3)]


def stream(head: str, tail: str = "\r\n") -> bytes:
    return b"".join(head.format(size=len(one)).encode() + one + tail.encode() for one in PICTURES)


def feed(data: bytes) -> list[bytes]:
    """In pieces, as a socket would."""
    reader = PictureReader()
    return [picture for at in range(0, len(data), 65536) for picture in reader.receive(data[at : at + 65536])]


STREAMS = {
    "as RFC 2046 says": stream("--b\r\nContent-Type: image/jpeg\r\nContent-Length: {size}\r\n\r\n"),
    "without a length": stream("--b\r\nContent-Type: image/jpeg\r\n\r\n"),
    "wrong length": stream("--b\r\nContent-Type: image/jpeg\r\nContent-Length: 7\r\n\r\n"),
    "length 0": stream("--b\r\nContent-Length: 0\r\n\r\n"),
    "bare line feeds": stream("--b\nContent-Type: image/jpeg\nContent-Length: {size}\n\n", "\n"),
    "glued": stream("--b\r\nContent-Type: image/jpeg\r\n\r\n", ""),
    "no boundary at all": b"".join(PICTURES),
    "boundary without dashes": stream("myboundary\r\nContent-Type: image/jpeg\r\nContent-Length: {size}\r\n\r\n"),
    "other parts between": stream("--b\nContent-Type: text/plain\n\nmotion=1\n--b\nContent-Type: image/jpeg\n\n"),
    "preamble": b"This is a stream.\r\n" + stream("--b\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_every_picture_comes_out_as_it_went_in(name: str) -> None:
    assert PictureReader().receive(STREAMS[name]) == PICTURES


@pytest.mark.parametrize("name", STREAMS)
def test_byte_by_byte_each_comes_with_its_last_byte(name: str) -> None:
    reader, data = PictureReader(), STREAMS[name]
    came = [(at, picture) for at in range(len(data)) for picture in reader.receive(data[at : at + 1])]
    assert [picture for _, picture in came] == PICTURES
    assert [data[at - 1 : at + 1] for at, _ in came] == [b"\xff\xd9"] * len(PICTURES), "none waits for what follows it"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=200))
def test_cut_anywhere(sizes: list[int]) -> None:
    data, reader, came = STREAMS["as RFC 2046 says"], PictureReader(), []
    at = 0
    for size in [*sizes, len(data)]:
        came += reader.receive(data[at : at + size])
        at += size
    assert came == PICTURES


def test_a_picture_cut_short_costs_only_itself() -> None:
    data = PICTURES[0] + b"\r\n--b\r\n\r\n" + PICTURES[1][:-300] + b"\r\n--b\r\n\r\n" + PICTURES[2]
    assert PictureReader().receive(data) == [PICTURES[0], PICTURES[2]]


def test_a_picture_without_end_is_refused() -> None:
    with pytest.raises(HttpProtocolError):
        feed(b"\xff\xd8\xff\xda\x00\x02" + b"a" * MAX_PICTURE_BYTES)


def test_what_is_no_picture_is_not_read_for_ever() -> None:
    with pytest.raises(HttpProtocolError):
        feed(b"<html>" * 200_000)


def test_beginnings_without_an_end_are_looked_at_once() -> None:
    """Each beginning could be walked from again: eight million steps each. It must not be."""
    with pytest.raises(HttpProtocolError):
        feed(b"\xff\xd8\xff\xe0\x00\x04\x00\x00" * 262_144)
