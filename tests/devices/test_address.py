import pytest

from incamera.devices.address import CameraLogin, RtspAddress
from incamera.devices.errors import InvalidAddress


@pytest.mark.parametrize(
    ("text", "url", "username", "password"),
    [
        ("rtsp://192.168.1.20", "rtsp://192.168.1.20", "", ""),
        ("  RTSP://192.168.1.20:554/live ", "rtsp://192.168.1.20/live", "", ""),
        ("rtsp://u:p@cam.local:8554/a?b=1&c=2", "rtsp://cam.local:8554/a?b=1&c=2", "u", "p"),
        ("rtsp://a%40b:p%3Aw%2Fx@cam/", "rtsp://cam/", "a@b", "p:w/x"),
        ("rtsp://[fe80::1]:554/x", "rtsp://[fe80::1]/x", "", ""),
        ("rtsp://caméra.example/straße", "rtsp://xn--camra-dsa.example/stra%C3%9Fe", "", ""),
        ("rtsp://cam/%2e%2e/x", "rtsp://cam/%2e%2e/x", "", ""),
        ("rtsp://cam/cam/realmonitor?channel=1&subtype=0", "rtsp://cam/cam/realmonitor?channel=1&subtype=0", "", ""),
    ],
)
def test_an_address_gives_up_its_credentials(text: str, url: str, username: str, password: str) -> None:
    login = CameraLogin.parse(text)

    assert login.address.url == url
    assert RtspAddress.of(url) == login.address, "what is rendered reads back the same"
    assert (login.credentials.username, login.credentials.password) == (username, password)


def test_fields_go_before_what_is_in_the_address() -> None:
    login = CameraLogin.parse("rtsp://inner:one@cam/", username="outer", password="two")

    assert (login.credentials.username, login.credentials.password) == ("outer", "two")
    assert "two" not in repr(login)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cam.local/stream",
        "http://192.168.1.20/",
        "rtsps://192.168.1.20/",
        "file:///etc/passwd",
        "rtsp:///path",
        "rtsp://192.168.1.20:99999/",
        "rtsp://192.168.1.20:0/",
        "rtsp://192.168.1.20:port/",
        "rtsp://192.168.1.20/a\r\nSession: x",
        "rtsp://192.168.1.20/a b",
        "rtsp://exa mple/",
        "rtsp://-bad-/",
        "rtsp://a..b/",
        "rtsp://[::1/",
        "rtsp://192.168.1.20/#part",
        "rtsp://192.168.1.20\u0000/",
        "rtsp://user:line%0d%0abreak@192.168.1.20/",
        "rtsp://1.2.3.4.5/",
        "rtsp://2130706433/",
        f"rtsp://cam/{'x' * 1100}",
        f"rtsp://{'x' * 300}.example/",
        f"rtsp://{'u' * 129}@cam/",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress) as refused:
        CameraLogin.parse(text)
    assert not text or text not in str(refused.value)
