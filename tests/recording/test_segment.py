import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incamera.kit.ids import new_id
from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording.segment import (
    HEADER_BYTES,
    Binding,
    NotASegment,
    Opening,
    RecordDamaged,
    SegmentIndex,
    SegmentOpener,
    SegmentSealer,
    parse_header,
    render_header,
    scan,
)
from incamera.storage.vault import EpochRef, HourRef, ScopeKey

KEY = ScopeKey("hour/test", bytes(range(32)))
MEDIA = ScopeKey("purpose/media", bytes(range(1, 33)))
BINDING = Binding(new_id(), HourRef(new_id(), EpochRef(new_id(), 3), 494_000), StreamKind.MAIN)
OPENING = Opening(
    run_id=new_id(), span_id=new_id(), codec="avc1.640028", timescale=90_000, init_segment=b"ftyp and moov",
    width=1920, height=1080, run_started_us=1, run_decode_time=0, gap_cause=GapCause.STARTED, first_sequence=5,
)  # fmt: skip


def a_frame(number: int, size: int = 40) -> MediaFrame:
    return MediaFrame(0, number % 4 == 0, False, 5 + number, number * 3600, 0, number * 40_000, b"%4d" % number * size)


def a_file(chunks: int = 10, *, binding: Binding = BINDING, key: ScopeKey = KEY) -> tuple[bytes, list[int], bytes]:
    """(records from the header on, their offsets, footer)."""
    sealer, data, offsets = SegmentSealer(key, binding), render_header(binding, MEDIA), []
    index = SegmentIndex(5)
    for record in itertools.chain(
        [sealer.seal_opening(OPENING)], (sealer.seal_chunk(a_frame(n), a_frame(n).wall_us) for n in range(chunks))
    ):
        if offsets:
            index.add(len(data), record.head)
        offsets.append(len(data))
        data += b"".join(record.parts)
    return data, offsets, sealer.seal_footer(index, len(data))


def test_whole_segment_reads_back() -> None:
    data, offsets, footer = a_file()
    opener = SegmentOpener(KEY, parse_header(data, MEDIA))

    found = scan(opener, data + footer)

    assert found.has_footer
    assert found.opening == OPENING
    assert list(found.index.offsets) == offsets[1:]
    assert list(found.index.syncs) == [0, 4, 8]
    end = found.index.end(4)
    head, body = opener.open_chunk(5, data[offsets[5] : end])
    assert (body, head.is_sync, head.decode_time, head.sequence) == (a_frame(4).chunk, True, 4 * 3600, 9)
    assert opener.open_footer(footer, len(data), 11, offsets[1]) == found.index


@pytest.mark.req("B5-01")
def test_file_shows_nothing_of_its_content() -> None:
    data, _, footer = a_file()
    for clear in (b"ftyp", b"avc1", b"   1   1", BINDING.hour.channel_id.bytes, BINDING.hour.epoch.device_id.bytes):
        assert clear not in data + footer


def test_borders_and_sizes_of_records_are_sealed() -> None:
    data, offsets, _ = a_file()
    sizes = {(b - a).to_bytes(4, order) for a, b in itertools.pairwise(offsets) for order in ("big", "little")}
    sizes |= {len(a_frame(0).chunk).to_bytes(4, "big")}
    assert not any(size in data for size in sizes)


@pytest.mark.req("B5-02")
@pytest.mark.parametrize("mutation", ["swap", "drop", "repeat", "foreign_segment", "foreign_epoch", "foreign_stream"])
def test_moved_and_foreign_records_do_not_open(mutation: str) -> None:
    data, offsets, _ = a_file()
    bounds = [*offsets, len(data)]
    records = [data[a:b] for a, b in itertools.pairwise(bounds)]
    hour = BINDING.hour
    foreign = {
        "foreign_segment": Binding(new_id(), hour, StreamKind.MAIN),
        "foreign_epoch": Binding(
            BINDING.segment_id, HourRef(hour.channel_id, EpochRef(hour.epoch.device_id, 4), hour.hour), StreamKind.MAIN
        ),
        "foreign_stream": Binding(BINDING.segment_id, hour, StreamKind.AUDIO),
    }
    if mutation == "swap":
        records[3], records[4] = records[4], records[3]
    elif mutation == "drop":
        del records[3]
    elif mutation == "repeat":
        records[3] = records[2]
    else:
        other, other_offsets, _ = a_file(binding=foreign[mutation])
        records[3] = other[other_offsets[3] : other_offsets[4]]

    found = scan(SegmentOpener(KEY, BINDING), data[:HEADER_BYTES] + b"".join(records))

    assert len(found.index) == 2, "everything before the mutation reads, nothing after it does"
    assert not found.has_footer


@pytest.mark.req("B5-02")
def test_missing_tail_is_detected_by_the_authenticated_count() -> None:
    data, offsets, footer = a_file()
    opener = SegmentOpener(KEY, BINDING)
    short, _, short_footer = a_file(7)

    with pytest.raises(RecordDamaged):
        opener.open_footer(short_footer, len(short), 11, offsets[1])
    with pytest.raises(RecordDamaged):
        opener.open_footer(footer, offsets[9], 11, offsets[1])
    assert not scan(opener, data[: offsets[9]] + footer).has_footer


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_detected(place: float, bit: int) -> None:
    data, offsets, footer = a_file()
    whole = bytearray(data + footer)
    at = int(place * len(whole))
    whole[at] ^= 1 << bit

    try:
        binding = parse_header(bytes(whole), MEDIA)
        found = scan(SegmentOpener(KEY, binding), bytes(whole))
    except NotASegment:
        assert at < offsets[1]
        return
    assert not found.has_footer
    assert len(found.index) == (10 if at >= len(data) else sum(offset <= at for offset in offsets) - 2)


@settings(max_examples=100, deadline=None)
@given(place=st.floats(0, 1))
def test_any_cut_leaves_the_whole_records_before_it(place: float) -> None:
    data, offsets, _ = a_file()
    cut = int(place * len(data))
    try:
        found = scan(SegmentOpener(KEY, BINDING), data[:cut])
    except NotASegment:
        assert cut < offsets[1]
        return
    assert found.end <= cut
    assert len(found.index) == sum(end <= cut for end in [*offsets[2:], len(data)])


def test_footer_made_twice_never_reuses_a_key() -> None:
    sealer, index = SegmentSealer(KEY, BINDING), SegmentIndex(0)
    assert sealer.seal_footer(index, 500)[:16] != sealer.seal_footer(index, 500)[:16]


def test_file_of_another_installation_is_no_segment() -> None:
    data, _, _ = a_file()
    with pytest.raises(NotASegment):
        parse_header(data, ScopeKey("purpose/media", bytes(32)))
    with pytest.raises(NotASegment):
        parse_header(data[: HEADER_BYTES - 1], MEDIA)


def test_index_finds_sync_samples() -> None:
    data, _, _ = a_file()
    index = scan(SegmentOpener(KEY, BINDING), data).index

    assert index.sync_at_or_before(5 * 40_000) == 4
    assert index.sync_at_or_before(-1) is None
    assert (index.sync_after(4), index.sync_after(8)) == (8, None)
    assert [index.is_sync(n) for n in (0, 1, 8)] == [True, False, True]
    assert len(index.upto(5)) == 5
    assert list(index.upto(5).syncs) == [0, 4]
