"""The server's session: what a client may do, and in which order."""

from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtsp.errors import RtspError
from incamera.media.rtsp.messages import Headers, Request, Response, render_request
from incamera.media.rtsp.reader import RtspReader
from incamera.media.rtsp.server import RtspServerSession, Started, Stopped
from incamera.media.rtsp.transport import Channels, Ports
from tests.support.rtsp_peers import AMount, a_conversation

TCP = ("Transport", "RTP/AVP/TCP;unicast;interleaved=4-5")


class Caller:
    """Sends single requests."""

    def __init__(self) -> None:
        mount = AMount()
        self.session = RtspServerSession(lambda path: mount if path == "/live" else None)
        self.events: list[object] = []
        self._reader = RtspReader()

    def ask(self, method: str, url: str, *headers: tuple[str, str]) -> Response:
        request = Request(method, url, Headers([("CSeq", "5"), *headers]))
        self.events += self.session.receive(render_request(request), 0.0)
        [answer] = self._reader.receive(self.session.take_outgoing(), 0.0)
        assert isinstance(answer, Response)
        return answer


def test_a_session_starts_and_stops() -> None:
    talk = a_conversation()
    talk.client.start()
    talk.run()
    talk.client.tear_down()
    talk.run()

    assert talk.server_events == [Started(AMount(), {0: Channels(0, 1), 1: Channels(2, 3)}), Stopped()]


def test_one_track_alone_can_be_played_on_the_clients_channels() -> None:
    caller = Caller()
    caller.ask("SETUP", "rtsp://c/live/track1", TCP)

    assert caller.ask("PLAY", "rtsp://c/live").status_code == 200
    assert caller.events == [Started(AMount(), {1: Channels(4, 5)})]


def test_a_stream_for_udp_goes_to_the_clients_ports_and_to_nothing_else() -> None:
    mount = AMount(is_over_udp=True)
    caller = Caller()
    caller.session = RtspServerSession(lambda _: mount, open_ports=lambda: Ports(6970, 6971))
    ports = ("Transport", "RTP/AVP;unicast;client_port=5000-5001")

    assert caller.ask("SETUP", "rtsp://c/live/track0", TCP).status_code == 461
    granted = caller.ask("SETUP", "rtsp://c/live/track0", ports)
    assert granted.headers.find("Transport") == "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971"
    caller.ask("PLAY", "rtsp://c/live")
    assert caller.events == [Started(mount, {0: Ports(5000, 5001)})]


def test_what_is_not_there_or_not_possible_is_refused() -> None:
    caller = Caller()

    assert caller.ask("DESCRIBE", "rtsp://c/other").status_code == 404
    assert caller.ask("SETUP", "rtsp://c/live/track9", TCP).status_code == 404
    assert caller.ask("SETUP", "rtsp://c/live/track0", ("Transport", "RTP/AVP;client_port=1-2")).status_code == 461
    assert caller.ask("PLAY", "rtsp://c/live").status_code == 455
    assert caller.ask("RECORD", "rtsp://c/live").status_code == 501


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_no_bytes_of_a_client_do_harm(reads: list[bytes]) -> None:
    caller = Caller()
    try:
        for data in reads:
            caller.session.receive(b"SETUP rtsp://c/live/track0 RTSP/1.0\r\nCSeq: 1\r\n" + data, 0.0)
    except RtspError:
        return


def test_a_foreign_session_is_not_obeyed() -> None:
    caller = Caller()
    caller.ask("SETUP", "rtsp://c/live/track0", TCP)

    assert caller.ask("PLAY", "rtsp://c/live", ("Session", "other")).status_code == 454
    assert caller.ask("TEARDOWN", "rtsp://c/live", ("Session", "other")).status_code == 454
    assert caller.events == []
