"""The GOP that a stream nobody watches keeps in memory, and no more."""

from types import SimpleNamespace
from uuid import UUID

from incamera.edge.lanes import MAX_GOP_BYTES, MAX_GOP_S, GopCache, Lane, Run
from incamera.edge.parcels import OutChunk
from incamera.kit.clock import SystemClock
from incamera.media.sample import Chunk, TrackConfig
from incamera.protocol.messages import GapCause, StreamKind, StreamMode, StreamOpen


def a_chunk(arrived_s: float, *, is_sync: bool = False, size: int = 10) -> OutChunk:
    return OutChunk(0, 0, is_sync, 0, bytes(size), arrived_s)


def test_it_holds_what_came_since_the_last_sync_sample() -> None:
    gop = GopCache()
    for number in range(25):
        gop.push(a_chunk(number / 25, is_sync=number % 10 == 3))

    assert [chunk.arrived_s for chunk in gop.chunks] == [number / 25 for number in range(23, 25)]


def test_a_lane_needs_a_sync_sample_only_if_something_waits_for_it() -> None:
    lane = Lane(UUID(int=1), StreamKind.MAIN, Line(), SystemClock())  # type: ignore[arg-type]
    config = TrackConfig("video", "avc1.64001f", 90_000, b"init")
    lane.begin_run(Run(UUID(int=2), config, 0, 0, GapCause.STARTED))
    lane.apply(StreamMode.LIVE, is_watched=False, epoch=1)
    assert not lane.needs_sync, "nobody watches"
    lane.apply(StreamMode.LIVE, is_watched=True, epoch=1)
    assert lane.needs_sync

    lane.push(Chunk(0, 0, True, b"picture"), 0, 0.0)
    assert not lane.needs_sync
    lane.push(Chunk(5_490_000, 0, False, b"picture"), 0, MAX_GOP_S + 1)
    assert not lane._gop.chunks
    assert not lane.needs_sync, "who watches goes on watching"

    lane.apply(StreamMode.RECORD, is_watched=True, epoch=1)
    assert lane.needs_sync, "recording begins with the next one"


class Line:
    """A courier that takes everything and sends nothing."""

    can_send_live = True
    last_trouble = GapCause.STARTED

    def open_span(self, opened: StreamOpen, *, is_recorded: bool) -> SimpleNamespace:
        return SimpleNamespace(is_recorded=is_recorded, is_gone=False, closed_by=None, is_backlog=False)

    def append(self, span: object, chunk: OutChunk) -> None:
        pass

    def close_span(self, span: object, cause: GapCause) -> None:
        pass


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
