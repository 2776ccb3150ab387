"""RTSP peers in memory: a client whose camera is our own server session, or a script of answers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from incamera.media.rtsp.authentication import Authenticator, Credentials, Gatekeeper
from incamera.media.rtsp.client import Described, Event, RtspClient, TrackSinks
from incamera.media.rtsp.messages import Request
from incamera.media.rtsp.reader import RtspReader
from incamera.media.rtsp.server import RtspServerSession, ServerEvent
from incamera.media.rtsp.transport import Ports
from incamera.media.rtsp.url import RtspUrl

URL = "rtsp://camera/live"
SDP = (
    b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\na=control:*\r\n"
    b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track0\r\n"
    b"m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=control:track1\r\n"
)


@dataclass(frozen=True)
class AMount:
    """A stream of two tracks."""

    path: str = "/live"
    description: bytes = SDP
    track_count: int = 2
    is_over_udp: bool = False

    def rtp_info(self, track: int) -> str:
        return "seq=1;rtptime=0"


def ignore(data: bytes, start: int, stop: int, arrival_s: float) -> None:
    """A sink that wants nothing."""


def all_tracks(described: Described, ports: Ports | None = None) -> list[TrackSinks]:
    """Sinks for every track."""
    return [TrackSinks(number, ignore, ignore, ports) for number in range(len(described.description.media))]


@dataclass
class Conversation:
    """A client and a server session that hear each other byte by byte; every request is kept."""

    server: RtspServerSession
    client: RtspClient
    requests: list[Request] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    server_events: list[ServerEvent] = field(default_factory=list)
    _listener: RtspReader = field(default_factory=RtspReader)

    def run(self) -> None:
        """Until nobody has anything to say; tracks are set up as soon as they are described."""
        while True:
            asked = self.client.take_outgoing()
            self.requests += [m for m in self._listener.receive(asked, 0.0) if isinstance(m, Request)]
            for at in range(len(asked)):
                self.server_events += self.server.receive(asked[at : at + 1], 0.0)
            answered = self.server.take_outgoing()
            if not asked and not answered:
                return
            for at in range(len(answered)):
                for event in self.client.receive(answered[at : at + 1], 0.0):
                    self.events.append(event)
                    if isinstance(event, Described):
                        self.client.set_up(all_tracks(event))


def a_conversation(credentials: Credentials | None = None, gatekeeper: Gatekeeper | None = None) -> Conversation:
    """A client that wants /live and a server that has it."""
    mount = AMount()
    server = RtspServerSession(lambda path: mount if path == mount.path else None, gatekeeper)
    return Conversation(server, RtspClient(RtspUrl.parse(URL), Authenticator(credentials) if credentials else None))


class ScriptedCamera:
    """Answers each request of a client with what the script says: bytes with {cseq} in them, per method."""

    def __init__(self, client: RtspClient, answers: dict[str, str | Callable[[Request], str]]) -> None:
        self.client = client
        self.answers = answers
        self.requests: list[Request] = []
        self.events: list[Event] = []
        self.ports: Ports | None = None  # with ports the client asks for UDP
        self._listener = RtspReader()

    def run(self) -> None:
        """Until the client has no more requests."""
        while asked := self.client.take_outgoing():
            for message in self._listener.receive(asked, 0.0):
                if isinstance(message, Request):
                    self.requests.append(message)
                    self.say(self._answer(message))

    def say(self, text: str) -> None:
        """Sends text to the client."""
        for event in self.client.receive(text.encode(), 0.0):
            self.events.append(event)
            if isinstance(event, Described):
                self.client.set_up(all_tracks(event, self.ports))

    def _answer(self, request: Request) -> str:
        answer = self.answers[request.method]
        text = answer(request) if callable(answer) else answer
        return text.replace("{cseq}", request.headers.find("CSeq") or "")


def an_answer(*lines: str, status: str = "200 OK", body: str = "") -> str:
    """An answer with the request's CSeq."""
    length: Iterable[str] = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([f"RTSP/1.0 {status}", "CSeq: {cseq}", *lines, *length, "", ""]) + body
