"""A client's session, against our own server session and against cameras with habits."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtsp.authentication import Authenticator, Credentials, Gatekeeper
from incamera.media.rtsp.client import DatagramsGranted, Described, Playing, RtspClient, TornDown
from incamera.media.rtsp.errors import (
    PasswordNeeded,
    PasswordRefused,
    Redirected,
    RequestRefused,
    RtspError,
    TransportRefused,
)
from incamera.media.rtsp.messages import Request
from incamera.media.rtsp.transport import Ports
from incamera.media.rtsp.url import RtspUrl
from tests.support.rtsp_peers import SDP, URL, ScriptedCamera, a_conversation, an_answer

ADMIN = Credentials("admin", "secret")
DESCRIPTION = an_answer("Content-Base: rtsp://camera/base/", body=SDP.decode())
GOOD: dict[str, str | Callable[[Request], str]] = {
    "OPTIONS": an_answer("Public: DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"),
    "DESCRIBE": DESCRIPTION,
    "SETUP": an_answer("Session: 77;timeout=20", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"),
    "PLAY": an_answer("Session: 77"),
    "GET_PARAMETER": an_answer(),
    "TEARDOWN": an_answer(),
}


def a_scripted_camera(**answers: str | Callable[[Request], str]) -> ScriptedCamera:
    camera = ScriptedCamera(RtspClient(RtspUrl.parse(URL), Authenticator(ADMIN)), GOOD | answers)
    camera.client.start()
    return camera


def test_a_whole_session() -> None:
    talk = a_conversation()
    talk.client.start()
    talk.run()
    talk.client.keep_alive()
    talk.client.tear_down()
    talk.run()

    methods = [request.method for request in talk.requests]
    assert methods == ["OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY", "GET_PARAMETER", "TEARDOWN"]
    assert [request.headers.find("CSeq") for request in talk.requests] == [str(n) for n in range(1, 8)]
    assert [type(event) for event in talk.events] == [Described, Playing, TornDown]
    assert talk.requests[2].url == "rtsp://camera/live/track0"
    assert len({request.headers.find("Session") for request in talk.requests[3:]}) == 1


@pytest.mark.parametrize("scheme", ["digest", "digest-sha256", "basic"])
def test_a_password_is_given_when_asked_for(scheme: str) -> None:
    talk = a_conversation(ADMIN, Gatekeeper(ADMIN, "camera", scheme))  # type: ignore[arg-type]
    talk.client.start()
    talk.run()

    assert isinstance(talk.events[-1], Playing)
    assert [request.method for request in talk.requests].count("DESCRIBE") == 2


@pytest.mark.parametrize(
    ("credentials", "error"), [(None, PasswordNeeded), (Credentials("admin", "no"), PasswordRefused)]
)
def test_a_missing_and_a_wrong_password_are_told_apart(credentials: Credentials | None, error: type[RtspError]) -> None:
    talk = a_conversation(credentials, Gatekeeper(ADMIN, "camera"))
    talk.client.start()

    with pytest.raises(error):
        talk.run()


def test_channels_that_the_camera_chose_are_taken() -> None:
    seen: list[bytes] = []
    camera = a_scripted_camera(SETUP=lambda _: an_answer("Session: 7", "Transport: RTP/AVP/TCP;interleaved=10-11"))
    camera.run()
    camera.client._reader.set_sink(10, lambda data, start, stop, _: seen.append(data[start:stop]))
    camera.client.receive(b"$\x0a\x00\x02ab", 0.0)

    assert seen == [b"ab"]
    assert camera.requests[2].headers.find("Transport") == "RTP/AVP/TCP;unicast;interleaved=0-1"


def test_a_camera_without_options_and_with_absent_transport_plays() -> None:
    camera = a_scripted_camera(
        OPTIONS=an_answer(status="501 Not Implemented"), SETUP=an_answer("Session: 7"), GET_PARAMETER="unused"
    )
    camera.run()
    camera.client.keep_alive()
    camera.run()

    assert isinstance(camera.events[-1], Playing)
    assert camera.requests[-1].method == "OPTIONS", "GET_PARAMETER was not offered"


def test_keep_alive_comes_at_half_the_timeout_and_falls_back() -> None:
    camera = a_scripted_camera(GET_PARAMETER=an_answer(status="451 Parameter Not Understood"))
    camera.run()
    assert camera.client.keep_alive_interval_s == 10

    for _ in range(2):
        camera.client.keep_alive()
        camera.run()

    assert [request.method for request in camera.requests[-2:]] == ["GET_PARAMETER", "OPTIONS"]


def test_a_forgotten_session_ends() -> None:
    camera = a_scripted_camera(GET_PARAMETER=an_answer(status="454 Session Not Found"))
    camera.run()
    camera.client.keep_alive()
    camera.run()

    assert isinstance(camera.events[-1], TornDown)


def test_control_urls_follow_content_base() -> None:
    camera = a_scripted_camera()
    camera.run()

    assert [request.url for request in camera.requests if request.method == "SETUP"] == [
        "rtsp://camera/base/track0",
        "rtsp://camera/base/track1",
    ]
    assert camera.requests[-1].url == "rtsp://camera/base/"


def test_a_camera_may_ask_too() -> None:
    camera = a_scripted_camera()
    camera.run()
    camera.say("OPTIONS * RTSP/1.0\r\nCSeq: 900\r\n\r\nANNOUNCE rtsp://camera/ RTSP/1.0\r\nCSeq: 901\r\n\r\n")

    answers = camera.client.take_outgoing()
    assert b"RTSP/1.0 200 OK\r\nCSeq: 900" in answers
    assert b"RTSP/1.0 501 Not Implemented\r\nCSeq: 901" in answers


def test_an_answer_without_its_number_belongs_to_the_only_request() -> None:
    camera = a_scripted_camera(DESCRIBE=DESCRIPTION.replace("CSeq: {cseq}\r\n", ""))
    camera.run()

    assert isinstance(camera.events[-1], Playing)


@pytest.mark.parametrize("status", [404, 453, 503])
def test_a_refusal_says_what_was_refused(status: int) -> None:
    camera = a_scripted_camera(DESCRIBE=an_answer(status=f"{status} No"))

    with pytest.raises(RequestRefused) as caught:
        camera.run()

    assert (caught.value.method, caught.value.status_code) == ("DESCRIBE", status)


@pytest.mark.parametrize(
    "answer",
    [
        an_answer("Session: 7", "Transport: RTP/AVP;unicast;client_port=1-2"),
        an_answer(status="461 Unsupported Transport"),
    ],
)
def test_a_camera_that_insists_on_udp_says_so(answer: str) -> None:
    with pytest.raises(TransportRefused):
        a_scripted_camera(SETUP=answer).run()


def test_over_udp_the_camera_gets_our_ports_and_names_its_own() -> None:
    camera = a_scripted_camera(
        SETUP=an_answer("Session: 7", "Transport: RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971")
    )
    camera.ports = Ports(5000, 5001)
    camera.run()

    asked = [request.headers.find("Transport") for request in camera.requests if request.method == "SETUP"]
    assert asked == ["RTP/AVP;unicast;client_port=5000-5001"] * 2
    granted = [event for event in camera.events if isinstance(event, DatagramsGranted)]
    assert granted == [DatagramsGranted(0, Ports(6970, 6971)), DatagramsGranted(1, Ports(6970, 6971))]
    assert camera.client.is_playing


def test_a_camera_that_sends_to_everybody_is_refused() -> None:
    camera = a_scripted_camera(
        SETUP=an_answer("Session: 7", "Transport: RTP/AVP;multicast;destination=239.1.1.1;port=5000-5001")
    )
    camera.ports = Ports(5000, 5001)

    with pytest.raises(TransportRefused):
        camera.run()


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "303 See Other", "305 Use Proxy"])
def test_a_camera_that_sends_us_elsewhere_says_where(status: str) -> None:
    camera = a_scripted_camera(DESCRIBE=an_answer("Location: rtsp://10.0.0.7/other", status=status))

    with pytest.raises(Redirected) as caught:
        camera.run()
    assert caught.value.location == "rtsp://10.0.0.7/other"


def test_a_redirection_without_an_address_is_a_refusal() -> None:
    with pytest.raises(RequestRefused):
        a_scripted_camera(DESCRIBE=an_answer(status="302 Found")).run()


def test_a_camera_may_send_us_away_in_mid_stream() -> None:
    camera = a_scripted_camera()
    camera.run()
    camera.say("REDIRECT rtsp://camera/live RTSP/1.0\r\nCSeq: 9\r\nLocation: rtsp://10.0.0.7/other\r\n\r\n")

    assert camera.client.take_outgoing().startswith(b"RTSP/1.0 200")
    assert camera.events[-1] == TornDown()


def test_reports_travel_on_the_channel_that_the_camera_chose() -> None:
    channels = {"0": "4-5", "1": "6-7"}
    camera = a_scripted_camera(
        SETUP=lambda request: an_answer("Session: 7", f"Transport: RTP/AVP/TCP;interleaved={channels[request.url[-1]]}")
    )
    camera.run()
    camera.client.send_rtcp(1, b"report")

    assert camera.client.take_outgoing() == b"$\x07\x00\x06report"


def test_a_camera_that_answers_no_keep_alive_is_asked_another_way_and_kept() -> None:
    """Whether media still flow is the judge of such a session, and that is not for the protocol to say."""
    camera = a_scripted_camera()
    camera.run()
    asked = []
    for _ in range(20):
        camera.client.keep_alive()
        asked.append(camera.client.take_outgoing().split(b" ")[0])

    assert asked == [b"GET_PARAMETER"] + [b"OPTIONS"] * 19
    assert len(camera.client._sent) == 1


def test_a_recorder_that_gives_every_track_its_own_session_is_asked_to_play_each() -> None:
    camera = a_scripted_camera(
        SETUP=lambda request: an_answer(f"Session: {request.url[-1]}7", "Transport: RTP/AVP/TCP;interleaved=0-1")
    )
    camera.run()
    camera.client.keep_alive()
    camera.client.tear_down()
    camera.run()

    said = [(request.method, request.url[-7:], request.headers.find("Session")) for request in camera.requests[4:]]
    assert said == [
        ("PLAY", "/track1", "17"),
        ("PLAY", "a/base/", "07"),
        ("GET_PARAMETER", "a/base/", "07"),
        ("GET_PARAMETER", "/track1", "17"),
        ("TEARDOWN", "/track1", "17"),
        ("TEARDOWN", "a/base/", "07"),
    ]
    assert isinstance(camera.events[-1], TornDown)


def test_the_same_channels_for_all_tracks_are_not_believed() -> None:
    camera = a_scripted_camera(SETUP=an_answer("Session: 7", "Transport: RTP/AVP/TCP;interleaved=0-1"))
    camera.run()
    camera.client.send_rtcp(0, b"one")
    camera.client.send_rtcp(1, b"two")

    assert camera.client.take_outgoing() == b"$\x01\x00\x03one$\x03\x00\x03two"


def test_a_camera_that_knows_no_range_is_asked_without() -> None:
    camera = a_scripted_camera(
        PLAY=lambda request: an_answer(status="457 Invalid Range") if request.headers.find("Range") else GOOD["PLAY"]  # type: ignore[arg-type,return-value]
    )
    camera.run()

    assert [request.headers.find("Range") for request in camera.requests[-2:]] == ["npt=0.000-", None]
    assert isinstance(camera.events[-1], Playing)


@pytest.mark.parametrize(
    ("session", "name", "interval_s"),
    [
        ("session: 7", "7", 30),
        ("SESSION:7;Timeout=60 ", "7", 30),
        ("Session:        7; timeout=10", "7", 5),
        ("Session: 7;timeout=-5", "7", 30),
        ("Session: 7;timeout=0", "7", 30),
        ("Session: {a-b+c.d$_/9}", "{a-b+c.d$_/9}", 30),
    ],
)
def test_session_headers_as_cameras_write_them(session: str, name: str, interval_s: float) -> None:
    camera = a_scripted_camera(SETUP=lambda _: an_answer(session).replace("CSeq", "cseq"))
    camera.run()

    assert camera.requests[-1].headers.find("Session") == name
    assert camera.client.keep_alive_interval_s == interval_s
    assert camera.client.is_playing


def test_a_camera_that_locks_only_the_keep_alive_goes_on() -> None:
    locked = an_answer('WWW-Authenticate: Digest realm="x", nonce="n"', status="401 Unauthorized")
    camera = a_scripted_camera(GET_PARAMETER=locked)
    camera.run()
    camera.client.keep_alive()
    camera.run()
    camera.client.keep_alive()
    camera.run()

    assert [request.method for request in camera.requests[-3:]] == ["GET_PARAMETER", "GET_PARAMETER", "OPTIONS"]


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_no_bytes_of_a_camera_do_harm(reads: list[bytes]) -> None:
    camera = a_scripted_camera()
    camera.run()
    try:
        for data in reads:
            camera.client.receive(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n" + data, 0.0)
    except RtspError:
        return


def test_no_secret_stands_in_a_request_line() -> None:
    client = RtspClient(RtspUrl.parse("rtsp://admin:secret@camera/live"), Authenticator(ADMIN))
    client.start()

    assert b"secret" not in client.take_outgoing()
