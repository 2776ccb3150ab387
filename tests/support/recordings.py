"""A recorder on real files, database and vault, and spans that feed it as an uplink would."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from incamera.devices.model import KeepPlan, RecordingPlan
from incamera.kit.clock import SystemClock, from_us
from incamera.kit.events import EventBus
from incamera.kit.ids import new_id
from incamera.media.cmaf import Packager
from incamera.media.sample import Sample
from incamera.privacy import open_session
from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import GapCause, StreamKind, StreamOpen
from incamera.recording import KeepRule, Recorder, RecorderLimits, Segment
from incamera.recording import repository as segments
from incamera.recording.span import RecordingSpan
from incamera.storage.database import Database
from incamera.storage.vault import Vault
from tests.support.database import open_database

ROOT_KEY = bytes(range(32))
PICTURE_US = 40_000
HOUR_US = 3_600_000_000


class ShiftedClock(SystemClock):
    """Real time that a test can move forward; sleeping really sleeps."""

    def __init__(self, offset_s: float = 0.0) -> None:
        self.offset_s = offset_s

    @classmethod
    def in_mid_hour(cls) -> "ShiftedClock":
        """Half past the hour just now: no test may depend on whether an hour ends while it runs."""
        return cls((HOUR_US // 2 - SystemClock().now_us() % HOUR_US) / 1_000_000)

    def monotonic(self) -> float:
        return super().monotonic() + self.offset_s

    def now_us(self) -> int:
        return super().now_us() + round(self.offset_s * 1_000_000)

    def now(self) -> datetime:
        return from_us(self.now_us())


@dataclass
class Channels:
    """What `devices` answers the recorder."""

    rules: dict[UUID, RecordingPlan] = field(default_factory=dict)
    public: set[UUID] = field(default_factory=set)

    async def find(self, channel_id: UUID) -> RecordingPlan | None:
        return self.rules.get(channel_id)

    async def keep(self) -> Mapping[UUID, KeepRule]:
        return {channel: KeepPlan(rule.keep, channel in self.public) for channel, rule in self.rules.items()}


@dataclass
class Studio:
    """Everything around a recorder. `folder` holds the media, `home` databases and keys."""

    database: Database
    vault: Vault
    folder: Path
    home: Path
    clock: ShiftedClock
    channels: Channels
    events: EventBus
    limits: RecorderLimits = field(default_factory=RecorderLimits)
    recorder: Recorder = field(init=False)

    async def start_recorder(self) -> Recorder:
        self.recorder = Recorder(
            self.database, self.vault, self.folder, self.channels, self.clock, self.events, self.limits
        )
        await self.recorder.start()
        return self.recorder

    async def restart_recorder(self) -> Recorder:
        await self.recorder.stop()
        return await self.start_recorder()

    async def channel(self, *, keep: timedelta = timedelta(days=7), sound: bool = False) -> UUID:
        """A channel that is recorded, on a device of its own."""
        channel_id, device_id = new_id(), new_id()
        await self.vault.create_epoch_key(device_id, 1)
        self.channels.rules[channel_id] = RecordingPlan(device_id, 1, True, sound, keep)
        return channel_id

    async def stored(self, channel_id: UUID, stream: StreamKind = StreamKind.MAIN) -> list[Segment]:
        async with open_session(self.database, "B5.record", writes=False) as db:
            found = [segment async for segment in segments.stream_all(db)]
        mine = [one for one in found if (one.hour.channel_id, one.stream) == (channel_id, stream)]
        return sorted(mine, key=lambda segment: segment.started_us)

    async def chunks(self, channel_id: UUID, stream: StreamKind = StreamKind.MAIN) -> list[bytes]:
        """Every stored chunk of a stream, read back in order."""
        data: list[bytes] = []
        for segment in await self.stored(channel_id, stream):
            opened = await self.recorder.archive.open(segment)
            assert opened is not None
            pictures = await self.recorder.archive.read(opened, range(len(opened.index)))
            data += [picture.data for picture in pictures if picture is not None]
        return data

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


@asynccontextmanager
async def a_studio(
    home: Path,
    *,
    folder: Path | None = None,
    kind: str = "sqlite",
    starts: bool = True,
    clock: ShiftedClock | None = None,
) -> AsyncIterator[Studio]:
    """A running recorder; `folder` for its media if not below `home`."""
    clock = clock or ShiftedClock.in_mid_hour()
    async with open_database(kind, home) as database:
        vault = await Vault.open(home / "keys.db", ROOT_KEY, ledger=home / "ledger", clock=clock)
        studio = Studio(database, vault, folder or home / "media", home, clock, Channels(), EventBus())
        if starts:
            await studio.start_recorder()
        try:
            yield studio
        finally:
            if hasattr(studio, "recorder"):
                await studio.recorder.stop()
            await vault.close()


class Span:
    """One span as the uplink's server end drives it; numbers its chunks and remembers what was acknowledged."""

    def __init__(
        self,
        studio: Studio,
        channel_id: UUID,
        *,
        stream: StreamKind = StreamKind.MAIN,
        started_us: int | None = None,
        gop: int = 25,
        picture_bytes: int = 400,
        gap_cause: GapCause = GapCause.STARTED,
        is_backlog: bool = False,
        run_id: UUID | None = None,
        init_segment: bytes = b"init segment",
        epoch: int = 1,
    ) -> None:
        self.studio, self.gop, self.picture_bytes = studio, gop, picture_bytes
        self.started_us = started_us or studio.clock.now_us() - 600_000_000
        self.opened = StreamOpen(
            span_id=new_id(),
            run_id=run_id or new_id(),
            channel_id=channel_id,
            stream=stream,
            epoch=epoch,
            is_backlog=is_backlog,
            codec="avc1.640028",
            timescale=90_000,
            init_segment=init_segment,
            width=1920,
            height=1080,
            run_started_us=self.started_us,
            run_decode_time=0,
            gap_cause=gap_cause,
        )
        self.acked = -1
        self.resends: list[int] = []
        self.sent: dict[int, MediaFrame] = {}
        self._packager = Packager(90_000)
        self._progress = asyncio.Event()
        self.writer: RecordingSpan

    async def open(self) -> int:
        """Returns the next sequence that is wanted."""
        answer = await self.studio.recorder.open_span(
            self.opened, on_durable=self._durable, on_resend=self.resends.append
        )
        assert isinstance(answer, tuple), answer
        self.writer, next_sequence = answer
        return next_sequence

    def frame(self, number: int) -> MediaFrame:
        """Chunk `number` of this span: 25 a second, every `gop`-th a sync sample; its number is inside."""
        is_sync = number % self.gop == 0
        size = self.picture_bytes * (6 if is_sync else 1)
        body = (b"%08d" % number).ljust(size, b".")
        chunk = self._packager.push(Sample(number * 3600, 0, is_sync, body))
        wall_us = self.started_us + number * PICTURE_US
        return MediaFrame(0, is_sync, self.opened.is_backlog, number, number * 3600, 0, wall_us, chunk.data)

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.sent[number] = self.frame(number)
            self.writer.append(self.sent[number])

    async def record(self, first: int, end: int) -> None:
        """Sends chunks [first, end) and waits until all are durable."""
        for start in itertools.count(first, 500):
            if start >= end:
                break
            self.send(*range(start, min(start + 500, end)))
            await self.durable(min(start + 500, end) - 1)

    async def durable(self, sequence: int, timeout_s: float = 20) -> None:
        async with asyncio.timeout(timeout_s):
            while self.acked < sequence:
                self._progress.clear()
                await self._progress.wait()

    async def close(self, cause: GapCause = GapCause.LINE_LOST) -> None:
        """Closes and waits until the file is closed too."""
        self.writer.close(cause)
        async with asyncio.timeout(20):
            while self.opened.span_id in self.studio.recorder._spans:  # noqa: ASYNC110 - watched from outside
                await asyncio.sleep(0.005)

    def _durable(self, sequence: int) -> None:
        self.acked = max(self.acked, sequence)
        self._progress.set()


def number_of(chunk: bytes) -> int:
    """The counter inside a chunk made by `Span`."""
    return int(chunk[chunk.index(b"mdat") + 4 :][:8])


async def record_once(studio: Studio, channel_id: UUID, *, pictures: int = 100, **options: object) -> Span:
    """A span, recorded and closed."""
    span = Span(studio, channel_id, **options)  # type: ignore[arg-type]
    await span.open()
    await span.record(0, pictures)
    await span.close()
    return span
