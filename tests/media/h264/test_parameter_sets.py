import contextlib

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.bits import InvalidBitstream
from incamera.media.h264 import parse_pps_ids, parse_sps
from tests.support.clips import a_video, split_annex_b, units_of_file
from tests.support.shared import shared_path


def sps_of(units) -> bytes:  # type: ignore[no-untyped-def]
    return next(unit for au in units for unit in au.nal_units if unit[0] & 0x1F == 7)


@pytest.mark.parametrize(("size", "profile"), [((320, 192), "baseline"), ((1280, 720), "high"), ((322, 182), "main")])
def test_size_and_profile_are_read(size: tuple[int, int], profile: str) -> None:
    sps = parse_sps(sps_of(a_video(2, size=size, profile=profile)))
    assert (sps.width, sps.height) == size
    assert sps.profile_idc == {"baseline": 66, "main": 77, "high": 100}[profile]
    assert sps.codec.startswith("avc1.")


def test_reordering_is_read_from_the_vui() -> None:
    assert parse_sps(sps_of(a_video(10, b_frames=3))).max_reorder_frames in (1, 2)
    assert not parse_sps(sps_of(a_video(10, profile="baseline"))).may_reorder


@pytest.mark.parametrize(
    ("name", "size", "ratio"),
    [("BA_MW_D.264", (176, 144), (1, 1)), ("Static.264", (152, 100), (1, 1)), ("MPS_MW_A.264", (176, 144), (1, 1))],
)
def test_conformance_streams(name: str, size: tuple[int, int], ratio: tuple[int, int]) -> None:
    sps = parse_sps(sps_of(units_of_file(shared_path(f"media/h264/{name}"))))
    assert ((sps.width, sps.height), sps.sample_aspect_ratio) == (size, ratio)


def test_sample_aspect_ratio_agrees_with_libav() -> None:
    path = shared_path("media/h264/SarVui.264")
    with av.open(str(path)) as container:
        expected = container.streams.video[0].sample_aspect_ratio
    ratio = parse_sps(sps_of(units_of_file(path))).sample_aspect_ratio
    assert expected is not None
    assert ratio[0] / ratio[1] == float(expected)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_named_error(data: bytes) -> None:
    for parse, head in ((parse_sps, b"\x67"), (parse_pps_ids, b"\x68")):
        with contextlib.suppress(InvalidBitstream):
            parse(head + data)


def test_a_cut_parameter_set_is_refused_or_still_names_its_size() -> None:
    whole = split_annex_b(bytes(b"".join(b"\0\0\1" + unit for unit in a_video(1)[0].nal_units)))[0]
    assert whole[0] & 0x1F == 7
    for length in range(4, len(whole)):
        try:
            sps = parse_sps(whole[:length])
        except InvalidBitstream:
            continue
        assert (sps.width, sps.height) == (320, 192), "only the optional tail (VUI) may be missing"
