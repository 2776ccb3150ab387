"""H.265 in RTP (RFC 7798)."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtp.h265 import H265Depacketiser, packetise_h265
from incamera.media.rtp.nal_units import MAX_UNIT_BYTES
from incamera.media.sample import AccessUnit
from tests.support.clips import an_h265_video
from tests.support.rtp_packets import Units

VPS, SPS, PPS = (bytes((kind << 1, 1)) + bytes(range(20)) for kind in (32, 33, 34))
IDR, SLICE, REST = b"\x26\x01\x80" + bytes(4000), b"\x02\x01\x80" + bytes(90), b"\x02\x01\x00" + bytes(50)
Push = tuple[int, bool, bytes]


def packets(time: int, *nal_units: bytes) -> list[Push]:
    return [(time, marker, payload) for marker, payload in packetise_h265(nal_units)]


def feed(*pushes: Push, loss_before: int | None = None, has_order_numbers: bool = False) -> Units:
    units = Units()
    depacketiser = H265Depacketiser(units, has_order_numbers=has_order_numbers)
    for number, (time, marker, payload) in enumerate(pushes):
        depacketiser.push(b"xx" + payload, 2, 2 + len(payload), time, marker, number == loss_before, float(number))
    return units


def aggregate(*nal_units: bytes) -> bytes:
    return bytes((48 << 1, 1)) + b"".join(len(unit).to_bytes(2, "big") + unit for unit in nal_units)


def test_single_units_and_fragments_come_back_whole() -> None:
    units = feed(*packets(0, VPS, SPS, PPS, IDR), *packets(3600, SLICE), *packets(7200, SLICE))
    assert units.nal_units == [(VPS, SPS, PPS, IDR), (SLICE,), (SLICE,)]
    assert units.times == [0, 3600, 7200], "once its markers are believed, a picture does not wait for the next"
    assert not any(units.damaged)


def test_pictures_of_an_encoder_survive_packing() -> None:
    sent = an_h265_video(30, size=(640, 384), b_frames=2, params="slices=2")
    pushes = [push for unit in sent for push in packets(unit.presentation_time, *unit.nal_units)]
    units = feed(*pushes, (10**9, True, SLICE), (10**9 + 3600, True, SLICE))
    assert units.nal_units[:30] == [unit.nal_units for unit in sent]


def test_aggregates_are_taken_apart() -> None:
    units = feed((0, False, aggregate(VPS, SPS, PPS)), (0, True, IDR[:900]), (3600, True, SLICE), (7200, True, SLICE))
    assert units.nal_units[0] == (VPS, SPS, PPS, IDR[:900])


def test_order_numbers_are_read_past() -> None:
    head, body = bytes((48 << 1, 1)), b""
    for number, unit in enumerate((VPS, SPS, PPS)):
        body += (b"\x00\x05" if number == 0 else b"\x00") + len(unit).to_bytes(2, "big") + unit
    single = SLICE[:2] + b"\x00\x08" + SLICE[2:]
    fragments = [payload for _, payload in packetise_h265((IDR,))]
    fragments[0] = fragments[0][:3] + b"\x00\x07" + fragments[0][3:]
    pushes = [(0, False, head + body), *((0, False, piece) for piece in fragments), (3600, True, single)]
    units = feed(*pushes, (7200, True, SLICE[:2] + b"\x00\x09" + SLICE[2:]), has_order_numbers=True)
    assert units.nal_units == [(VPS, SPS, PPS, IDR), (SLICE,), (SLICE,)]
    assert not any(units.damaged)


def test_what_was_sent_out_of_order_is_flagged() -> None:
    single = [SLICE[:2] + number.to_bytes(2, "big") + SLICE[2:] for number in (7, 6, 8)]
    units = feed((0, True, single[0]), (3600, True, single[1]), (7200, True, single[2]), has_order_numbers=True)
    assert units.damaged == [False, True, False]


def test_a_picture_of_many_slices_is_one_unit_whatever_its_markers_say() -> None:
    for marks in ((False, False, True), (True, True, True), (False, False, False)):
        pushes = [
            (time, mark, payload)
            for time in range(0, 36_000, 3600)
            for mark, payload in zip(marks, (SLICE, REST, REST), strict=True)
        ]
        units = feed(*pushes)
        assert units.nal_units == [(SLICE, REST, REST)] * (10 if marks == (False, False, True) else 9)


def test_other_layers_are_left_out() -> None:
    depth = b"\x02\x09\x80" + bytes(30)
    units = feed((0, False, SLICE), (0, True, depth), (3600, True, SLICE), (7200, True, SLICE))
    assert units.nal_units[0] == (SLICE,)


def test_a_lost_fragment_drops_its_nal_unit_and_flags_the_picture() -> None:
    pushes = packets(0, VPS, SPS, PPS, IDR)
    del pushes[4]
    units = feed(*pushes, (3600, True, SLICE), (7200, True, SLICE), loss_before=4)
    assert units.damaged[0]
    assert all(IDR not in unit for unit in units.nal_units)


@pytest.mark.parametrize(
    "odd", [b"\x60\x01\x00\xff\x40\x01", b"\x64\x01\x00\x00", b"\x62\x01\x05\x00\x00", b"\x7e\x01\x00"]
)
def test_cut_aggregates_and_foreign_types_flag_the_picture(odd: bytes) -> None:
    units = feed((0, False, odd), (0, True, SLICE), (3600, True, SLICE))
    assert units.nal_units[0] == (SLICE,)
    assert units.damaged[0]


def test_a_unit_that_never_ends_is_thrown_away() -> None:
    units = Units()
    depacketiser = H265Depacketiser(units)
    payload = b"\x62\x01\x13" + bytes(60_000)
    depacketiser.push(b"\x62\x01\x93" + bytes(60_000), 0, 60_003, 0, False, False, 0.0)
    for _ in range(2 * MAX_UNIT_BYTES // len(payload)):
        depacketiser.push(payload, 0, len(payload), 0, False, False, 0.0)
        assert sum(map(len, depacketiser._fragments)) <= MAX_UNIT_BYTES
    for time in (3600, 7200):
        depacketiser.push(SLICE, 0, len(SLICE), time, True, False, 0.0)
    assert units.nal_units == [(SLICE,), (SLICE,)]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.binary(max_size=80), st.booleans())), st.booleans())
def test_any_payloads_are_survived(pushes: list[tuple[int, bool, bytes, bool]], has_order_numbers: bool) -> None:
    depacketiser = H265Depacketiser(Units(), has_order_numbers=has_order_numbers)
    for time, mark, payload, is_after_loss in pushes:
        depacketiser.push(payload, 0, len(payload), time * 3600, mark, is_after_loss, 0.0)


@given(st.integers(0, 2**32))
def test_shuffled_packets_make_only_flagged_or_whole_nal_units(seed: int) -> None:
    whole = {VPS, SPS, PPS, IDR, SLICE}
    pushes = [*packets(0, VPS, SPS, PPS, IDR), *packets(3600, SLICE), *packets(7200, IDR), *packets(10_800, SLICE)]
    random.Random(seed).shuffle(pushes)
    emitted: list[AccessUnit] = []
    depacketiser = H265Depacketiser(lambda unit, _arrival_s: emitted.append(unit))
    for time, mark, payload in pushes:
        depacketiser.push(payload, 0, len(payload), time, mark, True, 0.0)  # the receiver tells of every hole
    for unit in emitted:
        assert unit.is_damaged or whole.issuperset(unit.nal_units)
