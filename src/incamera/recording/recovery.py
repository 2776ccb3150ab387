"""After a crash or a restored database: files and index agree again, before anything is served.

- Row `open`, left behind: the file is cut at the first record that does not open, gets its footer, and is closed.
- File without row (the commit was lost in a power cut, or the database is older than the media): it names itself by
  its sealed label, and gets its row back. Without a key for its hour it is garbage and goes.
- Row without file: the stretch is shown as damaged, unless its hour was erased anyway.
"""

import mmap
import os
from collections.abc import AsyncIterator, Generator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from incamera.kit.files import sync_folder, write_fully
from incamera.privacy import open_session
from incamera.protocol.messages import GapCause
from incamera.recording import repository
from incamera.recording.erasure import Eraser
from incamera.recording.errors import MediaFolderEmpty
from incamera.recording.model import Segment, SegmentState, segment_path
from incamera.recording.segment import (
    HEADER_BYTES,
    Binding,
    NotASegment,
    Opening,
    Scan,
    SegmentIndex,
    SegmentOpener,
    SegmentSealer,
    parse_header,
    scan,
)
from incamera.recording.writer import VolumeWriter
from incamera.storage.database import Database
from incamera.storage.vault import HourRef, KeyDestroyed, ScopeKey, Vault

log = structlog.get_logger(__name__)

PARTS: Final = 256  # subfolders of the media folder
_IDS_PER_ROUND: Final = 20_000
# A span syncs after each batch (4 MiB, or one chunk of up to 16 MiB), and after a failed sync it leaves the file alone.
_MOST_UNSYNCED_BYTES: Final = 24 * 1024 * 1024
_COPY_BYTES: Final = 1024 * 1024
_HOURS_PER_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Repaired:
    """A whole file again."""

    opening: Opening
    index: SegmentIndex
    footer_offset: int
    size_bytes: int


@dataclass(slots=True)
class RecoveryReport:
    """What recovery did, in numbers."""

    closed: int = 0
    adopted: int = 0
    removed: int = 0
    missing: int = 0
    erased_epochs: int = 0


class Recovery:
    """Brings index and files together. Owns nothing: the recorder lends it everything."""

    def __init__(self, database: Database, vault: Vault, folder: Path, writer: VolumeWriter, eraser: Eraser) -> None:
        self._database, self._vault, self._folder = database, vault, folder
        self._writer, self._eraser = writer, eraser

    async def run(self) -> RecoveryReport:
        """Everything, at start. No span may be open yet."""
        report = RecoveryReport()
        await self._finish_erasures(report)
        async with open_session(self._database, "B5.record", writes=False) as db:
            left_open = await repository.list_open(db)
        await self._refuse_empty_folder(len(left_open))
        for segment in await self._writer.run(lambda: _longest_first(self._folder, left_open)):
            await self.recover(segment, report)
        for parts in await self._rounds():
            await self._reconcile(parts, report)
        if report != RecoveryReport():
            log.info(
                "recording.recovered",
                closed=report.closed,
                adopted=report.adopted,
                removed=report.removed,
                missing=report.missing,
                erased_epochs=report.erased_epochs,
            )
        return report

    async def recover(self, segment: Segment, report: RecoveryReport, chunks: int | None = None) -> None:
        """One segment that was left open; `chunks`: how many of it are durable, if that is known."""
        limit = await self._limit(segment) if chunks is None else chunks
        repaired = await self._repair(Binding(segment.id, segment.hour, segment.stream), limit)
        if repaired is None:
            await self._eraser.remove([segment.id])
            report.removed += 1
            return
        await self._save(_closed(segment, repaired))
        report.closed += 1

    async def _finish_erasures(self, report: RecoveryReport) -> None:
        """Keys that were destroyed before the program stopped: their files follow now."""
        async with open_session(self._database, "B5.record", writes=False) as db:
            epochs = await repository.epochs(db)
        dead = set()
        for epoch in epochs:
            try:
                await self._vault.epoch_key(epoch.device_id, epoch.number)
            except KeyDestroyed:
                dead.add(epoch)
                await self._eraser.erase_epoch(epoch)
                report.erased_epochs += 1
        async for hours in self._hours():
            await self._eraser.erase_hours(
                await self._vault.destroyed_hours(hour for hour in hours if hour.epoch not in dead)
            )

    async def _hours(self) -> AsyncIterator[list[HourRef]]:
        """Every channel-hour of the index, a page at a time."""
        last: HourRef | None = None
        while True:
            async with open_session(self._database, "B5.record", writes=False) as db:
                hours = await repository.list_hours(db, last, _HOURS_PER_PAGE)
            if not hours:
                return
            yield hours
            last = hours[-1]

    async def _refuse_empty_folder(self, left_open: int) -> None:
        if not await self._writer.run(lambda: _is_empty(self._folder)):
            return
        async with open_session(self._database, "B5.record", writes=False) as db:
            segments = await repository.count(db)
        if segments > left_open:
            raise MediaFolderEmpty(self._folder, segments)

    async def _rounds(self) -> list[range]:
        """Subfolders to compare at once: all of a small archive, few of a large one (a million ids cost 200 MB)."""
        async with open_session(self._database, "B5.record", writes=False) as db:
            segments = await repository.estimate(db)
        width = max(1, min(PARTS, PARTS * _IDS_PER_ROUND // max(1, segments)))
        return [range(first, min(PARTS, first + width)) for first in range(0, PARTS, width)]

    async def _reconcile(self, parts: range, report: RecoveryReport) -> None:
        on_disk = set(await self._writer.run(lambda: list(list_segments(self._folder, parts))))
        first, last = UUID(int=parts.start << 120), UUID(int=(parts.stop << 120) - 1)
        async with open_session(self._database, "B5.record", writes=False) as db:
            known = await repository.ids_between(db, first, last)
        for segment_id in on_disk - known:
            await self._adopt(segment_id, report)
        for segment_id in known - on_disk:
            await self._missing(segment_id, report)

    async def _adopt(self, segment_id: UUID, report: RecoveryReport) -> None:
        path = segment_path(self._folder, segment_id)
        binding = await self._writer.run(lambda: read_binding(path, segment_id, self._vault.media_key))
        repaired = None if binding is None else await self._repair(binding, None)
        if binding is not None and repaired is not None:
            repaired = await self._repair(binding, await self._limit(_adopted(binding, repaired)))
        if binding is None or repaired is None:
            await self._writer.run(lambda: path.unlink(missing_ok=True))
            report.removed += 1
            return
        await self._save(_adopted(binding, repaired))
        report.adopted += 1

    async def _missing(self, segment_id: UUID, report: RecoveryReport) -> None:
        async with open_session(self._database, "B5.record") as db:
            segment = await repository.find(db, segment_id)
            if segment is None:
                return
            await repository.mark_damaged(db, segment_id, segment.started_us, segment.ended_us)
        if segment.damaged_us is None:
            report.missing += 1

    async def _limit(self, segment: Segment) -> int | None:
        """How many chunks of a segment count, if another of its span holds the rest; None: all.

        After a failed write the same chunks went into another segment, but this one may hold them as well.
        """
        async with open_session(self._database, "B5.record", writes=False) as db:
            following = await repository.next_first_sequence(db, segment)
        return None if following is None else following - segment.first_sequence

    async def _repair(self, binding: Binding, limit: int | None) -> Repaired | None:
        key = await self._vault.find_hour_key(binding.hour)
        if key is None:
            return None
        path = segment_path(self._folder, binding.segment_id)
        return await self._writer.run(lambda: repair_file(path, binding, key, limit))

    async def _save(self, segment: Segment) -> None:
        async with open_session(self._database, "B5.record") as db:
            await repository.save(db, segment)


def list_segments(folder: Path, parts: range = range(PARTS)) -> Generator[UUID, None, None]:
    """Ids of the segment files whose id begins with one of these bytes; whatever else lies there is left alone."""
    for number in parts:
        with suppress(FileNotFoundError), os.scandir(folder / f"{number:02x}") as entries:
            for entry in entries:
                with suppress(ValueError):
                    segment_id = UUID(hex=entry.name)
                    if segment_path(folder, segment_id) == Path(entry.path):
                        yield segment_id


def _longest_first(folder: Path, segments: list[Segment]) -> list[Segment]:
    """Of two that begin with the same chunk the first one stays: it shall be the one that holds more."""

    def size(segment: Segment) -> int:
        with suppress(OSError):
            return segment_path(folder, segment.id).stat().st_size
        return 0

    return sorted(segments, key=size, reverse=True)


def _is_empty(folder: Path) -> bool:
    with closing(list_segments(folder)) as found:
        return next(found, None) is None


def read_binding(path: Path, segment_id: UUID, media_key: ScopeKey) -> Binding | None:
    """What a file says that it is; None if it is no segment of ours, or carries another's name."""
    try:
        with path.open("rb") as file:
            binding = parse_header(file.read(HEADER_BYTES), media_key)
    except (OSError, NotASegment):
        return None
    return binding if binding.segment_id == segment_id else None


def repair_file(path: Path, binding: Binding, hour_key: ScopeKey, limit: int | None = None) -> Repaired | None:
    """Cuts a file after its last sound record, or after `limit` chunks, and gives it a footer, durably.

    None if it then holds no chunk.

    What was read may stand in the page cache only, and after a sync that failed the kernel does not write it again
    (it marks the pages clean). So what may have been appended after the last good sync is written once more.
    """
    try:
        found, size = scan_file(path, binding, hour_key)
    except (FileNotFoundError, NotASegment):
        return None
    if limit is not None and limit < len(found.index):
        found = found.upto(limit)
    if not len(found.index):
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if found.has_footer:  # it is written only after a good sync of all before it
            _write_again(descriptor, found.end, size)
        else:
            _write_again(descriptor, max(0, found.end - _MOST_UNSYNCED_BYTES), found.end)
            os.ftruncate(descriptor, found.end)
            footer = SegmentSealer(hour_key, binding).seal_footer(found.index, found.end)
            write_fully(descriptor, footer, found.end)
            size = found.end + len(footer)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)
    return Repaired(found.opening, found.index, found.end, size)


def _write_again(descriptor: int, start: int, end: int) -> None:
    while start < end:
        data = os.pread(descriptor, min(end - start, _COPY_BYTES), start)
        if not data:
            return
        write_fully(descriptor, data, start)
        start += len(data)


def scan_file(path: Path, binding: Binding, hour_key: ScopeKey) -> tuple[Scan, int]:
    """Reads a file record by record; its size goes with it. Raises NotASegment."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < HEADER_BYTES:
            raise NotASegment("the file is shorter than a header")
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # unmapped with the last view of it
        return scan(SegmentOpener(hour_key, binding), data), size


def _closed(segment: Segment, repaired: Repaired) -> Segment:
    index = repaired.index
    return replace(
        segment,
        state=SegmentState.CLOSED,
        ended_us=max(index.wall_us),
        next_sequence=index.first_sequence + len(index),
        footer_offset=repaired.footer_offset,
        size_bytes=repaired.size_bytes,
        end_cause=GapCause.SERVER_STOPPED,
    )


def _adopted(binding: Binding, repaired: Repaired) -> Segment:
    opening, index = repaired.opening, repaired.index
    segment = Segment(
        id=binding.segment_id,
        hour=binding.hour,
        stream=binding.stream,
        run_id=opening.run_id,
        span_id=opening.span_id,
        state=SegmentState.OPEN,
        started_us=index.wall_us[0],
        ended_us=index.wall_us[0],
        first_sequence=index.first_sequence,
        next_sequence=index.first_sequence,
        footer_offset=0,
        size_bytes=0,
        gap_cause=opening.gap_cause,
        end_cause=None,
    )
    return _closed(segment, repaired)
