"""H.264 from RTP: RFC 6184, and cameras that do not follow it."""

from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtp.h264 import H264Depacketiser, packetise_h264
from incamera.media.rtp.nal_units import MAX_UNIT_BYTES
from tests.support.rtp_packets import Units

SPS, PPS, SEI, AUD = b"\x67\x42\x00\x1f", b"\x68\xce\x3c\x80", b"\x06\x05\x01\x00", b"\x09\xf0"
IDR = b"\x65\x88" + b"i" * 3000  # 0x88: first_mb_in_slice is 0
SLICE = b"\x41\x9a" + b"p" * 20
SECOND_SLICE = b"\x41\x4a" + b"q" * 20  # begins at another macroblock
Push = tuple[int, bool, bytes]


def feed(*pushes: Push, loss_before: int | None = None) -> Units:
    units = Units()
    depacketiser = H264Depacketiser(units)
    for number, (time, is_marked, payload) in enumerate(pushes):
        depacketiser.push(payload, 0, len(payload), time, is_marked, number == loss_before, float(number))
    return units


def packets(time: int, *nal_units: bytes) -> list[Push]:
    return [(time, is_marked, payload) for is_marked, payload in packetise_h264(nal_units)]


def test_fragments_single_units_and_aggregates_become_nal_units() -> None:
    aggregate = b"\x78" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in (SPS, PPS))

    units = feed((0, False, aggregate), *packets(0, SEI, IDR), *packets(3600, SLICE))

    assert units.nal_units[0] == (SPS, PPS, SEI, IDR)
    assert not units.damaged[0]


def test_a_camera_with_honest_markers_is_not_waited_for() -> None:
    units = feed(*packets(0, IDR), *packets(3600, SLICE), *packets(7200, SLICE))

    assert units.times == [0, 3600, 7200], "only the first picture is held until its successor begins"
    assert units.arrivals[0] == 2.0, "the held picture keeps the arrival of its own last packet"


def test_without_markers_the_next_timestamp_ends_a_unit() -> None:
    units = feed(*[(time, False, SLICE) for time in (0, 3600, 7200, 10_800)])

    assert units.times == [0, 3600, 7200]


def test_a_marker_on_every_slice_does_not_tear_pictures() -> None:
    pictures = [push for time in (0, 3600, 7200) for push in ((time, True, SLICE), (time, True, SECOND_SLICE))]

    units = feed(*pictures, (10_800, True, SLICE))

    assert units.nal_units == [(SLICE, SECOND_SLICE)] * 3
    assert units.damaged == [False] * 3


def test_a_marker_on_parameter_sets_ends_nothing() -> None:
    units = feed((0, True, SPS), (0, True, PPS), *packets(0, IDR), (3600, True, SLICE))

    assert units.nal_units[0] == (SPS, PPS, IDR)


def test_parameter_sets_under_the_time_before_join_the_picture_after() -> None:
    units = feed(*packets(0, IDR), *packets(3600, SLICE), (3600, False, SPS), (3600, False, PPS), *packets(7200, IDR))

    assert units.nal_units[1:] == [(SLICE,), (SPS, PPS, IDR)]
    assert units.times == [0, 3600, 7200]


def test_a_liar_found_out_late_costs_one_damaged_picture() -> None:
    honest = [*packets(0, IDR), *packets(3600, SLICE)]
    lying = [push for time in (7200, 10_800, 14_400) for push in ((time, True, SLICE), (time, True, SECOND_SLICE))]

    units = feed(*honest, *lying, (18_000, True, SLICE))

    assert units.nal_units[2:] == [(SLICE,), (SLICE, SECOND_SLICE), (SLICE, SECOND_SLICE)]
    assert units.damaged == [False, False, False, True, False]


def test_two_pictures_may_share_a_timestamp() -> None:
    units = feed(*packets(0, AUD, IDR), *packets(3600, AUD, SLICE), *packets(3600, AUD, SLICE), *packets(7200, SLICE))

    assert units.times == [0, 3600, 3600, 7200]
    assert not any(units.damaged)


def test_a_lost_fragment_drops_its_nal_unit_and_flags_the_picture() -> None:
    pushes = packets(0, SPS, PPS, IDR)
    del pushes[3]

    units = feed(*pushes, (3600, True, SLICE), (7200, True, SLICE), loss_before=3)

    assert units.nal_units == [(SPS, PPS, SLICE), (SLICE,)]
    assert units.damaged == [True, False]


def test_what_is_lost_whole_flags_the_next_picture() -> None:
    units = feed(*packets(0, SLICE), *packets(3600, SLICE), *packets(7200, SLICE), loss_before=1)

    assert units.damaged == [False, True, False]


def test_a_fragment_without_beginning_and_an_unfinished_one_are_not_made_up() -> None:
    fragments = packets(0, IDR)

    units = feed(fragments[1], fragments[2], *packets(0, SLICE), fragments[0], (3600, True, SLICE), (7200, True, SLICE))

    assert units.nal_units[0] == (SLICE,)
    assert units.damaged[0]


def test_a_cut_aggregate_and_foreign_types_flag_the_picture() -> None:
    for odd in (b"\x78\x00\xff\x67", b"\x79\x00\x00", b"\x7d\x80", b"\x60\x00"):
        units = feed((0, False, odd), (0, True, SLICE), (3600, True, SLICE))
        assert units.nal_units[0] == (SLICE,)
        assert units.damaged[0]


def test_a_unit_that_never_ends_is_thrown_away() -> None:
    units = Units()
    depacketiser = H264Depacketiser(units)
    payload = b"\x7c\x05" + bytes(60_000)
    depacketiser.push(b"\x7c\x85" + bytes(60_000), 0, 60_002, 0, False, False, 0.0)
    for _ in range(2 * MAX_UNIT_BYTES // len(payload)):
        depacketiser.push(payload, 0, len(payload), 0, False, False, 0.0)
        assert sum(map(len, depacketiser._fragments)) <= MAX_UNIT_BYTES
    for time in (3600, 7200):
        depacketiser.push(SLICE, 0, len(SLICE), time, True, False, 0.0)

    assert units.nal_units == [(SLICE,), (SLICE,)]
    assert units.damaged == [True, False]


def test_parameter_sets_without_pictures_do_not_pile_up() -> None:
    units = Units()
    depacketiser = H264Depacketiser(units)
    for time in range(40_000):
        depacketiser.push(SPS, 0, len(SPS), time, True, False, 0.0)

    assert len(depacketiser._nal_units) <= 16_384


nal_unit_strategy = st.builds(
    lambda kind, first, rest: bytes([0x60 | kind, first]) + rest,
    st.sampled_from([1, 5, 6, 7, 8]),
    st.integers(0x80, 0xFF),
    st.binary(max_size=5000),
)


@given(st.lists(st.tuples(nal_unit_strategy, st.binary(min_size=1, max_size=20)), min_size=1, max_size=6))
def test_whatever_is_packetised_comes_back(pictures: list[tuple[bytes, bytes]]) -> None:
    whole = [(nal_unit, b"\x61\x80" + slice_rest) for nal_unit, slice_rest in pictures]
    pushes = [push for number, nal_units in enumerate(whole) for push in packets(number * 3600, *nal_units)]

    units = feed(*pushes, (99 * 3600, True, SLICE), (100 * 3600, True, SLICE))

    flat = [nal_unit for unit in units.nal_units for nal_unit in unit]
    assert flat[: len(whole) * 2] == [nal_unit for nal_units in whole for nal_unit in nal_units]
    assert not any(units.damaged)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.binary(max_size=60), st.booleans()), max_size=40))
def test_no_payload_raises(pushes: list[tuple[int, bool, bytes, bool]]) -> None:
    depacketiser = H264Depacketiser(Units())
    for time, is_marked, payload, is_after_loss in pushes:
        depacketiser.push(payload, 0, len(payload), time, is_marked, is_after_loss, 0.0)
