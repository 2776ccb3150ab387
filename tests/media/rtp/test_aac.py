"""AAC from RTP (RFC 3640)."""

from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtp.aac import AacDepacketiser, AuHeaderLayout, packetise_aac
from tests.support.rtp_packets import Units


def hbr(*sizes: int) -> bytes:
    return (16 * len(sizes)).to_bytes(2, "big") + b"".join((size << 3).to_bytes(2, "big") for size in sizes)


def feed(*payloads: tuple[int, bytes], loss_before: int | None = None, layout: AuHeaderLayout | None = None) -> Units:
    units = Units()
    depacketiser = AacDepacketiser(units, 1024, layout or AuHeaderLayout())
    for number, (time, payload) in enumerate(payloads):
        depacketiser.push(payload, 0, len(payload), time, True, number == loss_before, 0.0)
    return units


def test_several_units_in_a_packet_are_one_frame_apart() -> None:
    units = feed((5000, hbr(3, 2, 1) + b"aaabbc"))

    assert units.nal_units == [(b"aaa",), (b"bb",), (b"c",)]
    assert units.times == [5000, 6024, 7048]


def test_fragments_of_a_unit_are_joined() -> None:
    units = feed((0, hbr(10) + b"0123"), (0, hbr(10) + b"4567"), (0, hbr(10) + b"89"), (1024, hbr(1) + b"z"))

    assert units.nal_units == [(b"0123456789",), (b"z",)]
    assert units.damaged == [False, False]


def test_a_lost_fragment_flags_the_next_unit() -> None:
    units = feed((0, hbr(10) + b"0123"), (1024, hbr(1) + b"z"), (2048, hbr(1) + b"y"))

    assert units.nal_units == [(b"z",), (b"y",)]
    assert units.damaged == [True, False]


def test_the_low_rate_layout_is_read() -> None:
    header = (16).to_bytes(2, "big") + bytes([3 << 2, 2 << 2])

    assert feed((0, header + b"aaabb"), layout=AuHeaderLayout(6, 2, 2)).nal_units == [(b"aaa",), (b"bb",)]


def test_a_table_that_promises_too_much_is_refused() -> None:
    units = feed((0, hbr(3, 200) + b"aaab"), (0, b"\xff\xff\x00"), (0, b"\x00\x00"), (0, b"\x10"), (9, hbr(1) + b"z"))

    assert units.nal_units[-1] == (b"z",)
    assert units.damaged[-1]


@given(st.binary(min_size=1, max_size=6000))
def test_whatever_is_packetised_comes_back(unit: bytes) -> None:
    units = feed(*[(0, payload) for _, payload in packetise_aac(unit)])

    assert units.nal_units == [(unit,)]


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_no_payload_raises(payloads: list[bytes]) -> None:
    feed(*[(0, payload) for payload in payloads])
