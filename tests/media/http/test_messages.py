"""Answers as cameras write them."""

import pytest

from incamera.media.http.camera import Answer, judge
from incamera.media.http.errors import HttpError, HttpProtocolError, NotHttp
from incamera.media.http.messages import MAX_HEAD_BYTES, Head, ResponseReader, render_request
from incamera.media.http.url import HttpUrl


def read(data: bytes, step: int | None = None) -> tuple[ResponseReader, bytes]:
    reader = ResponseReader()
    body = b"".join(
        piece
        for at in range(0, len(data), step or len(data))
        for piece in reader.receive(data[at : at + (step or len(data))])
    )
    return reader, body


@pytest.mark.parametrize("step", [None, 1, 3])
@pytest.mark.parametrize(
    ("data", "body", "is_ended"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", b"hello", True),
        (b"HTTP/1.0 200 OK\nContent-Type: image/jpeg\n\nhello", b"hello", False),
        (b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", b"hello", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 1\r\n\r\n5\nhello\n0\n\n", b"hello", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
        (b"HTTP/1.0 200 OK\nContent-Type: multipart/x-mixed-replace\nContent-Length: 0\n\nhello", b"hello", False),
        (b"HTTP/1.1 204 No\r\n\r\nhello", b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    ],
)  # fmt: skip
def test_reads_the_body(data: bytes, body: bytes, is_ended: bool, step: int | None) -> None:
    reader, found = read(data, step)
    assert found == body
    assert reader.is_ended == is_ended
    reader.end()


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"RTSP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"\x16\x03\x01",
    ],
)
def test_says_at_once_what_is_no_http(data: bytes) -> None:
    with pytest.raises(NotHttp):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * MAX_HEAD_BYTES,
        b"HTTP/1.1 200 OK\r\n" + b"a" * (MAX_HEAD_BYTES + 1),
        b"HTTP/1.1 200 OK\r\n" + b"X:\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 300,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"111111111\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    ],
)
def test_refuses_what_has_no_measure(data: bytes) -> None:
    with pytest.raises(HttpError):
        read(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200 OK\r\nConte", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"],
)  # fmt: skip
def test_an_end_in_the_middle_is_an_error(data: bytes) -> None:
    reader = ResponseReader()
    reader.receive(data)
    with pytest.raises(HttpProtocolError):
        reader.end()


@pytest.mark.parametrize(
    ("text", "request_line", "host"),
    [
        ("http://cam/video.mjpg", "GET /video.mjpg HTTP/1.1", "Host: cam"),
        ("http://cam:8080?x=1", "GET /?x=1 HTTP/1.1", "Host: cam:8080"),
        ("https://[fe80::1]/a b", "GET /a%20b HTTP/1.1", "Host: [fe80::1]"),
        ("http://user:secret@cam:80/x", "GET /x HTTP/1.1", "Host: cam"),
    ],
)
def test_asks_without_naming_the_password(text: str, request_line: str, host: str) -> None:
    lines = render_request("GET", HttpUrl.parse(text)).decode().split("\r\n")
    assert lines[:2] == [request_line, host]
    assert "secret" not in "".join(lines)


@pytest.mark.parametrize(
    "text", ["", "rtsp://cam/", "http://", "http://cam:99999/", "http://[::1", "http://c\r\nX: y/"]
)
def test_refuses_what_is_no_address(text: str) -> None:
    with pytest.raises(HttpError):
        HttpUrl.parse(text)


@pytest.mark.parametrize(
    ("location", "keeps_password"),
    [("/b", True), ("http://cam:81/b", True), ("https://cam/b", True), ("http://other/b", False), ("//other/b", False)],
)
def test_a_password_follows_to_the_same_host_only(location: str, keeps_password: bool) -> None:
    found = HttpUrl.parse("http://u:p@cam/a").follow(location)
    assert (found.username, found.password) == (("u", "p") if keeps_password else ("", ""))


def test_a_password_never_leaves_encryption() -> None:
    assert HttpUrl.parse("https://u:p@cam/a").follow("http://cam/a").password == ""


@pytest.mark.parametrize(
    ("status", "kind", "answer"),
    [
        (200, "multipart/x-mixed-replace; boundary=x", Answer.STREAM),
        (200, "Image/JPEG", Answer.SNAPSHOT),
        (200, "", Answer.STREAM),
        (200, "text/html; charset=utf-8", Answer.FOREIGN),
        (302, "", Answer.ELSEWHERE),
        (401, "text/html", Answer.PASSWORD),
        (404, "text/html", Answer.REFUSED),
    ],
)
def test_judges_by_status_and_kind(status: int, kind: str, answer: Answer) -> None:
    reader, _ = read(f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\n\r\n".encode())
    assert judge(reader.head or Head(0)) is answer
