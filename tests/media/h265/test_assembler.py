"""H.265 as it comes: what of it becomes samples, and that every one of them decodes."""

import io
from collections import Counter

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incamera.media.cmaf import Packager
from incamera.media.isobmff import parse_chunk
from incamera.media.sample import AccessUnit
from incamera.media.video import VideoAssembler
from incamera.media.video.codecs import make_assembler
from tests.support.clips import an_h265_video, decoded_pictures, split_annex_b
from tests.support.shared import shared_path

CRA, RASL = 21, (8, 9)
DELIMITED = "aud=1 hrd=1 vbv-maxrate=500 vbv-bufsize=500"  # access unit delimiters, and SEI with every picture


def kinds(unit: AccessUnit) -> set[int]:
    return {nal_unit[0] >> 1 & 0x3F for nal_unit in unit.nal_units}


def cmaf(units: list[AccessUnit], assembler: VideoAssembler | None = None) -> bytes:
    assembler, packager = assembler or make_assembler("H265"), Packager(90_000)
    chunks = [packager.push(sample).data for unit in units if (sample := assembler.push(unit)) is not None]
    assert assembler.config is not None
    return assembler.config.init_segment + b"".join(chunks)


def find_box(file: bytes, kind: bytes) -> bytes:
    """The payload of the first box of this type."""
    at = file.index(kind)
    return file[at + 4 : at - 4 + int.from_bytes(file[at - 4 : at], "big")]


@pytest.mark.parametrize("b_frames", [0, 1, 4])
@pytest.mark.parametrize("params", ["open-gop=0", "open-gop=1", "slices=3", "b-pyramid=0", DELIMITED])
def test_every_picture_decodes_at_its_presentation_time(b_frames: int, params: str) -> None:
    units = an_h265_video(60, b_frames=b_frames, params=params, size=(320, 256))
    assert decoded_pictures(cmaf(units)) == sorted(unit.presentation_time for unit in units)


def test_leading_pictures_of_the_first_cra_are_dropped_and_later_ones_kept() -> None:
    units = an_h265_video(120, b_frames=4, params="open-gop=1")
    late = next(number for number, unit in enumerate(units) if CRA in kinds(unit))
    joined = units[late:]
    assert kinds(joined[1]) & set(RASL), "this stream has leading pictures"
    assembler = make_assembler("H265")
    kept = [unit for unit in joined if assembler.push(unit)]

    leading = [bool(kinds(unit) & set(RASL)) for unit in joined]
    first_trailing = leading.index(False, 1)
    assert kept == [joined[0], *joined[first_trailing:]]
    assert sum(bool(kinds(unit) & set(RASL)) for unit in kept) > 0
    assert decoded_pictures(cmaf(joined)) == sorted(unit.presentation_time for unit in kept)


def test_a_cra_is_a_sync_sample() -> None:
    units = an_h265_video(60, params="open-gop=1")
    assembler = make_assembler("H265")
    samples = [sample for unit in units if (sample := assembler.push(unit))]
    assert [sample.is_sync for sample in samples] == [bool(kinds(unit) & {19, 20, CRA}) for unit in units]


def test_a_damaged_picture_stops_the_flow_until_the_next_sync_sample() -> None:
    units = an_h265_video(60)
    units[10] = AccessUnit(units[10].presentation_time, units[10].nal_units, is_damaged=True)
    assembler = make_assembler("H265")
    times = [sample.decode_time // 3600 for unit in units if (sample := assembler.push(unit))]
    assert times == [*range(10), *range(25, 60)]


def test_in_band_parameter_sets_begin_a_new_configuration_at_a_sync_sample() -> None:
    assembler = make_assembler("H265")
    configs = []
    for unit in [*an_h265_video(30), *an_h265_video(30, size=(640, 384))]:
        if assembler.push(unit) and assembler.config not in configs:
            configs.append(assembler.config)
    assert [(config.width, config.height) for config in configs if config] == [(320, 192), (640, 384)]


def test_parameter_sets_may_come_from_the_session_description() -> None:
    units = an_h265_video(30)
    sets = [nal_unit for nal_unit in units[0].nal_units if nal_unit[0] >> 1 & 0x3F in (32, 33, 34)]
    bare = [AccessUnit(u.presentation_time, tuple(n for n in u.nal_units if n[0] >> 1 & 0x3F < 32)) for u in units]
    assert make_assembler("H265").push(bare[0]) is None
    assert len(decoded_pictures(cmaf(bare, make_assembler("H265", sets)))) == 30


def test_samples_hold_slices_only() -> None:
    units = an_h265_video(30, params=DELIMITED)
    assembler = make_assembler("H265")
    found: Counter[int] = Counter()
    for unit in units:
        sample = assembler.push(unit)
        assert sample is not None
        at = 0
        while at < len(sample.data):
            size = int.from_bytes(sample.data[at : at + 4], "big")
            found[sample.data[at + 4] >> 1 & 0x3F] += 1
            at += 4 + size
    assert set(found) <= {0, 1, 19, 20, 21}


def test_the_configuration_record_is_that_of_another_writer() -> None:
    """libav's own MP4 muxer, given the same pictures: the same record but for what is marked "not said" in ours."""
    units = an_h265_video(30)
    ours = find_box(cmaf(units), b"hvcC")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx265", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        params = "log-level=none:pools=1:frame-threads=1:scenecut=0:bframes=0"
        stream.options = {"preset": "ultrafast", "x265-params": params}
        for number in range(5):
            frame = av.VideoFrame(320, 192, "yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    theirs = find_box(file.getvalue(), b"hvcC")
    assert ours[:13] == theirs[:13], "version, profile, compatibility, constraints, level"
    assert ours[16:19] == theirs[16:19], "chroma format and bit depths"
    assert ours[21] == theirs[21], "temporal layers, length size"


@given(st.randoms(use_true_random=False), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_shuffled_and_cut_pictures_never_raise(random: object, damage: int) -> None:
    units = list(an_h265_video(40, b_frames=2))
    random.shuffle(units)  # type: ignore[attr-defined]
    assembler, packager = make_assembler("H265"), Packager(90_000)
    times = []
    for unit in units:
        cut = tuple(nal_unit[: max(1, len(nal_unit) >> damage)] for nal_unit in unit.nal_units)
        if sample := assembler.push(AccessUnit(unit.presentation_time, cut)):
            times.append(sample.decode_time)
            parse_chunk(packager.push(sample).data)
    assert times == sorted(set(times))


def test_the_file_of_another_encoder_is_packaged_whole() -> None:
    path = shared_path("media/odd/ed_hevc.mp4")
    with av.open(str(path)) as container:
        wanted = sum(1 for _ in container.decode(video=0))
    units = units_of_mp4(str(path))
    assert len(decoded_pictures(cmaf(units))) == wanted


def units_of_mp4(path: str) -> list[AccessUnit]:
    """Access units of an MP4 with H.265, parameter sets in the band."""
    units = []
    with av.open(path) as container:
        stream = container.streams.video[0]
        in_band = av.BitStreamFilterContext("hevc_mp4toannexb", stream)
        for packet in container.demux(stream):
            for filtered in in_band.filter(packet if packet.size else None):
                assert filtered.pts is not None
                units.append(AccessUnit(int(filtered.pts * stream.time_base * 90_000), split_annex_b(bytes(filtered))))
    return units
