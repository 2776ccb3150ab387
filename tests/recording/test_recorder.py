import asyncio
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from incamera.devices import DeviceChanged, SoundTurnedOff
from incamera.kit.ids import new_id
from incamera.media.cmaf import Packager
from incamera.media.video.codecs import make_assembler
from incamera.privacy.errors import ActivityStopped
from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording import RecorderLimits
from incamera.recording.segment import HEADER_BYTES
from incamera.recording.writer import SegmentFile
from incamera.storage.vault import HourRef
from tests.support.clips import a_video, decoded_pictures
from tests.support.recordings import HOUR_US, PICTURE_US, Span, Studio, a_studio, number_of, record_once


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    async with a_studio(tmp_path) as opened:
        yield opened


def start_of_hour(studio: Studio, hours_ago: int = 2) -> int:
    return (studio.clock.now_us() // HOUR_US - hours_ago) * HOUR_US


async def test_what_was_sent_is_read_back(studio: Studio) -> None:
    channel = await studio.channel()
    span = await record_once(studio, channel, pictures=200)

    assert await studio.chunks(channel) == [span.sent[n].chunk for n in range(200)]
    [segment] = await studio.stored(channel)
    assert (segment.started_us, segment.ended_us) == (span.started_us, span.started_us + 199 * PICTURE_US)
    assert segment.end_cause is GapCause.LINE_LOST


@pytest.mark.req("B5-01")
async def test_nothing_in_clear_reaches_the_disk(studio: Studio) -> None:
    channel = await studio.channel()
    await record_once(studio, channel)

    stored = b"".join(path.read_bytes() for path in studio.files())
    assert stored
    assert not any(clear in stored for clear in (b"ftyp", b"moof", b"mdat", b"init segment", b"00000001"))


@pytest.mark.req("B5-05")
async def test_paths_reveal_nothing(studio: Studio) -> None:
    channel = await studio.channel()
    await record_once(studio, channel)

    [path] = studio.files()
    assert path.parent.name == path.name[:2]
    assert len(path.name) == 32
    assert path.stat().st_mode & 0o077 == 0
    assert channel.hex not in path.as_posix()


async def test_segment_closes_at_the_first_sync_sample_past_a_minute(studio: Studio) -> None:
    channel = await studio.channel()
    await record_once(studio, channel, pictures=1700, gop=40, started_us=start_of_hour(studio) + 60_000_000)

    first, second = await studio.stored(channel)
    assert (first.next_sequence, second.first_sequence) == (1520, 1520)  # the first multiple of 40 from 1500 on


async def test_segment_closes_at_two_minutes_without_a_sync_sample(studio: Studio) -> None:
    channel = await studio.channel()
    await record_once(studio, channel, pictures=3100, gop=10_000, started_us=start_of_hour(studio) + 60_000_000)

    first, second = await studio.stored(channel)
    assert (first.next_sequence, second.first_sequence) == (3000, 3000)


async def test_each_minute_of_a_gradually_refreshed_picture_can_be_shown(studio: Studio) -> None:
    channel, assembler, packager = await studio.channel(), make_assembler("H264"), Packager(90_000)
    refresh = {"preset": "ultrafast", "x264-params": "intra-refresh=1:keyint=50:bframes=0"}
    units = a_video(10 + 50 + 130 * 25, gop=50, size=(64, 48), **refresh)
    samples = [sample for unit in units[10:] if (sample := assembler.push(unit))]  # its only IDR is not among them
    assert assembler.config is not None
    span = Span(studio, channel, init_segment=assembler.config.init_segment)
    await span.open()
    for number, sample in enumerate(samples):
        chunk = packager.push(sample)
        wall_us = span.started_us + number * PICTURE_US
        span.writer.append(MediaFrame(0, chunk.is_sync, False, number, chunk.decode_time, 0, wall_us, chunk.data))
        if number % 500 == 499:
            await span.durable(number)
    await span.durable(len(samples) - 1)
    await span.close()

    stored = await studio.stored(channel)
    assert [segment.next_sequence // (60 * 25) for segment in stored] == [1, 2, 2]
    for segment in stored[:2]:
        opened = await studio.recorder.archive.open(segment)
        assert opened is not None
        pictures = await studio.recorder.archive.read(opened, range(250))
        media = opened.opening.init_segment + b"".join(it.data for it in pictures if it is not None)
        assert len(decoded_pictures(media)) >= 200, "all of it, but for the two seconds until it is complete"


async def test_segment_closes_at_the_hour_boundary_and_the_next_has_another_key(studio: Studio) -> None:
    channel, boundary = await studio.channel(), start_of_hour(studio)
    await record_once(studio, channel, pictures=200, started_us=boundary - 100 * PICTURE_US)

    before, after = await studio.stored(channel)
    assert before.next_sequence == after.first_sequence == 100
    assert after.hour.hour == before.hour.hour + 1
    assert len(await studio.chunks(channel)) == 200


async def test_only_durable_chunks_are_acknowledged(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = await studio.channel()
    span, may_sync = Span(studio, channel), threading.Event()
    synced: list[int] = []
    real = SegmentFile.sync

    def sync(file: SegmentFile) -> None:
        may_sync.wait()
        real(file)
        synced.append(len(file.index))

    monkeypatch.setattr(SegmentFile, "sync", sync)
    await span.open()
    span.send(*range(50))
    asyncio.get_running_loop().call_later(1.3, may_sync.set)
    await asyncio.sleep(1.2)
    assert span.acked == -1
    await span.durable(49)
    assert synced[0] == 50


async def test_stalled_disk_bounds_memory_and_asks_again_afterwards(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.recorder.stop()
    studio.limits = RecorderLimits(total_bytes=64_000, span_bytes=32_000)
    await studio.start_recorder()
    channel, goes_on = await studio.channel(), threading.Event()
    real = SegmentFile.append

    def append(file: SegmentFile, frames: list) -> None:  # type: ignore[type-arg]
        goes_on.wait()
        real(file, frames)

    monkeypatch.setattr(SegmentFile, "append", append)
    span = Span(studio, channel)
    await span.open()
    asyncio.get_running_loop().call_later(1.2, goes_on.set)
    span.send(*range(200))
    assert span.writer.held_bytes <= 32_000
    async with asyncio.timeout(10):
        while span.acked < 199:
            await asyncio.sleep(0.01)
            if span.resends:
                missing = span.resends.pop()
                assert 0 < missing < 200
                span.send(*range(missing, 200))
    await span.close()
    assert [number_of(chunk) for chunk in await studio.chunks(channel)] == list(range(200))


async def test_reopened_span_resumes_behind_the_last_durable_chunk(studio: Studio) -> None:
    channel = await studio.channel()
    span = await record_once(studio, channel, pictures=120)

    assert await span.open() == 120
    span.send(*range(100, 120))  # sent again although we have them
    await span.record(120, 150)
    await span.close()
    assert [number_of(chunk) for chunk in await studio.chunks(channel)] == list(range(150))


async def test_span_opened_over_a_line_that_broke_unnoticed_replaces_the_old_one(studio: Studio) -> None:
    channel = await studio.channel()
    span = Span(studio, channel)
    await span.open()
    await span.record(0, 30)

    assert await span.open() == 30
    await span.record(30, 60)
    await span.close()
    assert len(await studio.chunks(channel)) == 60


async def test_stale_epoch_unknown_channel_and_unwanted_streams_are_refused(studio: Studio) -> None:
    channel = await studio.channel()
    rule = studio.channels.rules[channel]

    async def answer(span: Span) -> object:
        return await studio.recorder.open_span(span.opened, on_durable=lambda _: None, on_resend=lambda _: None)

    assert await answer(Span(studio, new_id())) == "unknown_channel"
    assert await answer(Span(studio, channel, epoch=2)) == "stale_epoch"
    assert await answer(Span(studio, channel, stream=StreamKind.AUDIO)) is None
    await studio.vault.destroy_epoch_key(rule.device_id, 1)
    assert await answer(Span(studio, channel)) == "stale_epoch"


async def test_backlog_of_a_destroyed_hour_is_acknowledged_and_dropped(studio: Studio) -> None:
    channel, boundary = await studio.channel(), start_of_hour(studio)
    epoch = studio.channels.rules[channel].epoch_ref
    await studio.vault.destroy_hour_keys([HourRef(channel, epoch, boundary // HOUR_US - 1)])

    await record_once(studio, channel, pictures=200, started_us=boundary - 100 * PICTURE_US, is_backlog=True)

    [segment] = await studio.stored(channel)
    assert segment.first_sequence == 100
    assert segment.gap_cause is GapCause.EXPIRED


async def test_backlog_older_than_the_keeping_time_is_never_written(studio: Studio) -> None:
    channel = await studio.channel(keep=timedelta(hours=6))
    old = studio.clock.now_us() - 7 * HOUR_US

    span = await record_once(studio, channel, pictures=50, started_us=old, is_backlog=True)

    assert span.acked == 49
    assert studio.files() == []


async def test_wall_time_in_the_future_is_clamped(studio: Studio) -> None:
    channel = await studio.channel()
    await record_once(studio, channel, pictures=10, started_us=studio.clock.now_us() + 90_000_000)

    [segment] = await studio.stored(channel)
    assert segment.ended_us <= studio.clock.now_us() + 3_000_000
    assert studio.recorder.figures.clamped_times == 10


async def test_failed_write_goes_into_a_new_segment_without_loss(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, failures = await studio.channel(), iter([None, OSError(5, "input/output error")])
    real = os.pwritev

    def pwritev(descriptor: int, parts: list[bytes], offset: int) -> int:
        if offset > HEADER_BYTES and (error := next(failures, None)) is not None:
            real(descriptor, parts[:3], offset)  # torn
            raise error
        return real(descriptor, parts, offset)

    monkeypatch.setattr(os, "pwritev", pwritev)
    span = Span(studio, channel)
    await span.open()
    await span.record(0, 25)
    await span.record(25, 100)
    await span.close()

    assert [number_of(chunk) for chunk in await studio.chunks(channel)] == list(range(100))
    assert len(await studio.stored(channel)) == 2
    assert studio.recorder.figures.failed_writes == 1


async def test_destroyed_hour_stops_the_segment_that_is_being_written(studio: Studio) -> None:
    channel = await studio.channel()
    span = Span(studio, channel, started_us=start_of_hour(studio) + 1_000_000)
    await span.open()
    await span.record(0, 50)
    [segment] = await studio.stored(channel)

    await studio.recorder._eraser.erase_hours([segment.hour])
    span.send(*range(50, 100))
    await span.durable(99)
    await span.close()

    assert studio.files() == []
    assert await studio.stored(channel) == []


async def test_end_of_ownership_erases_files_and_rows(studio: Studio) -> None:
    channel, other = await studio.channel(), await studio.channel()
    await record_once(studio, channel)
    await record_once(studio, other)
    live = Span(studio, channel)
    await live.open()
    await live.record(0, 25)

    await studio.vault.destroy_epoch_key(studio.channels.rules[channel].device_id, 1)
    async with asyncio.timeout(10):
        while await studio.stored(channel) or len(studio.files()) != 1:  # noqa: ASYNC110 - watched from outside
            await asyncio.sleep(0.02)

    assert len(await studio.stored(other)) == 1


async def test_graceful_stop_closes_every_segment(studio: Studio) -> None:
    channel = await studio.channel()
    span = Span(studio, channel)
    await span.open()
    span.send(*range(60))
    await studio.recorder.stop()

    [segment] = await studio.stored(channel)
    assert segment.end_cause is GapCause.SERVER_STOPPED
    assert span.acked == 59
    await studio.start_recorder()
    assert len(await studio.chunks(channel)) == 60


@pytest.mark.req("R-03")
async def test_nothing_new_is_stored_while_retention_stands_still(studio: Studio) -> None:
    stands_still = True

    def require_running() -> None:
        if stands_still:
            raise ActivityStopped("B5.record")

    studio.recorder.hold_to(require_running)
    channel = await studio.channel()
    span = Span(studio, channel)
    await span.open()
    span.send(*range(100))
    await asyncio.sleep(1.5)
    assert (span.acked, studio.files()) == (-1, [])

    stands_still = False
    await span.durable(99)
    await span.close()
    assert len(await studio.chunks(channel)) == 100


async def test_recording_stops_at_once_when_the_owner_turns_it_off(studio: Studio) -> None:
    channel = await studio.channel(sound=True)
    rule = studio.channels.rules[channel]
    picture, sound = Span(studio, channel), Span(studio, channel, stream=StreamKind.AUDIO, gop=1)
    for span in (picture, sound):
        await span.open()
        await span.record(0, 25)

    studio.events.publish(SoundTurnedOff(channel))
    studio.channels.rules[channel] = replace(rule, is_recorded=False, is_sound_recorded=False)
    studio.events.publish(DeviceChanged(rule.device_id))
    async with asyncio.timeout(5):
        while studio.recorder._spans:  # noqa: ASYNC110 - watched from outside
            await asyncio.sleep(0.01)
    picture.send(*range(25, 50))

    [segment] = await studio.stored(channel)
    assert (segment.next_sequence, segment.end_cause) == (25, GapCause.TURNED_OFF)
