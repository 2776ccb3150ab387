"""The recorder: takes spans from the uplink, keeps them as sealed segments, and answers for their care.

Built by `app.py`; `start` recovers what a crash left behind and must return before anything is served; `stop` closes
every span so that the edge keeps what comes next. Everything here runs in the event loop; files belong to the writer
thread (`writer`) and the readers (`archive`).
"""

import asyncio
import errno
import os
import stat
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog

from incamera.devices import ChannelTurnedOff, DeviceChanged, DeviceErased, DeviceRemoved, SoundTurnedOff
from incamera.kit.clock import Clock
from incamera.kit.events import EventBus
from incamera.kit.files import sync_folder
from incamera.privacy import open_session
from incamera.protocol.messages import GapCause, StreamKind, StreamOpen
from incamera.recording import repository
from incamera.recording.archive import Archive, verify
from incamera.recording.erasure import Eraser
from incamera.recording.errors import MediaFolderUnusable
from incamera.recording.events import RecordingDamaged
from incamera.recording.model import (
    SECOND_US,
    UNKNOWN_US,
    ChannelRule,
    ChannelRules,
    Segment,
    SegmentState,
    segment_path,
)
from incamera.recording.recovery import PARTS, Recovery, RecoveryReport
from incamera.recording.retention import MediaRetention
from incamera.recording.room import Room
from incamera.recording.span import MemoryBudget, OpenSegment, RecordingSpan, SpanTools, is_disk_full
from incamera.recording.volume_watch import VolumeWatch
from incamera.recording.writer import VolumeWriter
from incamera.storage.database import Database
from incamera.storage.vault import EpochRef, HourRef, KeyDestroyed, Vault

log = structlog.get_logger(__name__)

HOUSEKEEPING_S: Final = 5.0
RULES_AGE_S: Final = 60.0
STOP_TIMEOUT_S: Final = 15.0
_LOG_PAUSE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class RecorderLimits:
    """Memory for chunks that wait for the disk. A span must be able to hold its largest chunk (16 MiB)."""

    total_bytes: int = 256 * 1024 * 1024
    span_bytes: int = 16 * 1024 * 1024


@dataclass(slots=True)
class RecorderFigures:
    """Counters since the start, for the metrics."""

    written_bytes: int = 0
    evicted_segments: int = 0
    damaged_stretches: int = 0
    failed_writes: int = 0
    clamped_times: int = 0  # chunks whose wall time lay in the future


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """Something `incamera check` found wrong with recordings; `text` is a sentence for a person."""

    text: str


class Recorder:
    """Implements `streams.SpanRecorder`."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        folder: Path,
        rules: ChannelRules,
        clock: Clock,
        events: EventBus,
        limits: RecorderLimits = RecorderLimits(),
    ) -> None:
        self._database, self._vault, self._folder = database, vault, folder
        self._rules, self._clock, self._events = rules, clock, events
        self._budget = MemoryBudget(limits.total_bytes, limits.span_bytes)
        self._spans: dict[UUID, tuple[RecordingSpan, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unfinished: dict[UUID, Segment] = {}
        self._known_rules: dict[UUID, tuple[ChannelRule, float]] = {}
        self._log_after: dict[str, float] = {}
        self._writer: VolumeWriter
        self.volume = VolumeWatch(clock, self._busy_s)
        self._room: Room
        self._eraser: Eraser
        self._recovery: Recovery
        self.archive: Archive
        self.figures = RecorderFigures()
        self._require_retention: Callable[[], None] = lambda: None

    def hold_to(self, require_retention: Callable[[], None]) -> None:
        """No segment begins while this raises: retention stands still with recordings overdue (requirement book 4.5).

        What an edge sends meanwhile waits in its spool, so a short stop loses nothing.
        """
        self._require_retention = require_retention

    # --- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> RecoveryReport:
        """Makes index and files agree; raises MediaFolderUnusable or MediaFolderEmpty in one clear sentence."""
        self._writer = VolumeWriter()
        self._eraser = Eraser(self._database, self._vault, self._folder, self._writer, self._release)
        self._room = Room(
            self._database,
            self._eraser,
            self._writer,
            self._folder,
            self._clock,
            self._is_in_use,
            self._tell_of_full_disk,
        )
        self._recovery = Recovery(self._database, self._vault, self._folder, self._writer, self._eraser)
        self.archive = Archive(self._database, self._vault, self._folder, self.open_segments, self.report_damage)
        self._vault.on_destroyed(self._keys_destroyed)
        self._events.subscribe(ChannelTurnedOff, lambda event: self._turn_off(event.channel_id))
        self._events.subscribe(SoundTurnedOff, lambda event: self._turn_off(event.channel_id, StreamKind.AUDIO))
        self._events.subscribe(DeviceRemoved, self._device_removed)
        self._events.subscribe(DeviceChanged, self._device_changed)
        try:
            await self._writer.run(lambda: _make_folders(self._folder))
            report = await self._recovery.run()
        except BaseException:
            await self._writer.stop()
            raise
        self._start_task(self._keep_house())
        self._start_task(self.volume.run())
        return report

    async def stop(self) -> None:
        """Closes every span durably; gives up on a disk that does not answer (the edge sends the rest again)."""
        for span, _ in self._spans.values():
            span.close(GapCause.SERVER_STOPPED)
        pumps = [task for _, task in self._spans.values()]
        if pumps:
            await asyncio.wait(pumps, timeout=STOP_TIMEOUT_S)
        for task in [*pumps, *self._tasks]:
            task.cancel()
        await asyncio.gather(*pumps, *self._tasks, return_exceptions=True)
        self.archive.close()
        await self._writer.stop()

    # --- SpanRecorder -----------------------------------------------------------------------------------------------

    async def open_span(
        self, opened: StreamOpen, *, on_durable: Callable[[int], None], on_resend: Callable[[int], None]
    ) -> tuple[RecordingSpan, int] | str | None:
        """See `streams.SpanRecorder`. A span that is open already (its line broke unnoticed) is closed first."""
        rule = await self._rule(opened.channel_id)
        if rule is None:
            return "unknown_channel"
        if rule.epoch != opened.epoch:
            return "stale_epoch"
        try:
            await self._vault.epoch_key(rule.device_id, rule.epoch)
        except KeyDestroyed:
            return "stale_epoch"
        if not _is_wanted(rule, opened):
            return "not_wanted" if opened.is_backlog else None
        if opened.span_id in self._spans and self._spans[opened.span_id][0].opened.channel_id != opened.channel_id:
            return "not_wanted"  # no edge may end what another one records by naming its span
        await self._end_earlier(opened.span_id)
        next_sequence = await self._resume_at(opened)
        tools = self._tools(rule)
        span = RecordingSpan(opened, rule.epoch_ref, next_sequence, tools, on_durable, on_resend)
        task = self._start_task(span.run())
        self._spans[opened.span_id] = span, task
        task.add_done_callback(lambda _: self._forget(opened.span_id, span))
        return span, next_sequence

    # --- for playback and others ------------------------------------------------------------------------------------

    def open_segments(self, channel_id: UUID, stream: StreamKind) -> list[OpenSegment]:
        """Segments being written just now, oldest first: their durable part can be read."""
        found = [
            span.current
            for span, _ in self._spans.values()
            if span.current is not None and span.opened.channel_id == channel_id and span.opened.stream is stream
        ]
        return sorted(found, key=lambda it: it.segment.started_us)

    def retention(self, *, sees_public_space: bool) -> MediaRetention:
        """The retention target of `B5.record/recording` or, for public space, of `B5.record/recording_public_space`."""
        return MediaRetention(
            self._database, self._vault, self._eraser, self._rules, sees_public_space=sees_public_space
        )

    async def protect(self, channel_id: UUID, from_us: int, to_us: int, *, is_protected: bool = True) -> int:
        """Has a full disk spare what was recorded in a stretch (retention does not); returns the segments concerned."""
        async with open_session(self._database, "B5.record") as db:
            return await repository.protect(db, channel_id, from_us, to_us, is_protected=is_protected)

    async def erase_epoch(self, epoch: EpochRef) -> int:
        """Files and rows of an ownership period. The vault's news of a destroyed epoch key starts this by itself."""
        return await self._eraser.erase_epoch(epoch)

    async def erase_device(self, device: DeviceErased) -> None:
        """For `RemovalService.on_erase`: files and rows go with the device, also if a crash came in between."""
        await self.erase_epoch(EpochRef(device.device_id, device.epoch))

    async def report_damage(self, segment: Segment, from_us: int, to_us: int) -> None:
        """A reader found bytes that do not open: the timeline shows it, the log and the event bus tell it once."""
        async with open_session(self._database, "B5.record") as db:
            is_news = await repository.mark_damaged(db, segment.id, from_us, to_us)
        if is_news:
            self.figures.damaged_stretches += 1
            log.error("recording.damaged", channel_id=str(segment.channel_id), stream=segment.stream.value)
            self._events.publish(RecordingDamaged(segment.channel_id, segment.stream, from_us, to_us))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _tools(self, rule: ChannelRule) -> SpanTools:
        return SpanTools(
            folder=self._folder,
            writer=self._writer,
            index=self,
            keys=self._vault,
            budget=self._budget,
            clock=self._clock,
            is_expired=lambda channel_id, wall_us: self._is_expired(rule, channel_id, wall_us),
            make_room=lambda insist: self._room.make(insist=insist),
            complain=self._complain,
            on_written=self._count_written,
            on_clamped=self._tell_of_clock,
        )

    async def opened(self, segment: Segment) -> None:
        """Part of `SpanIndex`."""
        self._require_retention()
        async with open_session(self._database, "B5.record") as db:
            if segment.missing_us == UNKNOWN_US:  # the first of its span
                before_us = await repository.missing_before(db, segment.channel_id, segment.stream, segment.started_us)
                segment = replace(segment, missing_us=before_us)
            await repository.add(db, segment)

    async def closed(self, segment: Segment) -> None:
        """Part of `SpanIndex`."""
        async with open_session(self._database, "B5.record") as db:
            await repository.save(db, segment)

    async def vanished(self, segment: Segment) -> None:
        """Part of `SpanIndex`."""
        async with open_session(self._database, "B5.record") as db:
            await repository.remove(db, [segment.id])

    def unfinished(self, segment: Segment) -> None:
        """Part of `SpanIndex`."""
        self._unfinished[segment.id] = segment

    async def _rule(self, channel_id: UUID) -> ChannelRule | None:
        rule = await self._rules.find(channel_id)
        if rule is not None:
            self._known_rules[channel_id] = rule, self._clock.monotonic()
        return rule

    def _is_expired(self, rule: ChannelRule, channel_id: UUID, wall_us: int) -> bool:
        known, _ = self._known_rules.get(channel_id, (rule, 0.0))
        return wall_us < self._clock.now_us() - known.keep.total_seconds() * SECOND_US

    async def _end_earlier(self, span_id: UUID) -> None:
        if span_id in self._spans:
            span, task = self._spans[span_id]
            span.close(GapCause.LINE_LOST)
            await asyncio.wait([task], timeout=STOP_TIMEOUT_S)

    async def _resume_at(self, opened: StreamOpen) -> int:
        async with open_session(self._database, "B5.record", writes=False) as db:
            stored = await repository.next_sequence(db, opened.span_id, opened.channel_id)
        return max(opened.first_sequence, stored or 0)

    def _forget(self, span_id: UUID, span: RecordingSpan) -> None:
        if span_id in self._spans and self._spans[span_id][0] is span:
            del self._spans[span_id]

    def _release(self, is_gone: Callable[[HourRef], bool]) -> None:
        for span, _ in self._spans.values():
            if span.current is not None and is_gone(span.current.segment.hour):
                span.discard()

    def _is_in_use(self, hour: HourRef) -> bool:
        return any(span.hour == hour for span, _ in self._spans.values())

    def _turn_off(self, channel_id: UUID, *streams: StreamKind) -> None:
        """Recording stops here and now, whatever the edge still sends."""
        for span, _ in self._spans.values():
            if span.opened.channel_id == channel_id and (not streams or span.opened.stream in streams):
                span.close(GapCause.TURNED_OFF)

    def _device_removed(self, event: DeviceRemoved) -> None:
        for channel_id in event.channel_ids:
            self._turn_off(channel_id)

    def _device_changed(self, event: DeviceChanged) -> None:
        channels = {
            span.opened.channel_id for span, _ in self._spans.values() if span.epoch.device_id == event.device_id
        }
        for channel_id in channels:
            self._start_task(self._follow_rule(channel_id))

    async def _follow_rule(self, channel_id: UUID) -> None:
        """The owner may have chosen another mode or keeping time."""
        rule = await self._rule(channel_id)
        for span, _ in self._spans.values():
            if span.opened.channel_id == channel_id and (rule is None or not _is_wanted(rule, span.opened)):
                span.close(GapCause.TURNED_OFF)

    def _keys_destroyed(self, names: Sequence[str]) -> None:
        for name in names:
            kind, *parts = name.split("/")
            if kind == "epoch":
                epoch = EpochRef(UUID(parts[0]), int(parts[1]))
                self._close_epoch(epoch)
                self._start_task(self._erase_quietly(epoch))

    def _close_epoch(self, epoch: EpochRef) -> None:
        for span, _ in self._spans.values():
            if span.epoch == epoch:
                span.discard()
                span.close(GapCause.TURNED_OFF)

    async def _erase_quietly(self, epoch: EpochRef) -> None:
        removed = await self._eraser.erase_epoch(epoch)
        log.info("recording.epoch_erased", segments=removed)

    def _busy_s(self) -> float:
        return self._writer.busy_s()

    def _count_written(self, size: int) -> None:
        self.figures.written_bytes += size
        self.volume.succeeded()

    def _tell_of_clock(self, channel_id: UUID) -> None:
        self.figures.clamped_times += 1
        self._log_once_a_minute("recording.clock_ahead", channel_id=str(channel_id))

    def _tell_of_full_disk(self, removed: int) -> None:
        self.figures.evicted_segments += removed
        self._log_once_a_minute("recording.disk_full", evicted_segments=self.figures.evicted_segments)

    def _complain(self, error: Exception) -> None:
        self.figures.failed_writes += 1
        self.volume.failed(error)
        if is_disk_full(error):
            self._log_once_a_minute("recording.disk_full", evicted_segments=self.figures.evicted_segments)
        else:
            name = errno.errorcode.get(getattr(error, "errno", None) or 0, "")
            self._log_once_a_minute("recording.write_failed", error=type(error).__name__, errno=name)

    def _log_once_a_minute(self, event: str, **keys: object) -> None:
        now = self._clock.monotonic()
        if now >= self._log_after.get(event, now):
            self._log_after[event] = now + _LOG_PAUSE_S
            log.warning(event, **keys)

    async def _keep_house(self) -> None:
        while True:
            await self._clock.sleep(HOUSEKEEPING_S)
            try:
                await self._room.keep_reserve()
                await self._finish_the_unfinished()
                await self._renew_rules()
            except Exception as error:  # noqa: BLE001 - the next round tries again; recording itself does not depend on it
                self._complain(error)

    async def _finish_the_unfinished(self) -> None:
        for segment in list(self._unfinished.values()):
            # What stands in the file beyond the durable part was written again, to another segment.
            durable = segment.next_sequence - segment.first_sequence
            await self._recovery.recover(segment, RecoveryReport(), durable)
            del self._unfinished[segment.id]

    async def _renew_rules(self) -> None:
        """A shorter keeping time must reach spans that stay open for days."""
        recorded = {span.opened.channel_id for span, _ in self._spans.values()}
        now = self._clock.monotonic()
        self._known_rules = {channel: entry for channel, entry in self._known_rules.items() if channel in recorded}
        for channel_id in recorded:
            known = self._known_rules.get(channel_id)
            if known is None or now - known[1] > RULES_AGE_S:
                await self._rule(channel_id)

    def _start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("recording.task_failed", error=type(error).__name__, exc_info=error)


def _is_wanted(rule: ChannelRule, opened: StreamOpen) -> bool:
    """Backlog was recorded while that was on; live needs it on now. Sound needs its own switch in both cases.

    The sub stream is for looking only: it flows while somebody watches, and that leaves nothing behind (B4-02).
    """
    if opened.stream is StreamKind.SUB or (opened.stream is StreamKind.AUDIO and not rule.is_sound_recorded):
        return False
    return rule.is_recorded or opened.is_backlog


def _make_folders(folder: Path) -> None:
    try:
        for number in range(PARTS):
            (folder / f"{number:02x}").mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(folder)
    except OSError as error:
        raise MediaFolderUnusable(folder, os.strerror(error.errno or 0)) from error


async def forget_all(database: Database) -> int:
    """The media are gone for good (a restore without them): empties the index too; returns the segments it held."""
    async with open_session(database, "B5.record") as db:
        segment_ids = await repository.all_ids(db)
        await repository.remove(db, segment_ids)
    return len(segment_ids)


async def check(
    database: Database, vault: Vault, folder: Path, *, reads_everything: bool = False
) -> list[CheckFinding]:
    """For `incamera check`: whether index, files and keys agree. Changes nothing; may run beside a server.

    `reads_everything` opens every record of every file; otherwise only names and sizes are compared.
    """
    findings = []
    missing = damaged = keyless = 0
    async with open_session(database, "B5.record", writes=False) as db:
        segments = [segment async for segment in repository.stream_all(db)]
    for segment in segments:
        key = await vault.find_hour_key(segment.hour)
        if key is None:
            keyless += 1
        elif segment.damaged_us is not None:
            damaged += 1
        elif segment.state is SegmentState.CLOSED:
            problem = await asyncio.to_thread(_problem, folder, segment)
            missing += problem == "missing"
            is_sound = not reads_everything or problem or await asyncio.to_thread(verify, folder, segment, key)
            damaged += problem == "size" or not is_sound
    if missing:
        findings.append(CheckFinding(f"{missing} recordings of the index have no file; is the right volume mounted?"))
    if damaged:
        findings.append(CheckFinding(f"{damaged} recordings were altered, cut or lost; the timeline shows where."))
    if keyless:
        findings.append(CheckFinding(f"{keyless} recordings have no key any more; the next start removes them."))
    return findings


def _problem(folder: Path, segment: Segment) -> str:
    with suppress(FileNotFoundError):
        found = segment_path(folder, segment.id).stat()
        return "" if stat.S_ISREG(found.st_mode) and found.st_size == segment.size_bytes else "size"
    return "missing"
