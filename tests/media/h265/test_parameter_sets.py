import contextlib

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.bits import InvalidBitstream
from incamera.media.h265 import parse_pps, parse_sps, parse_vps_id
from incamera.media.h265.slice_header import parse_pps_id
from incamera.media.video.messages import find_recovery_point
from tests.support.clips import an_h265_video
from tests.support.corpora import read_corpus
from tests.support.shared import shared_path

VPS, SPS, PPS = 32, 33, 34


def set_of(kind: int, **options: object) -> bytes:
    [unit, *_] = an_h265_video(2, **options)  # type: ignore[arg-type]
    return next(nal_unit for nal_unit in unit.nal_units if nal_unit[0] >> 1 & 0x3F == kind)


@pytest.mark.parametrize("size", [(320, 192), (1280, 720), (322, 182), (1920, 1080)])
def test_size_is_read_after_cropping(size: tuple[int, int]) -> None:
    sps = parse_sps(set_of(SPS, size=size))
    assert (sps.width, sps.height) == size
    assert (sps.bit_depth_luma, sps.bit_depth_chroma, sps.chroma_format_idc) == (8, 8, 1)


def test_codec_name_tells_profile_tier_level_and_constraints() -> None:
    assert parse_sps(set_of(SPS, size=(1280, 720))).codec == "hvc1.1.6.L93.90"
    assert parse_sps(set_of(SPS, size=(1920, 1080), params="level-idc=5.1 high-tier=1")).codec == "hvc1.1.6.H153.90"


@pytest.mark.parametrize(("b_frames", "expected"), [(0, 0), (3, 2)])
def test_reordering_is_read(b_frames: int, expected: int) -> None:
    assert parse_sps(set_of(SPS, b_frames=b_frames)).max_reorder_pictures == expected


@pytest.mark.parametrize(
    "params", ["", "scaling-list=default", "ref=5 bframes=4", "amp=1 rect=1", "temporal-layers=3", "lossless=1"]
)
def test_aspect_ratio_is_found_behind_all_coding_tools(params: str) -> None:
    for index, ratio in ((2, (12, 11)), (12, (64, 33)), (14, (4, 3))):
        assert parse_sps(set_of(SPS, params=f"{params} sar={index}".strip())).sample_aspect_ratio == ratio


def test_ids_lead_from_slice_to_sequence() -> None:
    [unit, *_] = an_h265_video(1)
    slice_nal_unit = unit.nal_units[-1]
    pps, sps = parse_pps(set_of(PPS)), parse_sps(set_of(SPS))
    assert parse_pps_id(slice_nal_unit) == pps.id
    assert (pps.sps_id, sps.vps_id) == (sps.id, parse_vps_id(set_of(VPS)))


def test_a_file_of_another_encoder_agrees_with_libav() -> None:
    with av.open(str(shared_path("media/odd/ed_hevc.mp4"))) as container:
        stream = container.streams.video[0]
        extradata, size = bytes(stream.codec_context.extradata or b""), (stream.width, stream.height)
    at = extradata.index(bytes((0x80 | SPS,))) if bytes((0x80 | SPS,)) in extradata else extradata.index(bytes((SPS,)))
    length = int.from_bytes(extradata[at + 3 : at + 5], "big")
    sps = parse_sps(extradata[at + 5 : at + 5 + length])
    assert (sps.width, sps.height) == size
    assert extradata[1:13] == bytes((sps.profile.profile_idc,)) + sps.profile.compatibility_flags.to_bytes(
        4, "big"
    ) + sps.profile.constraint_flags + bytes((sps.profile.level_idc,))


@given(st.binary(max_size=300))
def test_any_bytes_give_a_value_or_a_named_error(data: bytes) -> None:
    for parse, kind in ((parse_vps_id, VPS), (parse_sps, SPS), (parse_pps, PPS)):
        with contextlib.suppress(InvalidBitstream):
            parse(bytes((kind << 1, 1)) + data)
    with contextlib.suppress(InvalidBitstream):
        parse_pps_id(b"\x26\x01" + data)
    find_recovery_point(b"\x4e\x01" + data, 2)


def test_what_fuzzers_found_is_survived() -> None:
    for data in read_corpus("h265").values():
        for parse in (parse_vps_id, parse_sps, parse_pps, parse_pps_id):
            with contextlib.suppress(InvalidBitstream):
                parse(data)


def test_a_cut_parameter_set_is_refused_or_still_names_its_size() -> None:
    whole = set_of(SPS)
    for length in range(4, len(whole)):
        try:
            sps = parse_sps(whole[:length])
        except InvalidBitstream:
            continue
        assert (sps.width, sps.height) == (320, 192), "only the tail (coding tools and VUI) may be missing"
