"""What is sent, and what may come back."""

import base64
from datetime import UTC, datetime

import pytest

from incamera.media.http.messages import Head
from incamera.media.http.url import HttpUrl
from incamera.media.onvif.errors import InvalidXml, NotOnvif, OnvifFault, OnvifRefused
from incamera.media.onvif.services import (
    ask_services,
    ask_time,
    at_home,
    is_same_stream,
    parse_profiles,
    parse_services,
    parse_time,
)
from incamera.media.onvif.session import OnvifSession
from incamera.media.onvif.soap import UsernameToken, parse_envelope
from incamera.media.onvif.xml import MAX_XML_BYTES, parse_xml
from incamera.media.rtsp.authentication import Credentials
from incamera.media.rtsp.messages import Headers
from tests.support.onvif_camera import fault, soap

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
DEVICE = HttpUrl(False, "192.168.1.20", 8000, "/onvif/device_service")


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def test_the_digest_is_that_of_the_standards_own_example() -> None:
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")  # ONVIF Application Programmer's Guide, clause 6.1.1.3
    token = UsernameToken(Credentials("user", "userpassword"), nonce, datetime(2010, 9, 16, 7, 50, 45, tzinfo=UTC))

    rendered = token.render()

    assert ">tuOSpGlFlIXsozq4HFNeeGeFLEI=<" in rendered
    assert "userpassword" not in rendered


def test_a_name_cannot_break_out_of_its_element() -> None:
    token = UsernameToken(Credentials("</w:Username><evil/>&", "x"), b"n", NOW)

    assert "<evil/>" not in token.render()


def test_only_the_question_for_the_time_tells_nothing_of_who_asks() -> None:
    session = OnvifSession("192.168.1.20", 80, Credentials("admin", "s3cret"))

    assert b"UsernameToken" not in session.render(ask_time(session.device), NOW)
    asked = session.render(ask_services(session.device), NOW)
    assert b"UsernameToken" in asked
    assert b"s3cret" not in asked


def test_a_camera_ten_years_behind_gets_a_token_of_its_own_time() -> None:
    session = OnvifSession("192.168.1.20", 80, Credentials("admin", "s3cret"))

    session.set_clock(NOW.replace(year=2016), NOW)

    assert b">2016-11-30T12:00:00Z<" in session.render(ask_services(session.device), NOW)


def test_http_digest_is_answered_once_and_basic_never() -> None:
    session = OnvifSession("192.168.1.20", 80, Credentials("admin", "s3cret"))
    digest = Head(401, Headers([("WWW-Authenticate", 'Digest realm="c", nonce="n1", qop="auth"')]))

    assert session.receive(digest, b"") is None
    asked = session.render(ask_services(session.device), NOW)
    assert b"Authorization: Digest username=" in asked
    assert b"UsernameToken" not in asked
    with pytest.raises(OnvifRefused):
        session.receive(digest, b"")

    basic = Head(401, Headers([("WWW-Authenticate", 'Basic realm="c"')]))
    with pytest.raises(OnvifRefused):
        OnvifSession("192.168.1.20", 80, Credentials("admin", "s3cret")).receive(basic, b"")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (fault("ter:NotAuthorized"), OnvifRefused),
        (fault("wsse:FailedAuthentication"), OnvifRefused),
        (fault("ter:ActionNotSupported"), OnvifFault),
        (b"\r\n\r\n<html><body>Hello</body></html>", NotOnvif),
        (b"\r\n\r\n", InvalidXml),
        (soap(""), NotOnvif),
    ],
)
def test_what_is_no_answer_has_a_name(answer: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        OnvifSession("192.168.1.20", 80, None).receive(Head(200), body_of(answer))


BOMB = b'<!DOCTYPE b [<!ENTITY a "' + b"a" * 1000 + b'">' + b"<!ENTITY b '&a;&a;&a;&a;'>]><b>&b;&b;</b>"


@pytest.mark.parametrize(
    "data",
    [
        BOMB,
        b'<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b"<a>&undefined;</a>",
        b"<a>" * 100 + b"</a>" * 100,
        b"<a>" + b"<b/>" * 30_000 + b"</a>",
        b"<a>" + b" " * MAX_XML_BYTES + b"</a>",
        b'<?xml version="1.0" encoding="klingon"?><a/>',
        b"<a><b></a></b>",
        b"",
        b"\xff\xfe",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_xml_of_an_enemy_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidXml):
        parse_xml(data)


def test_one_long_text_is_cut_and_the_rest_still_read() -> None:
    root = parse_xml(b"<a><b>" + b"x" * 100_000 + b"</b><c>here</c></a>")

    assert len(root.find_text("b")) == 4096
    assert root.find_text("c") == "here"


@pytest.mark.parametrize(
    ("named", "dialled"),
    [
        ("http://192.168.1.20/onvif/media", "http://192.168.1.20/onvif/media"),
        ("http://192.168.1.20:8899/m", "http://192.168.1.20:8899/m"),
        ("http://evil.example/onvif/media", "http://192.168.1.20:8000/onvif/media"),
        ("http://169.254.169.254:80/latest/meta-data", "http://192.168.1.20:8000/latest/meta-data"),
        ("https://192.168.1.20/onvif/media", "http://192.168.1.20:8000/onvif/media"),
        ("gopher://x/", "http://192.168.1.20:8000/onvif/device_service"),
        ("", "http://192.168.1.20:8000/onvif/device_service"),
    ],
)
def test_whatever_address_a_camera_names_its_own_host_is_dialled(named: str, dialled: str) -> None:
    assert str(at_home(named, DEVICE)) == dialled


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("/Streaming/Channels/101", "/Streaming/Channels/101?transportmode=unicast&profile=Profile_1", True),
        (
            "/cam/realmonitor?channel=1&subtype=0",
            "/cam/realmonitor?channel=1&subtype=0&unicast=true&proto=Onvif",
            True,
        ),
        (
            "/cam/realmonitor?channel=1&subtype=0",
            "/cam/realmonitor?channel=1&subtype=1&unicast=true&proto=Onvif",
            False,
        ),
        ("/Streaming/Channels/101", "/Streaming/Channels/102", False),
        ("/stream1/", "/Stream1", True),
    ],
)
def test_a_stream_is_recognised_by_its_path_and_what_the_query_says(ours: str, theirs: str, same: bool) -> None:
    assert is_same_stream(ours, theirs) is same


def test_a_clock_that_cannot_be_is_none() -> None:
    def told(hour: str, day: str) -> datetime | None:
        time = f"<T><UTCDateTime><Time><Hour>{hour}</Hour><Minute>5</Minute><Second>60</Second></Time>"
        date = f"<Date><Year>2024</Year><Month>2</Month><Day>{day}</Day></Date></UTCDateTime></T>"
        return parse_time(parse_xml((time + date).encode()))

    assert told("7", "29") == datetime(2024, 2, 29, 7, 5, 59, tzinfo=UTC)
    assert told("25", "29") is None
    assert told("7", "30") is None
    assert told("-1", "29") is None
    assert told("", "29") is None


def test_tokens_that_no_camera_may_have_are_left_out() -> None:
    listed = "".join(f'<trt:Profiles token="{token}"/>' for token in ("ok", "", "x" * 65))

    assert parse_profiles(parse_envelope(body_of(soap(f"<trt:R>{listed}</trt:R>")))) == ["ok"]


def test_the_first_edition_of_the_media_service_goes_first() -> None:
    services = "".join(
        f"<tds:Service><tds:Namespace>http://www.onvif.org/{version}/media/wsdl</tds:Namespace>"
        f"<tds:XAddr>http://192.168.1.20/{version}</tds:XAddr></tds:Service>"
        for version in ("ver20", "ver10")
    )
    found = parse_services(parse_envelope(body_of(soap(f"<tds:R>{services}</tds:R>"))), DEVICE)

    assert [(it.edition, it.url.target) for it in found] == [(1, "/ver10"), (2, "/ver20")]
