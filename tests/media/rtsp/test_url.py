"""Addresses and control URLs."""

import pytest

from incamera.media.rtsp.errors import InvalidRtspUrl
from incamera.media.rtsp.url import RtspUrl, find_base_url, resolve_control


def test_credentials_leave_the_address() -> None:
    url = RtspUrl.parse("rtsp://admin:p%40ss%2Fword@[fe80::1]:8554/live?channel=1&x=a b")

    assert (url.host, url.port, url.username, url.password) == ("fe80::1", 8554, "admin", "p@ss/word")
    assert str(url) == "rtsp://[fe80::1]:8554/live?channel=1&x=a%20b"


def test_the_usual_port_is_left_out() -> None:
    assert str(RtspUrl.parse("rtsp://camera:554")) == "rtsp://camera"


@pytest.mark.parametrize(
    "text",
    [
        "http://camera/",
        "rtsp:///path",
        "rtsp://camera:x/",
        "rtsp://camera:99999/",
        "rtsp://a\r\nb/",
        "camera",
        "rtsp://[::1/",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidRtspUrl):
        RtspUrl.parse(text)


@pytest.mark.parametrize(
    ("base", "control", "expected"),
    [
        ("rtsp://c/live/", "trackID=1", "rtsp://c/live/trackID=1"),
        ("rtsp://c/live", "track1", "rtsp://c/live/track1"),
        ("rtsp://c/live/", "*", "rtsp://c/live/"),
        ("rtsp://c/live", None, "rtsp://c/live"),
        ("rtsp://c/live/", "rtsp://10.0.0.9/x/trackID=1", "rtsp://10.0.0.9/x/trackID=1"),
        (
            "rtsp://c/cam/realmonitor?channel=1&subtype=1/",
            "trackID=0",
            "rtsp://c/cam/realmonitor?channel=1&subtype=1/trackID=0",
        ),
        ("rtsp://c/H264?channel=1", "video", "rtsp://c/H264?channel=1/video"),
        ("rtsp://c/live", "?ctype=video", "rtsp://c/live?ctype=video"),
        ("rtsp://c/live/", "/trackID=1", "rtsp://c/live/trackID=1"),
        ("rtsp://c/live/", "track 1\u00e9", "rtsp://c/live/track%201%C3%A9"),
    ],
)
def test_control_urls_are_appended(base: str, control: str | None, expected: str) -> None:
    assert resolve_control(base, control) == expected


@pytest.mark.parametrize(
    ("content_base", "content_location", "expected"),
    [
        (None, None, "rtsp://c/asked"),
        ("rtsp://c/base/", "rtsp://c/location/", "rtsp://c/base/"),
        (None, "rtsp://c/location/", "rtsp://c/location/"),
        ("192.168.1.10:554/stream0/", None, "rtsp://192.168.1.10:554/stream0/"),
        ("/stream0/", None, "rtsp://c/stream0/"),
        ("stream0/", None, "rtsp://c/asked/stream0/"),
    ],
)
def test_the_base_is_what_the_camera_says(
    content_base: str | None, content_location: str | None, expected: str
) -> None:
    assert find_base_url("rtsp://c/asked", content_base, content_location) == expected
