"""The edge's side of the decoder children: started when needed, killed when they hang, started again when they die.

Pictures and sound have a child each: a picture that takes a decoder down must not silence the cameras.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
import structlog

from incamera.edge.backoff import Backoff
from incamera.edge.child_process import ChildProcess
from incamera.edge.decoder.messages import (
    Answer,
    CloseSound,
    Failed,
    OpenSound,
    Picture,
    PushSound,
    Request,
    SoundFrame,
    TakePicture,
    parse_answer,
    render,
)
from incamera.edge.decoder.sound_formats import SoundFormat
from incamera.kit.clock import Clock
from incamera.kit.errors import IncameraError

log = structlog.get_logger(__name__)

_PICTURE_TIMEOUT_S: Final = 8.0  # starting the child on a small board included
_MAX_JPEG_BYTES: Final = 2 * 1024 * 1024  # a larger one no server takes: the message would cost the whole line
_IDLE_S: Final = 20.0  # then the picture child goes: it holds as much memory as ten cameras
_SOUND_SILENCE_S: Final = 5.0
_MOST_WAITING_BYTES: Final = 256 * 1024  # of sound that the child does not read


class PictureUnreadable(IncameraError):
    status = 502

    def __init__(self, problem: str) -> None:
        super().__init__(f"The picture of this camera could not be decoded ({problem}).")


class SoundEncoder(Protocol):
    """The way in for one camera's sound."""

    def push(self, presentation_time: int, data: bytes) -> None:
        """One unit, with the camera's time in ticks of its RTP clock; never waits."""
        ...

    def close(self) -> None: ...


class DecoderChild(ChildProcess):
    """A child that decodes and encodes."""

    @classmethod
    async def start_decoder(cls) -> "DecoderChild":
        """Raises OSError."""
        return await cls.start("incamera.edge.decoder")

    def ask(self, request: Request) -> None:
        """Never waits."""
        self.send(render(request))

    async def answer(self) -> Answer:
        """The next answer; EOFError when the child is gone or talks nonsense."""
        try:
            return parse_answer(await self.receive())
        except msgspec.MsgspecError as error:
            raise EOFError("the decoder talks nonsense") from error


class PictureDecoder:
    """Test pictures and covers, one at a time."""

    def __init__(self, clock: Clock, *, timeout_s: float = _PICTURE_TIMEOUT_S) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._child: DecoderChild | None = None
        self._turn = asyncio.Lock()
        self._idle: asyncio.Task[None] | None = None

    async def jpeg(self, media: bytes, *, max_width: int = 1280) -> bytes:
        """The first picture of an init segment and a chunk; raises PictureUnreadable."""
        async with self._turn:
            self._cancel_idle()
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._take(TakePicture(media, max_width))
            except (TimeoutError, EOFError, OSError) as error:
                await self._kill()
                raise PictureUnreadable("the decoder gave up") from error
            except asyncio.CancelledError:
                await self._kill()  # its answer would be taken for that of the next question
                raise
            finally:
                self._idle = asyncio.create_task(self._end_when_idle())

    async def close(self) -> None:
        """Ends the child."""
        self._cancel_idle()
        async with self._turn:
            await self._kill()

    async def _take(self, request: TakePicture) -> bytes:
        if self._child is None:
            self._child = await DecoderChild.start_decoder()
        self._child.ask(request)
        match await self._child.answer():
            case Picture(jpeg) if len(jpeg) <= _MAX_JPEG_BYTES:
                return jpeg
            case Picture():
                raise PictureUnreadable("its JPEG is too large")
            case Failed(problem):
                raise PictureUnreadable(problem)
            case _:
                raise EOFError("the decoder answered something else")

    async def _end_when_idle(self) -> None:
        await self._clock.sleep(_IDLE_S)
        async with self._turn:
            await self._kill()

    def _cancel_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    async def _kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.kill()


class _Session:
    """One camera's sound in the child."""

    def __init__(
        self, owner: "SoundEncoders", number: int, sound_format: SoundFormat, on_frame: Callable[[int, bytes], None]
    ) -> None:
        self._owner = owner
        self.number = number
        self.opening = OpenSound(number, sound_format.codec, sound_format.clock_rate, sound_format.channels)
        self.on_frame = on_frame

    def push(self, presentation_time: int, data: bytes) -> None:
        self._owner.push(PushSound(self.number, presentation_time, bytes(data)))

    def close(self) -> None:
        self._owner.close_session(self.number)


class SoundEncoders:
    """All cameras' sound that becomes AAC, in one child, which lives only while there is any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sessions: dict[int, _Session] = {}
        self._next_number = 1
        self._child: DecoderChild | None = None
        self._task: asyncio.Task[None] | None = None
        self._pushed_at_s: float | None = None  # the first push since the last answer

    def open(self, sound_format: SoundFormat, on_frame: Callable[[int, bytes], None]) -> SoundEncoder:
        """A way in for one camera; `on_frame(presentation_time, aac)` hears what comes out, in ticks of the AAC."""
        session = _Session(self, self._next_number, sound_format, on_frame)
        self._next_number += 1
        self._sessions[session.number] = session
        if self._child is not None:
            self._child.ask(session.opening)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return session

    def push(self, request: PushSound) -> None:
        """Called by sessions. Sound that the child cannot take at once is lost: it would only be late."""
        child = self._child
        if child is None or child.waiting_bytes > _MOST_WAITING_BYTES or request.session not in self._sessions:
            return
        if self._pushed_at_s is None:
            self._pushed_at_s = self._clock.monotonic()
        child.ask(request)

    def close_session(self, number: int) -> None:
        """Called by sessions. The last one ends the child."""
        if self._sessions.pop(number, None) is None:
            return
        if self._child is not None:
            self._child.ask(CloseSound(number))
        if not self._sessions and self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Ends the child."""
        self._sessions.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        backoff = Backoff(longest_s=30.0)
        while self._sessions:
            started_s = self._clock.monotonic()
            with contextlib.suppress(EOFError, OSError):
                await self._run_child()
            log.warning("edge.decoder_died", says="The helper that encodes sound stopped; it is started again.")
            if self._clock.monotonic() - started_s > 60.0:
                backoff.reset()
            await self._clock.sleep(backoff.next_delay_s())

    async def _run_child(self) -> None:
        child = await DecoderChild.start_decoder()
        try:
            for session in self._sessions.values():
                child.ask(session.opening)
            self._child, self._pushed_at_s = child, None
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(child))
                group.create_task(self._watch())
        except* (EOFError, OSError):
            pass
        finally:
            self._child = None
            await child.kill()

    async def _read(self, child: DecoderChild) -> None:
        while True:
            answer = await child.answer()
            self._pushed_at_s = None
            if isinstance(answer, SoundFrame) and (session := self._sessions.get(answer.session)) is not None:
                session.on_frame(answer.presentation_time, answer.data)

    async def _watch(self) -> None:
        """Notices a child that takes and never gives."""
        while True:
            await self._clock.sleep(1.0)
            if self._pushed_at_s is not None and self._clock.monotonic() - self._pushed_at_s > _SOUND_SILENCE_S:
                raise EOFError("the decoder hangs")
