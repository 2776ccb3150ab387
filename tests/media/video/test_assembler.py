"""What cameras do to their pictures and clocks, in both codecs."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incamera.media.cmaf import Packager
from incamera.media.sample import AccessUnit, Sample
from incamera.media.video import VideoAssembler
from incamera.media.video.codecs import make_assembler
from incamera.media.video.messages import is_gradual
from tests.support.clips import a_video, an_h265_video, decoded_pictures

MakeUnits = Callable[..., list[AccessUnit]]
BOTH = pytest.mark.parametrize(("codec", "make"), [("H264", a_video), ("H265", an_h265_video)])
INTRA_REFRESH = {
    "H264": {"x264-params": "intra-refresh=1:keyint=50:bframes=0"},
    "H265": {"params": "intra-refresh=1 keyint=50"},
}


def push_all(assembler: VideoAssembler, units: list[AccessUnit]) -> list[Sample]:
    return [sample for unit in units if (sample := assembler.push(unit))]


def a_file(assembler: VideoAssembler, samples: list[Sample]) -> bytes:
    packager = Packager(90_000)
    assert assembler.config is not None
    return assembler.config.init_segment + b"".join(packager.push(sample).data for sample in samples)


def retimed(units: list[AccessUnit], times: list[int]) -> list[AccessUnit]:
    return [AccessUnit(time, unit.nal_units) for time, unit in zip(times, units, strict=True)]


@BOTH
def test_night_mode_keeps_the_times_of_its_pictures(codec: str, make: MakeUnits) -> None:
    """25 pictures a second, then 5, then 25 again, without a word."""
    intervals = [3600] * 30 + [18_000] * 20 + [3600] * 10
    times = list(itertools.accumulate(intervals[:-1], initial=1_000_000))
    assembler = make_assembler(codec)
    samples = push_all(assembler, retimed(make(60), times))
    assert [sample.decode_time for sample in samples] == times
    assert decoded_pictures(a_file(assembler, samples)) == times


@BOTH
@pytest.mark.parametrize("step_s", [3, 9, 3600, 36_000, -1, -5, -3600])
def test_a_step_of_the_clock_costs_no_picture_and_moves_none(codec: str, make: MakeUnits, step_s: int) -> None:
    units = make(60)
    stepped = [
        AccessUnit(u.presentation_time + 10**10 + (step_s * 90_000 if n >= 30 else 0), u.nal_units)
        for n, u in enumerate(units)
    ]
    assembler = make_assembler(codec)
    samples = push_all(assembler, stepped)
    assert len(samples) == 60
    steps = {later.decode_time - earlier.decode_time for earlier, later in itertools.pairwise(samples)}
    assert steps == {3600}
    assert {sample.composition_offset for sample in samples} == {0}


@BOTH
def test_gops_of_ten_seconds_flow(codec: str, make: MakeUnits) -> None:
    units = make(520, gop=250, size=(128, 64))
    samples = push_all(make_assembler(codec), units[10:])
    assert [number for number, sample in enumerate(samples) if sample.is_sync] == [0, 250]
    assert len(samples) == 520 - 250


@BOTH
def test_a_camera_that_only_refreshes_gradually_is_joined_and_decodes(codec: str, make: MakeUnits) -> None:
    units = make(250, gop=50, size=(320, 192), **INTRA_REFRESH[codec])
    late = units[10:]  # the only sync sample was the first picture
    assembler = make_assembler(codec)
    samples = push_all(assembler, late)

    assert samples, "a stream without sync samples must become viewable"
    began = samples[0].decode_time // 3600
    assert began <= 10 + 2 * 50, "within two periods"
    syncs = [sample.decode_time // 3600 - began for sample in samples if sample.is_sync]
    assert syncs == [0, 50, 100][: len(syncs)]
    assert len(syncs) >= 2
    shown = decoded_pictures(a_file(assembler, samples))
    assert len(shown) >= len(samples) - 50, "a decoder shows it at the latest when all of it was renewed"
    assert assembler.config is not None
    gradual = [is_gradual(assembler.config.codec, sample.data) for sample in samples]
    assert gradual == [sample.is_sync for sample in samples]


@BOTH
def test_gradual_points_are_no_sync_samples_while_there_are_better_ones(codec: str, make: MakeUnits) -> None:
    units = make(250, gop=50, size=(320, 192), **INTRA_REFRESH[codec])
    samples = push_all(make_assembler(codec), units)
    assert [sample.is_sync for sample in samples].count(True) == 1
    assert len(samples) == 250
    assert not is_gradual("avc1.64001f" if codec == "H264" else "hvc1.1.6.L93.B0", samples[0].data)


def test_open_gops_of_h264_may_be_joined_at_their_recovery_points() -> None:
    options = {"x264-params": "open-gop=1:keyint=50:bframes=2", "forced-idr": "0"}
    units = a_video(160, gop=50, b_frames=2, **options)
    assembler = make_assembler("H264")
    samples = push_all(assembler, units[10:])
    assert [sample.is_sync for sample in samples].count(True) >= 2
    assert samples[0].is_sync
    assert not is_gradual("avc1.64001f", samples[0].data), "it shows everything at once"
    first = samples[0].decode_time
    assert all(sample.decode_time + sample.composition_offset >= first for sample in samples), "no leading pictures"
    assert len(decoded_pictures(a_file(assembler, samples))) == len(samples)


@BOTH
@given(random=st.randoms(use_true_random=False), cut=st.integers(0, 6))
@settings(max_examples=20, deadline=None)
def test_shuffled_and_cut_nal_units_never_raise(codec: str, make: MakeUnits, random: object, cut: int) -> None:
    units = list(make(30, size=(128, 64)))
    random.shuffle(units)  # type: ignore[attr-defined]
    assembler = make_assembler(codec)
    broken = [AccessUnit(u.presentation_time, tuple(n[: len(n) >> cut] for n in u.nal_units)) for u in units]
    times = [sample.decode_time for sample in push_all(assembler, broken)]
    assert times == sorted(set(times))


@BOTH
def test_endless_parameter_sets_are_not_kept(codec: str, make: MakeUnits) -> None:
    """An attack on memory: sets with ever new ids and contents, as large as allowed."""
    [unit, *_] = make(1)
    assembler = make_assembler(codec)
    shift, mask, pps = (0, 0x1F, 8) if codec == "H264" else (1, 0x3F, 34)
    head = bytes((pps,)) if codec == "H264" else bytes((pps << 1, 1))
    flood = tuple(head + bytes((number, 0x80)) + bytes((number,)) * 4000 for number in range(256))
    for _ in range(3):
        assembler.push(AccessUnit(0, flood))
    kept = [nal_unit for group in assembler._sets.values() for nal_unit in group.values()]
    assert sum(map(len, kept)) <= 32 * 1024
    assert any(nal_unit[0] >> shift & mask == pps for nal_unit in unit.nal_units)


@settings(deadline=None)
@given(st.sampled_from(["avc1.64001f", "hvc1.1.6.L93.B0", "mp4a.40.2", ""]), st.binary(max_size=20))
def test_whatever_a_sample_begins_with_it_is_gradual_or_not(codec: str, data: bytes) -> None:
    assert is_gradual(codec, data) in (True, False)
