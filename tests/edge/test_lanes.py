"""The GOP that a stream nobody watches keeps in memory, and no more."""

from incamera.edge.lanes import MAX_GOP_BYTES, MAX_GOP_S, GopCache
from incamera.edge.parcels import OutChunk


def a_chunk(arrived_s: float, *, is_sync: bool = False, size: int = 10) -> OutChunk:
    return OutChunk(0, 0, is_sync, 0, bytes(size), arrived_s)


def test_it_holds_what_came_since_the_last_sync_sample() -> None:
    gop = GopCache()
    for number in range(25):
        gop.push(a_chunk(number / 25, is_sync=number % 10 == 3))

    assert [chunk.arrived_s for chunk in gop.chunks] == [number / 25 for number in range(23, 25)]


def test_a_gop_that_grows_too_long_or_too_large_is_forgotten_until_the_next_one() -> None:
    for late in (a_chunk(MAX_GOP_S + 1), a_chunk(1, size=MAX_GOP_BYTES)):
        gop = GopCache()
        gop.push(a_chunk(0, is_sync=True))
        gop.push(late)
        assert gop.chunks == []
        gop.push(a_chunk(70))
        assert gop.chunks == []
        gop.push(a_chunk(71, is_sync=True))
        assert len(gop.chunks) == 1
