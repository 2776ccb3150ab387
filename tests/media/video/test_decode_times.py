import itertools

from hypothesis import given
from hypothesis import strategies as st

from incamera.media.video import DecodeTimes


def test_without_reordering_decode_time_is_presentation_time() -> None:
    times = DecodeTimes()
    assert [times.next(t) for t in (9000, 12600, 16333, 19800)] == [9000, 12600, 16333, 19800]


def test_b_frames_get_times_before_their_presentation() -> None:
    times = DecodeTimes(reorder=2)
    presentation = [0, 4, 2, 1, 3, 8, 6, 5, 7]  # I P B b b, with a pyramid; x 3600
    decode = [times.next(t * 3600) for t in presentation]
    assert decode == [0, 1, 2, 3600, 7200, 10800, 14400, 18000, 21600]


def test_an_understated_depth_is_learnt_at_the_first_contradiction() -> None:
    times = DecodeTimes(reorder=0)
    presentation = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
    decode = [times.next(t * 3600) for t in presentation]
    assert times.reorder >= 1
    assert all(d <= t * 3600 for d, t in list(zip(decode, presentation, strict=True))[4:])


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=200), st.integers(0, 16))
def test_decode_times_always_grow(presentation: list[int], reorder: int) -> None:
    times = DecodeTimes(reorder)
    decode = [times.next(t) for t in presentation]
    assert all(a < b for a, b in itertools.pairwise(decode))


@given(st.data(), st.integers(0, 4))
def test_no_picture_is_decoded_after_it_is_shown(data: st.DataObject, depth: int) -> None:
    """Any order in which at most `depth` pictures are held back: decode time never exceeds presentation time."""
    held: list[int] = []
    order: list[int] = []
    for shown in range(60):
        held.append(shown)
        while len(held) > depth:
            order.append(held.pop(data.draw(st.integers(0, len(held) - 1))))
    order = [-1, *order, *held]  # the sync sample is shown first
    reorder = max((sum(1 for earlier in order[:i] if earlier > t) for i, t in enumerate(order)), default=0)
    times = DecodeTimes(reorder)
    for number, t in enumerate(order):
        decode = times.next((t + 1) * 3600)
        if number >= reorder:
            assert decode <= (t + 1) * 3600
