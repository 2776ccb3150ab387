"""32-bit timestamps as times that do not wrap."""

from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtp.timestamps import TimestampUnwrapper


def test_time_goes_on_where_the_timestamp_wraps() -> None:
    unwrapper = TimestampUnwrapper()

    assert [unwrapper.unwrap(stamp) for stamp in (0xFFFFF000, 0xFFFFFE10, 0x00000C20)] == [
        0xFFFFF000,
        0xFFFFFE10,
        0x100000C20,
    ]


def test_reordered_pictures_step_back() -> None:
    unwrapper = TimestampUnwrapper()

    assert [unwrapper.unwrap(stamp) for stamp in (10_800, 18_000, 14_400)] == [10_800, 18_000, 14_400]


def test_a_report_is_placed_without_moving_on() -> None:
    unwrapper = TimestampUnwrapper()
    assert unwrapper.peek(5) is None

    unwrapper.unwrap(0xFFFFFFFF)

    assert unwrapper.peek(9) == 0x100000009
    assert unwrapper.unwrap(0) == 0x100000000


def test_a_new_sender_is_never_taken_for_a_continuation() -> None:
    unwrapper = TimestampUnwrapper()
    last = unwrapper.unwrap(90_000)
    unwrapper.start_again()

    assert unwrapper.unwrap(93_600) - last > 1 << 32


@given(st.integers(0, 1 << 32), st.lists(st.integers(-(1 << 31) + 1, (1 << 31) - 1), max_size=50))
def test_every_step_keeps_its_size(start: int, steps: list[int]) -> None:
    unwrapper = TimestampUnwrapper()
    time = unwrapper.unwrap(start & 0xFFFFFFFF)
    for step in steps:
        following = unwrapper.unwrap((time + step) & 0xFFFFFFFF)
        assert following - time == step
        time = following
