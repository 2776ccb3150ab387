"""One camera is recorded over the ends of two segments and of an hour: what the recorder does to its disk.

A picture every four seconds, so that a minute is fifteen chunks and a run takes milliseconds.
"""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from incamera.devices.model import RecordingPlan
from incamera.media.sample import Sample
from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import GapCause
from incamera.recording import span as span_module
from incamera.recording.recorder import check as find_problems
from incamera.recording.recovery import list_segments
from tests.faults.shim import note
from tests.support.database import import_tables
from tests.support.recordings import HOUR_US, ShiftedClock, Span, Studio, a_studio, number_of

CHANNEL, DEVICE, SPAN, RUN = (UUID(int=number) for number in (1, 2, 3, 4))
PICTURES: Final = 48
BATCH: Final = 8
MOST_STARTS: Final = 30
_PICTURE_S: Final = 4
_BEFORE_THE_HOUR_S: Final = 100

import_tables()
span_module.FLUSH_S = 0.001  # type: ignore[misc]
span_module.RETRY_S = 0.002  # type: ignore[misc]


class SlowCamera(Span):
    """A span of a camera with few pictures, the same in every life of the edge."""

    def __init__(self, studio: Studio) -> None:
        start_us = studio.clock.now_us() // HOUR_US * HOUR_US - _BEFORE_THE_HOUR_S * 1_000_000
        super().__init__(studio, CHANNEL, started_us=start_us, gop=3, run_id=RUN)
        self.opened = msgspec.structs.replace(self.opened, span_id=SPAN)

    def frame(self, number: int) -> MediaFrame:
        is_sync = number % self.gop == 0
        body = (b"%08d" % number).ljust(900 if is_sync else 300, b".")
        chunk = self._packager.push(Sample(number * 90_000 * _PICTURE_S, 0, is_sync, body))
        wall_us = self.started_us + number * _PICTURE_S * 1_000_000
        return MediaFrame(0, is_sync, False, number, number * 90_000 * _PICTURE_S, 0, wall_us, chunk.data)

    def _durable(self, sequence: int) -> None:
        note(f"acked {sequence}")
        super()._durable(sequence)


async def prepare(home: Path) -> None:
    async with a_studio(home, clock=ShiftedClock.in_mid_hour()) as studio:
        await studio.vault.create_epoch_key(DEVICE, 1)


async def act(home: Path) -> None:
    """A start that the disk refuses is tried again, as the service manager does; after it nothing may fail."""
    for attempt in range(MOST_STARTS):
        is_started = False
        try:
            async with open_studio(home) as studio:
                is_started = True
                await record(studio)
            return
        except Exception:
            if is_started or attempt == MOST_STARTS - 1:
                raise


async def record(studio: Studio) -> None:
    """From wherever the recorder wants to go on, as an edge does that keeps what is not acknowledged."""
    camera = SlowCamera(studio)
    next_sequence = await camera.open()
    for first in range(next_sequence, PICTURES, BATCH):
        last = min(first + BATCH, PICTURES) - 1
        camera.send(*range(first, last + 1))
        await camera.durable(last)
    await camera.close(GapCause.LINE_LOST)


async def check(home: Path, notes: list[str]) -> None:
    """After a restart: what was acknowledged is there, the rest can be sent, index and files and keys agree."""
    acked = acknowledged(notes)
    async with open_studio(home) as studio:
        next_sequence = await SlowCamera(studio).open()
        note(f"acked {next_sequence - 1}")  # what the edge is told that it need not send again
        await studio.recorder.stop()
        await studio.start_recorder()
        assert next_sequence > acked, f"{acked} was acknowledged, and {next_sequence} is wanted"
        numbers = [number_of(chunk) for chunk in await studio.chunks(CHANNEL)]
        assert numbers == list(range(next_sequence)), numbers
        await agrees(studio)
        await record(studio)
        numbers = [number_of(chunk) for chunk in await studio.chunks(CHANNEL)]
        assert numbers == list(range(PICTURES)), numbers


def open_studio(home: Path, **options: Any) -> Any:
    """A studio that records the one camera there is."""
    return _OpenStudio(home, options)


class _OpenStudio:
    def __init__(self, home: Path, options: dict[str, Any]) -> None:
        self._opening = a_studio(home, starts=False, clock=ShiftedClock.in_mid_hour(), **options)

    async def __aenter__(self) -> Studio:
        studio = await self._opening.__aenter__()
        studio.channels.rules[CHANNEL] = RecordingPlan(DEVICE, 1, True, False, timedelta(days=7))
        try:
            await studio.start_recorder()
        except BaseException:
            await studio.vault.close()
            raise
        return studio

    async def __aexit__(self, *error: Any) -> None:
        await self._opening.__aexit__(*error)


def acknowledged(notes: list[str]) -> int:
    return max((int(text.split()[1]) for text in notes if text.startswith("acked ")), default=-1)


async def agrees(studio: Studio) -> None:
    """No file without a row, no row without a file, nothing half-written, and `incamera check` is content."""
    rows = {segment.id for segment in await studio.stored(CHANNEL)}
    files = set(await asyncio.to_thread(lambda: list(list_segments(studio.folder))))
    assert rows == files, f"rows without file {rows - files}, files without row {files - rows}"
    assert len(studio.files()) == len(rows)
    assert await find_problems(studio.database, studio.vault, studio.folder, reads_everything=True) == []
