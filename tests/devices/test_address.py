import pytest

from incamera.devices.address import CameraAddress, CameraLogin, source_of
from incamera.devices.errors import InvalidAddress
from incamera.protocol.messages import DeviceSource, FileSource, HttpSource, RtspSource


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
        ("HTTP://u:p@192.168.1.20:80/video.mjpg?a=1", "http://192.168.1.20/video.mjpg?a=1", "u", "p"),
        ("https://[fe80::1]:8443/snap.jpg", "https://[fe80::1]:8443/snap.jpg", "", ""),
        ("https://cam:443", "https://cam", "", ""),
        ("file:yard/monday 1.mp4", "file:yard/monday 1.mp4", "", ""),
        ("File:été.mkv", "file:été.mkv", "", ""),
        ("device:video0", "device:video0", "", ""),
        ("device:usb-046d_HD_Pro-video-index0", "device:usb-046d_HD_Pro-video-index0", "", ""),
        ("rtsp://cam/cam/realmonitor?channel=1&subtype=0", "rtsp://cam/cam/realmonitor?channel=1&subtype=0", "", ""),
    ],
)
def test_an_address_gives_up_its_credentials(text: str, url: str, username: str, password: str) -> None:
    login = CameraLogin.parse(text)

    assert login.address.url == url
    assert CameraAddress.of(url) == login.address, "what is rendered reads back the same"
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
        "ftp://192.168.1.20/",
        "http://",
        "http://192.168.1.20:0/",
        "https://192.168.1.20/a b",
        "file:/etc/passwd",
        "file:../secret.mp4",
        "file:a/../../b",
        "file:a//b",
        "file:./a",
        "file:a\nb",
        f"file:{'x' * 600}",
        "device:/dev/video0",
        "device:../mem",
        "device:-f",
        "device:a b",
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


def test_each_kind_of_address_is_a_source_of_its_own() -> None:
    def told(text: str, certificate: str = "") -> object:
        login = CameraLogin.parse(text, "zoe", "s3cret", certificate)
        return source_of(login.address, login.credentials, login.certificate)

    accepted = "AB:" * 31 + "AB"
    assert told("rtsp://cam/1") == RtspSource(url="rtsp://cam/1", username="zoe", password="s3cret")
    assert told("http://cam/1", accepted) == HttpSource(url="http://cam/1", username="zoe", password="s3cret")
    assert told("https://cam/1", accepted) == HttpSource(
        url="https://cam/1", username="zoe", password="s3cret", certificate="ab" * 32
    )
    assert told("file:a/b.mp4") == FileSource(name="a/b.mp4")
    assert told("device:video0") == DeviceSource(device="video0")


@pytest.mark.parametrize("text", ["file:", "device:"])
def test_a_kind_alone_is_no_address(text: str) -> None:
    with pytest.raises(InvalidAddress):
        CameraLogin.parse(text)


@pytest.mark.parametrize("certificate", ["ab", "zz" * 32, "ab" * 33, "ab" * 31 + " "])
def test_what_is_no_fingerprint_is_refused(certificate: str) -> None:
    with pytest.raises(InvalidAddress):
        CameraLogin.parse("https://cam/", certificate=certificate)
