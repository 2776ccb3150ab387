"""A camera that gives JPEGs over HTTP: a stream of them that never ends (MJPEG), or one per request (snapshots).

    open:   connect ─► head ─► 401: again, with the password · 30x: there, if that may be dialled · pictures: child
    play:   socket ─► ResponseReader ─► PictureReader ─► child (H.264) ─► on_unit

JPEG plays in no browser's player and takes ten times the room, so it becomes H.264 in the encoder's child.
"""

import asyncio
import contextlib
from typing import Final

from incamera.edge.encoder.messages import PICTURE_CLOCK, EncodePictures, PushPicture
from incamera.edge.sources.base import ClockPoint, SourceFault, TrackInfo, UnitSink
from incamera.edge.sources.dialling import DialRanges
from incamera.edge.sources.encoded import STALL_TIMEOUT_S, EncodedStream, start_encoder
from incamera.edge.sources.http_connection import HttpConnection, connect
from incamera.kit.clock import Clock
from incamera.media.http.camera import Answer, judge
from incamera.media.http.errors import HttpProtocolError, InvalidHttpUrl
from incamera.media.http.messages import Head
from incamera.media.http.pictures import PictureReader
from incamera.media.http.url import HttpUrl
from incamera.media.rtsp.authentication import Authenticator, Credentials, parse_challenges
from incamera.media.rtsp.errors import RtspProtocolError
from incamera.protocol.messages import CameraFault, HttpSource

ANSWER_TIMEOUT_S: Final = 10.0  # for the whole conversation up to the head of the pictures
SNAPSHOT_INTERVAL_S: Final = 0.5  # from one request to the next; slower cameras set their own pace
_MAX_REDIRECTIONS: Final = 3
_MAX_REFUSALS: Final = 3  # an old nonce is refused without the password being wrong
_MAX_WAITING_BYTES: Final = 2 * 1024 * 1024  # pictures that the child has no time for are dropped

_FAULT_OF_STATUS: Final = {
    403: CameraFault.REFUSED_PASSWORD,
    404: CameraFault.NOT_FOUND,
    410: CameraFault.NOT_FOUND,
    429: CameraFault.BUSY,
    503: CameraFault.BUSY,
}


class HttpCamera:
    """One stream of JPEGs. See `Source`."""

    def __init__(
        self,
        source: HttpSource,
        clock: Clock,
        allowed_ranges: DialRanges,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        self._source = source
        self._clock = clock
        self._ranges = allowed_ranges
        self._stall_timeout_s = stall_timeout_s
        self._conversation: _Conversation | None = None
        self._connection: HttpConnection | None = None
        self._answer = Answer.STREAM
        self._stream: EncodedStream | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._is_ready = False  # the child is, for pictures
        self._latest: tuple[float, bytes] | None = None  # that came before it was
        self._began_s = clock.monotonic()
        self._newest = -1

    async def open(self) -> tuple[TrackInfo, ...]:
        """See `Source.open`."""
        self._conversation = _Conversation(self._source, self._ranges)
        self._connection, self._answer = await self._conversation.ask()
        # Pictures are read while the child starts: they would wait in the socket, and all be late ever after.
        self._fetching = asyncio.create_task(self._fetch())
        self._stream = EncodedStream(await start_encoder(), self._clock, self._stall_timeout_s)
        tracks = await self._stream.open(EncodePictures())
        self._is_ready = True
        if self._latest is not None:
            self._push(*self._latest)
        return tracks

    async def play(self, on_unit: UnitSink) -> None:
        """See `Source.play`."""
        if self._stream is None or self._fetching is None:
            raise RuntimeError("play before open")
        tasks = (self._fetching, asyncio.create_task(self._stream.deliver(on_unit)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # neither ends but by what it raises
        finally:
            await _cancel(*tasks)

    def clock_point(self, track: int) -> ClockPoint | None:
        """See `Source.clock_point`: there is one track only."""
        return None if self._stream is None else self._stream.clock_point(track)

    async def close(self) -> None:
        """See `Source.close`."""
        fetching, self._fetching = self._fetching, None
        if fetching is not None:
            await _cancel(fetching)
        self._hang_up()
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()

    # --- pictures into the child ----------------------------------------------------------------------------------

    async def _fetch(self) -> None:
        if self._answer is Answer.SNAPSHOT:
            await self._fetch_snapshots()
        else:
            await self._fetch_stream()

    async def _fetch_stream(self) -> None:
        assert self._connection is not None
        reader = PictureReader()
        async for piece in self._connection.body():
            for picture in self._read(reader, piece):
                self._take(picture)
        raise SourceFault(CameraFault.CLOSED, "the camera ended the stream")

    async def _fetch_snapshots(self) -> None:
        while True:
            asked_s = self._clock.monotonic()
            await self._fetch_snapshot()
            self._hang_up()
            await self._clock.sleep(max(0.0, asked_s + SNAPSHOT_INTERVAL_S - self._clock.monotonic()))

    async def _fetch_snapshot(self) -> None:
        assert self._conversation is not None
        if self._connection is None:
            self._connection, answer = await self._conversation.ask()
            if answer is not Answer.SNAPSHOT:
                raise SourceFault(CameraFault.PROTOCOL, "it gives another kind of answer than before")
        reader = PictureReader()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                async for piece in self._connection.body():
                    for picture in self._read(reader, piece)[:1]:
                        self._take(picture)
                        return
        except TimeoutError as error:
            raise SourceFault(CameraFault.STALLED, "a picture takes too long") from error

    def _read(self, reader: PictureReader, piece: bytes) -> list[bytes]:
        try:
            return reader.receive(piece)
        except HttpProtocolError as error:
            fault = CameraFault.NO_PICTURES if self._latest is None and self._newest < 0 else CameraFault.PROTOCOL
            raise SourceFault(fault, error.reason) from error

    def _take(self, picture: bytes) -> None:
        now_s = self._clock.monotonic()
        if self._is_ready:
            self._push(now_s, picture)
        else:
            self._latest = (now_s, picture)

    def _push(self, arrived_s: float, picture: bytes) -> None:
        """Dropped where the child is behind: the next picture is newer anyway."""
        stream = self._stream
        if stream is None or stream.child.waiting_bytes > _MAX_WAITING_BYTES:
            return
        self._newest = max(self._newest + 1, round((arrived_s - self._began_s) * PICTURE_CLOCK))
        stream.child.ask(PushPicture(self._newest, arrived_s, picture))

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Conversation:
    """Finds the pictures behind an address, and remembers where they were and what the camera wants to hear."""

    def __init__(self, source: HttpSource, ranges: DialRanges) -> None:
        self._ranges = ranges
        self._certificate = source.certificate
        try:
            url = HttpUrl.parse(source.url)
        except InvalidHttpUrl as error:
            raise SourceFault(CameraFault.NOT_FOUND, error.reason) from error
        self._url = url
        self._home = url
        username, password = source.username or url.username, source.password or url.password
        self._authenticator = Authenticator(Credentials(username, password)) if username or password else None

    async def ask(self) -> tuple[HttpConnection, Answer]:
        """A connection whose body is pictures, and how they come; raises SourceFault."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await self._ask()
        except TimeoutError as error:
            raise SourceFault(CameraFault.UNREACHABLE, f"no answer within {ANSWER_TIMEOUT_S:.0f} s") from error

    async def _ask(self) -> tuple[HttpConnection, Answer]:
        redirections = refusals = 0
        while True:
            async with contextlib.AsyncExitStack() as stack:
                connection = await connect(self._url, self._ranges, self._certificate if self._is_home else "")
                stack.callback(connection.close)
                teller = self._teller
                authorization = None if teller is None else teller.authorise("GET", self._url.target)
                head = await connection.ask(self._url, authorization)
                answer = judge(head)
                if answer in (Answer.STREAM, Answer.SNAPSHOT):
                    self._accepted()
                    stack.pop_all()
                    return connection, answer
            if answer is Answer.ELSEWHERE and redirections < _MAX_REDIRECTIONS:
                redirections += 1
                self._follow(head)
            elif answer is Answer.PASSWORD and refusals < _MAX_REFUSALS:
                refusals += 1
                self._take_challenges(head)
            else:
                raise _fault_of(answer, head)

    @property
    def _is_home(self) -> bool:
        """Whether this is still the host whose certificate a person accepted."""
        return self._url.host == self._home.host

    @property
    def _teller(self) -> Authenticator | None:
        """A password is for the host that its owner named, and never leaves encryption again."""
        is_trusted = self._is_home and self._url.is_secure >= self._home.is_secure
        return self._authenticator if is_trusted else None

    def _accepted(self) -> None:
        if self._authenticator is not None:
            self._authenticator.accepted()
            self._authenticator.reconnected()  # each request has a connection of its own

    def _follow(self, head: Head) -> None:
        try:
            self._url = self._url.follow(head.headers.find("Location") or "")
        except InvalidHttpUrl as error:
            raise SourceFault(CameraFault.PROTOCOL, "it sends us to an address that is none") from error

    def _take_challenges(self, head: Head) -> None:
        teller = self._teller
        if teller is None:
            raise SourceFault(CameraFault.NEEDS_PASSWORD, "it asks for a password")
        try:
            may_try = teller.take_challenges(parse_challenges(head.headers.find_all("WWW-Authenticate")))
        except RtspProtocolError as error:
            raise SourceFault(CameraFault.PROTOCOL, error.reason) from error
        if not may_try:
            raise SourceFault(CameraFault.REFUSED_PASSWORD, "it refused the password")


def _fault_of(answer: Answer, head: Head) -> SourceFault:
    match answer:
        case Answer.PASSWORD:
            return SourceFault(CameraFault.REFUSED_PASSWORD, "it refused the password")
        case Answer.ELSEWHERE:
            return SourceFault(CameraFault.PROTOCOL, "it sends us from one address to the next")
        case Answer.FOREIGN:
            return SourceFault(CameraFault.NO_PICTURES, "the answer is a page, or something else that is no picture")
        case _:
            fault = _FAULT_OF_STATUS.get(head.status_code, CameraFault.PROTOCOL)
            return SourceFault(fault, f"the answer was {head.status_code}")
