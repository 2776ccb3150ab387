import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incamera.kit.ids import new_id
from incamera.privacy import open_session
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording import MediaFolderEmpty, check, repository
from incamera.recording.model import Segment, SegmentState, segment_path
from incamera.recording.recovery import repair_file
from incamera.recording.segment import HEADER_BYTES, Binding, SegmentOpener, scan
from incamera.recording.writer import SegmentFile
from incamera.storage.vault import EpochRef, HourRef, ScopeKey
from tests.recording.test_segment import OPENING, a_frame
from tests.support.recordings import Studio, a_studio, number_of, record_once

KEY, MEDIA = ScopeKey("hour/test", bytes(range(32))), ScopeKey("purpose/media", bytes(range(1, 33)))


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    async with a_studio(tmp_path) as opened:
        yield opened


async def reopen_row(studio: Studio, segment: Segment, **changes: object) -> None:
    """Puts the index back to what it was while the segment was being written."""
    row = replace(
        segment,
        state=SegmentState.OPEN,
        ended_us=segment.started_us,
        next_sequence=segment.first_sequence,
        footer_offset=0,
        size_bytes=0,
        end_cause=None,
    )
    async with open_session(studio.database, "B5.record") as db:
        await repository.save(db, row)


async def crash(studio: Studio, channel, cut_bytes: int) -> tuple[Segment, Path]:  # type: ignore[no-untyped-def]
    """One recorded segment as a crash leaves it: row open, so many bytes of records on the disk."""
    await record_once(studio, channel, pictures=100)
    [segment] = await studio.stored(channel)
    await studio.recorder.stop()
    path = segment_path(studio.folder, segment.id)
    path.write_bytes(path.read_bytes()[: segment.footer_offset + cut_bytes])
    await reopen_row(studio, segment)
    return segment, path


async def test_segment_left_open_is_cut_closed_and_playable(studio: Studio) -> None:
    channel = await studio.channel()
    await crash(studio, channel, -100)

    await studio.start_recorder()

    [segment] = await studio.stored(channel)
    assert segment.state is SegmentState.CLOSED
    assert segment.next_sequence == 99
    assert segment.end_cause is GapCause.SERVER_STOPPED
    assert [number_of(chunk) for chunk in await studio.chunks(channel)] == list(range(99))
    assert await check(studio.database, studio.vault, studio.folder, reads_everything=True) == []


async def test_crash_before_the_footer_keeps_every_record(studio: Studio) -> None:
    channel = await studio.channel()
    await crash(studio, channel, 0)
    await studio.start_recorder()
    assert len(await studio.chunks(channel)) == 100


async def test_crash_after_the_footer_closes_the_row(studio: Studio) -> None:
    channel = await studio.channel()
    _, path = await crash(studio, channel, 10_000)
    before = path.read_bytes()
    await studio.start_recorder()
    assert path.read_bytes() == before, "a whole file is not touched"
    assert len(await studio.chunks(channel)) == 100


@pytest.mark.parametrize("size", [0, 50, HEADER_BYTES, HEADER_BYTES + 60])
async def test_file_without_a_whole_chunk_leaves_no_trace(studio: Studio, size: int) -> None:
    channel = await studio.channel()
    segment, path = await crash(studio, channel, 0)
    path.write_bytes(path.read_bytes()[:size])

    await studio.start_recorder()

    assert studio.files() == []
    assert await studio.stored(channel) == []
    assert segment.records == 101


async def test_row_without_its_file_leaves_no_trace_if_nothing_was_acknowledged(studio: Studio) -> None:
    channel = await studio.channel()
    _, path = await crash(studio, channel, 0)
    path.unlink()
    await studio.start_recorder()
    assert await studio.stored(channel) == []


async def test_file_whose_row_was_lost_finds_its_place_again(studio: Studio) -> None:
    channel = await studio.channel()
    await record_once(studio, channel, pictures=100)
    [before] = await studio.stored(channel)
    await studio.recorder.stop()
    async with open_session(studio.database, "B5.record") as db:
        await repository.remove(db, [before.id])

    await studio.start_recorder()

    [after] = await studio.stored(channel)
    assert after == replace(before, end_cause=GapCause.SERVER_STOPPED)
    assert len(await studio.chunks(channel)) == 100


async def test_orphan_of_a_destroyed_hour_is_removed(studio: Studio) -> None:
    channel = await studio.channel()
    await record_once(studio, channel)
    [segment] = await studio.stored(channel)
    await studio.recorder.stop()
    await studio.vault.destroy_hour_keys([segment.hour])
    async with open_session(studio.database, "B5.record") as db:
        await repository.remove(db, [segment.id])

    await studio.start_recorder()

    assert studio.files() == []


async def test_erasure_that_a_crash_interrupted_is_finished(studio: Studio) -> None:
    channel, other = await studio.channel(), await studio.channel()
    for one in (channel, other):
        await record_once(studio, one)
    [segment] = await studio.stored(channel)
    await studio.recorder.stop()
    await studio.vault.destroy_hour_keys([segment.hour])

    await studio.start_recorder()

    assert await studio.stored(channel) == []
    assert len(studio.files()) == 1


async def test_lost_file_is_shown_as_damaged_and_the_rest_plays(studio: Studio) -> None:
    channel = await studio.channel()
    await record_once(studio, channel, pictures=1700)
    first, _ = await studio.stored(channel)
    await studio.recorder.stop()
    segment_path(studio.folder, first.id).unlink()

    await studio.start_recorder()

    lost, kept = await studio.stored(channel)
    assert lost.damaged_us == (first.started_us, first.ended_us)
    assert await studio.recorder.archive.open(kept) is not None
    [finding] = await check(studio.database, studio.vault, studio.folder)
    assert "1 recordings" in finding.text


async def test_empty_media_folder_under_a_full_index_is_refused(studio: Studio) -> None:
    channel = await studio.channel()
    await record_once(studio, channel)
    await studio.recorder.stop()
    studio.folder = studio.home / "another volume"

    with pytest.raises(MediaFolderEmpty, match="is the right volume mounted"):
        await studio.start_recorder()

    assert len(await studio.stored(channel)) == 1


async def test_check_finds_an_altered_record(studio: Studio) -> None:
    channel = await studio.channel()
    await record_once(studio, channel)
    [path] = studio.files()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    assert await check(studio.database, studio.vault, studio.folder) == []
    [finding] = await check(studio.database, studio.vault, studio.folder, reads_everything=True)
    assert "altered" in finding.text


def a_written_file(folder: Path, synced: int, written: int) -> tuple[Path, Binding, int]:
    """A file with `written` chunks, and the size up to which it was synced (after `synced` of them)."""
    binding = Binding(new_id(), HourRef(new_id(), EpochRef(new_id(), 1), 500_000), StreamKind.MAIN)
    path = folder / binding.segment_id.hex
    file = SegmentFile(path, binding, KEY, MEDIA, OPENING)
    file.create()
    numbers = itertools.count()
    for count in (synced, written - synced):
        if count:
            file.append([(a_frame(n), n * 40_000) for n in itertools.islice(numbers, count)])
        if count is synced:
            file.sync()
            synced_size = path.stat().st_size
    file.release()
    return path, binding, synced_size


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), synced=st.integers(1, 20), unsynced=st.integers(0, 20))
def test_power_cut_keeps_every_synced_record(tmp_path: Path, data: st.DataObject, synced: int, unsynced: int) -> None:
    """After the last sync anything may be on the disk: a part, zeros, or noise."""
    path, binding, synced_size = a_written_file(tmp_path, synced, synced + unsynced)
    whole = path.read_bytes()
    keep = data.draw(st.integers(synced_size, len(whole)))
    tail = data.draw(st.sampled_from([b"", bytes(min(500, len(whole) - keep)), b"\xa5" * min(500, len(whole) - keep)]))
    path.write_bytes(whole[:keep] + tail)

    repaired = repair_file(path, binding, KEY)

    assert repaired is not None
    assert synced <= len(repaired.index) <= synced + unsynced
    found = scan(SegmentOpener(KEY, binding), path.read_bytes())
    assert found.has_footer
    assert found.index == repaired.index
    assert repaired.size_bytes == path.stat().st_size
    assert repair_file(path, binding, KEY) == repaired, "a second crash during recovery changes nothing"
    path.unlink()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bit_ends_what_recovery_keeps(tmp_path: Path, data: st.DataObject) -> None:
    path, binding, _ = a_written_file(tmp_path, 10, 10)
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(whole)

    repaired = repair_file(path, binding, KEY)

    assert repaired is None or len(repaired.index) < 10 or at < HEADER_BYTES
    path.unlink()
