"""How fast the timeline answers from ten million segments, on SQLite and on PostgreSQL.

The archive is `archive_rows`: 64 cameras with picture, small picture and sound for weeks, among them wireless ones, one
in sixteen that is lost sixty times a day, recordings of the night only, and outages of whole sites. It is made once and
kept in `.dev/bench`. Each question is the whole of what `GET .../timeline` does after the access check, at a random
moment of a random camera, for an hour to a month at the resolution of a screen. `query_p99_ms` is that of the slower
database. `cold_*`: the first question after the database's pages were put out of memory. `add_ms`, `remove_ms`: what a
segment costs the index at that size, so that reading is not paid for by writing. `retention_*`: what a sweep asks every
five minutes while nothing is over; `due_*`: the same, and which hours are over when that is one of every camera;
`hours_*`: a page of 200 hours, as recovery goes through all of them; `estimate_*`: about how many rows there are. Peer
in the same run: the same rows of SQLite read and merged in Python, as a recorder without a timeline index does
(Frigate's way).

    ./dev bench timeline [--segments 10000000] [--queries 1000] [--cold 40] [--databases sqlite,postgresql]
"""

import asyncio
import os
import random
import sqlite3
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from bench.archive_rows import DAY_US, HOUR_US, MINUTE_US, NEWEST_US, Archive
from bench.harness import CACHE, BenchError, Figure, Peer, Report, parse_options
from bench.kept_archives import kept_archive
from incamera.kit.clock import SystemClock
from incamera.playback.timeline import Stretch, TimelineReader, merge
from incamera.privacy import open_session
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording import repository
from incamera.recording.model import Segment, SegmentState
from incamera.storage.database import Database
from incamera.storage.vault import EpochRef, HourRef

RANGES: Final = (HOUR_US, 6 * HOUR_US, DAY_US, 7 * DAY_US, 30 * DAY_US)
_DETAIL: Final = 2000  # marks on a screen
_WARM_UP: Final = 20  # questions until connections, statements and plans are there
_ADDED: Final = 300
_HOURS: Final = 200  # a page, as in recording.recovery
Times = dict[int, list[float]]  # range → milliseconds


def run(options: Sequence[str]) -> Report:
    given = parse_options(options, segments=10_000_000, queries=1000, cold=40, databases="sqlite,postgresql")
    report, archive = Report("timeline", "query_p99_ms"), Archive.of(given["segments"])
    slowest: list[float] = []
    for kind in given["databases"].split(","):
        try:
            times = asyncio.run(_measure(report, kind, archive, given["queries"], given["cold"]))
        except BenchError as error:
            report.notes.append(f"{kind} left out: {error}")
            continue
        slowest = max(slowest, times, key=lambda it: _p99(it) if it else 0.0)
    if not slowest:
        raise BenchError("no database could be asked")
    report.add("query_p50_ms", statistics.median(slowest), "ms")
    report.add("query_p99_ms", _p99(slowest), "ms")
    rows = sum(it.segments for it in archive.stretches())
    report.notes.append(f"{rows:,} segments, {archive.channels} channels, {archive.days} days; one reader")
    return report


async def _measure(report: Report, kind: str, archive: Archive, queries: int, cold: int) -> list[float]:
    async with kept_archive(kind, archive) as database:
        cold_times = await _ask_cold(database, archive, cold)
        by_range = await _ask(database, archive, queries)
        kept = await _ask_as_retention(database, archive, max(20, queries // 5))
        added, removed = await _write(database, archive)
    everything = [time_ms for times in by_range.values() for time_ms in times]
    report.add(f"{kind}_p50_ms", statistics.median(everything), "ms")
    report.add(f"{kind}_p99_ms", _p99(everything), "ms")
    for range_us, times in by_range.items():
        report.add(f"{kind}_{range_us // HOUR_US}h_p50_ms", statistics.median(times), "ms")
        report.add(f"{kind}_{range_us // HOUR_US}h_p99_ms", _p99(times), "ms")
    if cold_times:
        report.add(f"{kind}_cold_p50_ms", statistics.median(cold_times), "ms")
        report.add(f"{kind}_cold_max_ms", max(cold_times), "ms")
    for name, times in kept.items():
        report.add(f"{kind}_{name}_p50_ms", statistics.median(times), "ms")
        report.add(f"{kind}_{name}_p99_ms", _p99(times), "ms")
    report.add(f"{kind}_add_ms", added, "ms")
    report.add(f"{kind}_remove_ms", removed, "ms")
    if database.is_sqlite and (path := database.engine.url.database) is not None:
        report.peers.append(_peer(Path(path), archive, max(15, queries // 10)))
    return everything


def _questions(archive: Archive, count: int, seed: int) -> Iterator[tuple[UUID, int, int]]:
    """(channel, to, range) at random, every range as often."""
    chance = random.Random(seed)
    for number in range(count):
        range_us = RANGES[number % len(RANGES)]
        to_us = NEWEST_US - chance.randrange(max(1, archive.days * DAY_US - range_us))
        yield archive.channel_id(chance.randrange(archive.channels)), to_us, range_us


async def _ask(database: Database, archive: Archive, queries: int) -> Times:
    reader = TimelineReader(database, _NothingOpen(), SystemClock())  # type: ignore[arg-type]
    found: Times = {range_us: [] for range_us in RANGES}
    for number, (channel_id, to_us, range_us) in enumerate(_questions(archive, _WARM_UP + queries, 1)):
        started = time.perf_counter()
        await reader.read(channel_id, to_us - range_us, to_us, range_us // _DETAIL)
        if number >= _WARM_UP:
            found[range_us].append((time.perf_counter() - started) * 1000)
    return found


async def _ask_cold(database: Database, archive: Archive, queries: int) -> list[float]:
    """Each with its pages out of memory, but with the statements known."""
    reader, found = TimelineReader(database, _NothingOpen(), SystemClock()), []  # type: ignore[arg-type]
    for number, (channel_id, to_us, range_us) in enumerate(_questions(archive, queries, 2)):
        if number:
            await asyncio.to_thread(_forget_pages, database)
        started = time.perf_counter()
        await reader.read(channel_id, to_us - range_us, to_us, range_us // _DETAIL)
        found.append((time.perf_counter() - started) * 1000)
    return found[1:]


async def _ask_as_retention(database: Database, archive: Archive, queries: int) -> dict[str, list[float]]:
    """Milliseconds of what retention and recovery ask: see above."""
    chance = random.Random(3)
    found: dict[str, list[float]] = {name: [] for name in ("retention", "due", "hours", "estimate")}
    for number in range(_WARM_UP + queries):
        for name, times in found.items():
            after = HourRef(archive.channel_id(chance.randrange(archive.channels)), EpochRef(UUID(int=0), 1), 0)
            started = time.perf_counter()
            async with open_session(database, "B5.record", writes=False) as db:
                if name == "estimate":
                    await repository.estimate(db)
                elif name == "hours":
                    await repository.list_hours(db, after, _HOURS)
                else:
                    oldest = await repository.oldest_of_channels(db)
                if name == "due":
                    await repository.hours_begun_until(db, oldest, min(oldest.values()) + HOUR_US - 1)
            if number >= _WARM_UP:
                times.append((time.perf_counter() - started) * 1000)
    return found


def _forget_pages(database: Database) -> None:
    """Has the kernel let go of the database's files; what a server keeps in memory of its own stays."""
    path = Path(database.engine.url.database or "") if database.is_sqlite else CACHE / "postgres"
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file() and file.stat().st_size:
            descriptor = os.open(file, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


async def _write(database: Database, archive: Archive) -> tuple[float, float]:
    """Milliseconds (median) to note a segment that begins and one that ends, and to forget one; in transactions."""
    noted, forgotten = [], []
    rows = [_segment(archive, number) for number in range(_ADDED)]
    for segment in rows:
        started = time.perf_counter()
        async with open_session(database, "B5.record") as db:
            before_us = await repository.missing_before(db, segment.channel_id, segment.stream, segment.started_us)
            await repository.add(db, replace(segment, missing_us=before_us))
        async with open_session(database, "B5.record") as db:
            await repository.save(db, replace(segment, state=SegmentState.CLOSED))
        noted.append((time.perf_counter() - started) * 1000)
    for segment in rows:
        started = time.perf_counter()
        async with open_session(database, "B5.record") as db:
            await repository.remove(db, [segment.id])
        forgotten.append((time.perf_counter() - started) * 1000)
    return statistics.median(noted), statistics.median(forgotten)


def _segment(archive: Archive, number: int) -> Segment:
    channel, started_us = number % archive.channels, NEWEST_US + number // archive.channels * MINUTE_US
    hour = HourRef(archive.channel_id(channel), EpochRef(archive.device_id(channel), 1), started_us // HOUR_US)
    ended_us = started_us + MINUTE_US
    run_id = uuid4()
    return Segment(
        uuid4(), hour, StreamKind.MAIN, run_id, run_id, SegmentState.OPEN, started_us, ended_us, 0, 1500, 30_000_000,
        30_020_000, GapCause.CAMERA_LOST, None,
    )  # fmt: skip


class _NothingOpen:
    """A recorder that records nothing just now."""

    def open_segments(self, _channel_id: UUID, _stream: StreamKind) -> list[object]:
        return []


def _peer(path: Path, archive: Archive, queries: int) -> Peer:
    times = [took_ms for _, took_ms in _naive(path, archive, queries)]
    figures = [
        Figure("query_p50_ms", round(statistics.median(times), 3), "ms"),
        Figure("query_p99_ms", round(_p99(times), 3), "ms"),
    ]
    return Peer("rows merged in Python", sqlite3.sqlite_version, figures)


def _naive(path: Path, archive: Archive, queries: int) -> Iterator[tuple[int, float]]:
    db = sqlite3.connect(path)
    for channel_id, to_us, range_us in _questions(archive, queries, 1):
        started = time.perf_counter()
        for stream in StreamKind:
            rows = db.execute(
                "SELECT started_us, ended_us FROM segment WHERE channel_id = ? AND stream = ? AND started_us < ?"
                " AND started_us >= ? AND ended_us > ?",
                (channel_id.hex, stream.value, to_us, to_us - range_us - repository.REACH_US, to_us - range_us),
            )
            stretches = [Stretch(start, end, GapCause.LINE_LOST) for start, end in rows]
            merge(stretches, max(2_000_000, range_us // _DETAIL))
        yield range_us, (time.perf_counter() - started) * 1000
    db.close()


def _p99(times: Sequence[float]) -> float:
    return sorted(times)[max(0, int(len(times) * 0.99) - 1)]
