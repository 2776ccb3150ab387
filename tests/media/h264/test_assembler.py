import itertools

import pytest

from incamera.media.cmaf import Packager
from incamera.media.h264 import parameter_sets
from incamera.media.isobmff import parse_chunk
from incamera.media.sample import AccessUnit
from incamera.media.video import VideoAssembler
from incamera.media.video.codecs import make_assembler
from tests.support.clips import a_video, decoded_pictures, units_of_file
from tests.support.shared import shared_path


def cmaf(units: list[AccessUnit]) -> tuple[bytes, VideoAssembler]:
    assembler, packager = make_assembler("H264"), Packager(90_000)
    chunks = [packager.push(sample).data for unit in units if (sample := assembler.push(unit)) is not None]
    assert assembler.config is not None
    return assembler.config.init_segment + b"".join(chunks), assembler


@pytest.mark.parametrize("b_frames", [0, 1, 3])
@pytest.mark.parametrize("options", [{}, {"b-pyramid": "none"}, {"profile": "main"}])
def test_every_picture_decodes_at_its_presentation_time(b_frames: int, options: dict[str, str]) -> None:
    units = a_video(60, b_frames=b_frames, **options)
    data, _ = cmaf(units)
    assert decoded_pictures(data) == sorted(unit.presentation_time for unit in units)


def test_reordering_is_found_when_the_camera_does_not_state_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameter_sets, "_read_reorder_frames", lambda _: None)
    units = a_video(60, b_frames=3)
    assembler = make_assembler("H264")
    samples = [sample for unit in units if (sample := assembler.push(unit))]
    assert all(sample.composition_offset >= 0 for sample in samples)
    times = [sample.decode_time for sample in samples]
    assert times == sorted(set(times))


def test_nothing_comes_out_before_a_sync_sample() -> None:
    units = a_video(60, gop=25)
    _, assembler = cmaf(units[1:])
    late = make_assembler("H264")
    first = next(sample for unit in units[1:] if (sample := late.push(unit)))
    assert first.is_sync
    assert first.decode_time == 25 * 3600
    assert assembler.config is not None


def test_a_damaged_picture_stops_the_flow_until_the_next_sync_sample() -> None:
    units = a_video(60, gop=25)
    units[10] = AccessUnit(units[10].presentation_time, units[10].nal_units, is_damaged=True)
    assembler = make_assembler("H264")
    times = [sample.decode_time // 3600 for unit in units if (sample := assembler.push(unit))]
    assert times == [*range(10), *range(25, 60)]


def test_new_parameter_sets_make_a_new_configuration_at_a_sync_sample() -> None:
    assembler = make_assembler("H264")
    configs = []
    for unit in [*a_video(30), *a_video(30, size=(640, 368))]:
        if assembler.push(unit) and assembler.config not in configs:
            configs.append(assembler.config)
    assert [(config.width, config.height) for config in configs] == [(320, 192), (640, 368)]


def test_parameter_sets_may_come_from_the_session_description() -> None:
    units = a_video(30)
    sets = [nal for nal in units[0].nal_units if nal[0] & 0x1F in (7, 8)]
    bare = [AccessUnit(u.presentation_time, tuple(n for n in u.nal_units if n[0] & 0x1F in (1, 5))) for u in units]
    assert make_assembler("H264").push(bare[0]) is None
    sample = make_assembler("H264", sets).push(bare[0])
    assert sample is not None
    assert sample.is_sync


def test_a_jumping_camera_clock_does_not_move_the_stream() -> None:
    units = a_video(50, gop=10)
    jumped = [*units[:20], *(AccessUnit(u.presentation_time - 10**9, u.nal_units) for u in units[20:])]
    assembler = make_assembler("H264")
    times = [sample.decode_time for unit in jumped if (sample := assembler.push(unit))]
    steps = {b - a for a, b in itertools.pairwise(times)}
    assert len(times) == 50
    assert steps == {3600}


@pytest.mark.parametrize("name", ["BA_MW_D.264", "MPS_MW_A.264", "MR1_BT_A.h264", "Static.264", "SarVui.264"])
def test_conformance_streams_keep_all_their_pictures(name: str) -> None:
    units = units_of_file(shared_path(f"media/h264/{name}"))
    data, _ = cmaf(units)
    assert len(decoded_pictures(data)) == len(units)


def test_a_stream_that_lost_its_first_sync_sample_starts_at_the_next() -> None:
    units = units_of_file(shared_path("media/h264/broken_BA_MW_D_IDR_LOST.264"))
    assembler = make_assembler("H264")
    samples = [sample for unit in units if (sample := assembler.push(unit))]
    assert samples
    assert samples[0].is_sync
    assert len(samples) < len(units)


def test_chunks_say_what_the_samples_were() -> None:
    units = a_video(20, b_frames=2)
    assembler, packager = make_assembler("H264"), Packager(90_000)
    for unit in units:
        sample = assembler.push(unit)
        assert sample is not None
        chunk = packager.push(sample)
        (read,) = parse_chunk(chunk.data)
        assert (read.decode_time, read.composition_offset, read.is_sync, bytes(read.data)) == (
            sample.decode_time,
            sample.composition_offset,
            sample.is_sync,
            sample.data,
        )
        assert read.duration == 90_000
        assert len(chunk.data) == len(sample.data) + 112
