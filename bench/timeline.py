"""How fast the timeline answers from a large index: `query_p99_ms` over channels and zoom levels.

The index holds `--segments` rows (a million: 23 cameras for a month) and lies in `.dev/bench` after the first run.
Each question is the whole of what `GET .../timeline` does after the access check. Peer in the same run: the same rows
read and merged in Python, as a recorder without a timeline index does (Frigate's way).

    ./dev bench timeline [--segments 1000000] [--queries 300]
"""

import asyncio
import random
import sqlite3
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from bench.harness import CACHE, Figure, Peer, Report, parse_options
from incamera.kit.clock import SystemClock
from incamera.playback.timeline import Stretch, TimelineReader, merge
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording.model import HOUR_US
from incamera.storage.database import Database
from tests.support.database import import_tables

_MINUTE_US = 60_000_000
_PER_CHANNEL = 30 * 24 * 60
_NEWEST_US = 1_795_000_000_000_000
_DAY_US = 24 * HOUR_US
_RANGES = (HOUR_US, 6 * HOUR_US, _DAY_US, 7 * _DAY_US, 30 * _DAY_US)


def run(options: Sequence[str]) -> Report:
    given = parse_options(options, segments=1_000_000, queries=300)
    path = asyncio.run(_prepared(given["segments"]))
    report = Report("timeline", "query_p99_ms")
    by_range = asyncio.run(_ask(path, given["segments"], given["queries"]))
    everything = sorted(time_ms for times in by_range.values() for time_ms in times)
    report.add("query_p50_ms", statistics.median(everything), "ms")
    report.add("query_p99_ms", everything[int(len(everything) * 0.99) - 1], "ms")
    for range_us, times in by_range.items():
        report.add(f"query_{range_us // HOUR_US}h_p50_ms", statistics.median(times), "ms")
    peer = sorted(_naive(path, given["segments"], given["queries"] // 3))
    figures = [
        Figure("query_p50_ms", round(statistics.median(peer), 3), "ms"),
        Figure("query_p99_ms", round(peer[int(len(peer) * 0.99) - 1], 3), "ms"),
    ]
    report.peers.append(Peer("rows merged in Python", sqlite3.sqlite_version, figures))
    report.notes.append(f"{given['segments']} segments, {_channels(given['segments'])} channels, SQLite, one reader")
    return report


def _channels(segments: int) -> int:
    return max(1, segments // _PER_CHANNEL)


def _channel(number: int) -> UUID:
    return UUID(int=(7 << 76) + number)


async def _prepared(segments: int) -> Path:
    """A database with that many segments of a minute, one in two hundred followed by a gap."""
    path = CACHE / f"timeline-{segments}.db"
    if path.exists():
        return path
    CACHE.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    import_tables()
    database = Database(f"sqlite+aiosqlite:///{fresh}")
    await database.create_all()
    await database.close()
    _fill(fresh, segments)
    fresh.rename(path)
    return path


def _fill(path: Path, segments: int) -> None:
    chance, db = random.Random(7), sqlite3.connect(path)
    db.execute("PRAGMA synchronous=off")
    columns = (
        "id, device_id, epoch, channel_id, hour, stream, run_id, span_id, state, started_us, ended_us, first_sequence,"
        " next_sequence, footer_offset, size_bytes, gap_cause, end_cause, is_protected"
    )
    rows = (_row(chance, number, _channels(segments)) for number in range(segments))
    db.executemany(f"INSERT INTO segment ({columns}) VALUES ({', '.join('?' * 18)})", rows)
    db.commit()
    db.execute("ANALYZE")
    db.close()


def _row(chance: random.Random, number: int, channels: int) -> tuple[object, ...]:
    channel = _channel(number % channels).hex
    started_us = _NEWEST_US - (number // channels + 1) * _MINUTE_US
    has_gap = chance.random() < 1 / 200
    ended_us = started_us + (_MINUTE_US // 2 if has_gap else _MINUTE_US - 40_000)
    return (
        f"{chance.getrandbits(128):032x}", channel, 1, channel, started_us // HOUR_US, "main", channel, channel,
        "closed", started_us, ended_us, 0, 1500, 30_000_000, 30_020_000, "camera_lost",
        "line_lost" if has_gap else None, False,
    )  # fmt: skip


class _NothingOpen:
    """A recorder that records nothing just now."""

    def open_segments(self, _channel_id: UUID, _stream: StreamKind) -> list[object]:
        return []


async def _ask(path: Path, segments: int, queries: int) -> dict[int, list[float]]:
    database, chance = Database(f"sqlite+aiosqlite:///{path}"), random.Random(1)
    reader = TimelineReader(database, _NothingOpen(), SystemClock())  # type: ignore[arg-type]
    found: dict[int, list[float]] = {range_us: [] for range_us in _RANGES}
    for number in range(queries):
        range_us = _RANGES[number % len(_RANGES)]
        to_us = _NEWEST_US - chance.randrange(0, max(1, 30 * _DAY_US - range_us))
        started = time.perf_counter()
        await reader.read(_channel(chance.randrange(_channels(segments))), to_us - range_us, to_us, range_us // 2000)
        found[range_us].append((time.perf_counter() - started) * 1000)
    await database.close()
    return found


def _naive(path: Path, segments: int, queries: int) -> list[float]:
    db, chance, times = sqlite3.connect(path), random.Random(1), []
    for number in range(queries):
        range_us = _RANGES[number % len(_RANGES)]
        to_us = _NEWEST_US - chance.randrange(0, max(1, 30 * _DAY_US - range_us))
        started = time.perf_counter()
        rows = db.execute(
            "SELECT started_us, ended_us FROM segment WHERE channel_id = ? AND stream = 'main' AND started_us < ?"
            " AND ended_us > ?",
            (_channel(chance.randrange(_channels(segments))).hex, to_us, to_us - range_us),
        )
        merge([Stretch(start, end, GapCause.LINE_LOST) for start, end in rows], max(2_000_000, range_us // 2000))
        times.append((time.perf_counter() - started) * 1000)
    db.close()
    return times
