"""RTSP messages as text."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtsp.errors import RtspProtocolError
from incamera.media.rtsp.messages import (
    Headers,
    Request,
    Response,
    body_bytes,
    parse_head,
    render_request,
    render_response,
)


def test_a_request_reads_back() -> None:
    request = Request("SETUP", "rtsp://camera/track1", Headers([("CSeq", "3"), ("Transport", "RTP/AVP/TCP")]))

    assert parse_head(render_request(request).removesuffix(b"\r\n\r\n")) == request


def test_header_names_do_not_care_for_case_and_may_repeat() -> None:
    head = b"RTSP/1.0 401 Unauthorized\r\nCseq: 4 \r\nWWW-Authenticate: Basic\r\nwww-authenticate: Digest\r\n"
    message = parse_head(head)

    assert message.headers.find_number("CSEQ") == 4
    assert message.headers.find_all("WWW-Authenticate") == ["Basic", "Digest"]


def test_folded_lines_are_joined_and_remarks_skipped() -> None:
    message = parse_head(b"RTSP/1.0 200 OK\nTransport: RTP/AVP/TCP;\n  interleaved=0-1\nnot a header\n: nor this")

    assert message.headers.find("transport") == "RTP/AVP/TCP; interleaved=0-1"
    assert len(list(message.headers)) == 1


def test_a_body_brings_its_length() -> None:
    assert render_response(Response(200, body=b"v=0")) == b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nv=0"


def test_a_value_cannot_smuggle_a_header() -> None:
    with pytest.raises(RtspProtocolError):
        render_request(Request("PLAY", "rtsp://camera/", Headers([("Session", "1\r\nX: y")])))


@pytest.mark.parametrize("length", ["-1", "a", "99999999999999", "262145", "٣"])
def test_an_absurd_length_is_refused(length: str) -> None:
    with pytest.raises(RtspProtocolError):
        body_bytes(Response(200, Headers([("Content-Length", length)])))


@given(st.binary(max_size=300))
def test_any_head_parses_or_is_named(data: bytes) -> None:
    with contextlib.suppress(RtspProtocolError):
        body_bytes(parse_head(data))
