"""Runs, and sound on the picture's time line, from units with chosen times."""

from uuid import UUID

import pytest

from incamera.edge.feed import ConnectionFeed
from incamera.edge.lanes import Lane, Run
from incamera.edge.server_clock import ServerClock
from incamera.edge.sources.base import ClockPoint, TrackInfo
from incamera.kit.clock import SystemClock
from incamera.media.isobmff import parse_chunk
from incamera.media.sample import AccessUnit, Chunk
from incamera.protocol.messages import GapCause, StreamKind, StreamMode
from tests.support.clips import a_video
from tests.support.unit_source import encoded_pictures

AAC_16K_MONO = bytes.fromhex("1408")
VIDEO = TrackInfo("video", "H264", 90_000)
AUDIO = TrackInfo("audio", "MPEG4-GENERIC", 16_000, config=AAC_16K_MONO)


class ListeningLane(Lane):
    """Keeps what it is given instead of sending it."""

    def __init__(self, kind: StreamKind) -> None:
        super().__init__(UUID(int=1), kind, None, SystemClock())  # type: ignore[arg-type]
        self.runs: list[Run] = []
        self.chunks: list[tuple[Chunk, int]] = []

    def begin_run(self, run: Run) -> None:
        self.runs.append(run)

    def end_run(self, cause: GapCause) -> None:
        pass

    def push(self, chunk: Chunk, wall_us: int, arrived_s: float) -> None:
        self.chunks.append((chunk, wall_us))

    def wait_for_sync(self) -> None:
        """As if somebody had begun to watch and nothing lay in memory."""
        self._run = self.runs[-1]
        self.apply(StreamMode.LIVE, is_watched=True, epoch=1)

    def record(self) -> None:
        """As if a span were being recorded."""
        self._run = self.runs[-1]
        self._mode = StreamMode.RECORD
        self._span = RecordedSpan()  # type: ignore[assignment]


class RecordedSpan:
    is_recorded = True


class Bench:
    """A feed with two lanes, and a camera clock that a test sets."""

    def __init__(self, *tracks: TrackInfo) -> None:
        self.picture, self.sound = ListeningLane(StreamKind.MAIN), ListeningLane(StreamKind.AUDIO)
        self.points: dict[int, ClockPoint] = {}
        self.feed = ConnectionFeed(
            tracks,
            self.picture,
            self.sound,
            ServerClock(SystemClock()),
            self.points.get,
            lambda codec, on_frame: pytest.fail("AAC needs no encoder"),
            GapCause.STARTED,
            lambda: None,
            lambda: self.asked_s.append(self.now_s),
        )
        self.asked_s: list[float] = []
        self.now_s = 0.0

    def show(self, number: int, arrived_s: float, *, time: int | None = None, width: int = 64) -> None:
        pictures = encoded_pictures(width=width)
        time = 7_000_000 + number * 3600 if time is None else time
        self.now_s = arrived_s
        self.feed.on_unit(0, AccessUnit(time, pictures[number % len(pictures)]), arrived_s)

    def play(self, number: int, arrived_s: float) -> None:
        self.feed.on_unit(1, AccessUnit(123 + number * 1024, (b"\x21\x10\x05",)), arrived_s)


def test_a_run_begins_at_decode_time_zero_with_its_first_sync_sample() -> None:
    bench = Bench(VIDEO)
    for number in range(3, 25):
        bench.show(number, 100 + number / 25)

    [run] = bench.picture.runs
    assert (run.gap_cause, run.decode_start) == (GapCause.STARTED, 0)
    first, wall_us = bench.picture.chunks[0]
    assert first.is_sync
    assert first.decode_time == 0
    assert wall_us == run.started_us
    assert len(bench.picture.chunks) == 15, "what came before the sync sample cannot be decoded"


def test_a_silence_of_more_than_two_seconds_begins_a_new_run_at_a_sync_sample() -> None:
    bench = Bench(VIDEO)
    for number in range(15):
        bench.show(number, 100 + number / 25)
    for number in range(15, 35):
        bench.show(number, 103 + number / 25, time=7_000_000 + 90_000 * 3 + number * 3600)

    assert [run.gap_cause for run in bench.picture.runs] == [GapCause.STARTED, GapCause.CAMERA_LOST]
    assert bench.picture.chunks[15][0].decode_time == 0
    assert len(bench.picture.chunks) == 15 + 15


def test_a_short_silence_is_only_a_late_picture() -> None:
    bench = Bench(VIDEO)
    bench.show(0, 100)
    bench.show(1, 101.9, time=7_000_000 + round(1.9 * 90_000))

    assert len(bench.picture.runs) == 1
    assert bench.picture.chunks[1][0].decode_time == round(1.9 * 90_000)


def test_other_parameter_sets_begin_a_new_run() -> None:
    bench = Bench(VIDEO)
    bench.show(0, 100)
    bench.show(10, 100.4, width=96)

    assert [run.config.width for run in bench.picture.runs] == [64, 96]
    assert bench.picture.runs[1].gap_cause is GapCause.CAMERA_CHANGED


def test_sound_shares_the_pictures_origin_and_begins_after_it() -> None:
    bench = Bench(VIDEO, AUDIO)
    bench.play(0, 99.9)
    bench.show(0, 100.0)
    for number in range(1, 10):
        bench.play(number, 100.05 + (number - 1) * 0.064)

    [picture], [sound] = bench.picture.runs, bench.sound.runs
    assert sound.started_us == picture.started_us
    assert sound.run_id != picture.run_id
    assert sound.decode_start == picture.decode_start
    assert bench.sound.chunks[0][0].decode_time == pytest.approx(0.05 * 16_000, abs=1)


def test_sender_reports_that_come_first_place_sound_at_once() -> None:
    bench = Bench(VIDEO, AUDIO)
    bench.show(0, 100.0)
    bench.points = {0: ClockPoint(7_000_000, 5_000.0), 1: ClockPoint(123 + 1024, 5_000.0)}
    bench.feed._clock_point = bench.points.get
    for number in range(1, 5):
        bench.play(number, 100.2 + (number - 1) * 0.064)

    assert bench.sound.chunks[0][0].decode_time == pytest.approx(0, abs=30)


def test_sender_reports_draw_sound_to_its_picture() -> None:
    bench = Bench(VIDEO, AUDIO)
    bench.show(0, 100.0)
    for number in range(1, 400):
        if number == 3:
            # Sound arrives 200 ms after the picture it belongs to, as the camera's clock shows.
            bench.points = {0: ClockPoint(7_000_000, 5_000.0), 1: ClockPoint(123 + 1024, 5_000.0)}
            bench.feed._clock_point = bench.points.get
        if number % 2:
            bench.show(number // 2 + 1, 100 + number * 0.064)
        bench.play(number, 100.2 + (number - 1) * 0.064)

    first, last = bench.sound.chunks[0][0].decode_time, bench.sound.chunks[-1][0].decode_time
    assert first == pytest.approx(0.2 * 16_000, abs=30)
    assert last - 398 * 1024 == pytest.approx(0, abs=0.008 * 16_000)
    steps = [
        later[0].decode_time - earlier[0].decode_time
        for earlier, later in zip(bench.sound.chunks, bench.sound.chunks[1:], strict=False)
    ]
    assert min(steps) >= 1024 * 0.97, "tiny steps only"


def test_chunks_are_what_the_lane_says_they_are() -> None:
    bench = Bench(VIDEO)
    for number in range(2):
        bench.show(number, 100 + number / 25)

    for chunk, _ in bench.picture.chunks:
        [sample] = parse_chunk(chunk.data)
        assert (sample.decode_time, sample.is_sync) == (chunk.decode_time, chunk.is_sync)


def test_a_gradual_beginning_is_none_that_anybody_waits_for() -> None:
    bench = Bench(VIDEO)
    units = a_video(250, gop=50, **{"x264-params": "intra-refresh=1:keyint=50:bframes=0"})[10:]
    for number, unit in enumerate(units):
        bench.now_s = 100 + number / 25
        bench.feed.on_unit(0, unit, bench.now_s)

    assert bench.picture.chunks[0][0].is_sync, "it is recorded"
    assert bench.asked_s == [pytest.approx(101), pytest.approx(106)], "and the camera asked for something better"


def show_long_gop(bench: Bench, seconds: range, *, first: int = 1) -> None:
    """A picture a second, the sync sample of which is long past."""
    for second in seconds:
        bench.show(first + second % 9, 100.0 + second, time=7_000_000 + second * 90_000)


def test_a_camera_that_begins_without_a_sync_sample_is_asked_for_one() -> None:
    bench = Bench(VIDEO)

    show_long_gop(bench, range(12))

    assert bench.asked_s == [101, 106, 111]
    bench.show(0, 112.0, time=7_000_000 + 12 * 90_000)
    show_long_gop(bench, range(13, 40))
    assert bench.asked_s == [101, 106, 111], "nobody waits for the next one"


def test_who_waits_lets_a_camera_with_long_gops_be_asked() -> None:
    bench = Bench(VIDEO)
    bench.show(0, 100.0)
    show_long_gop(bench, range(1, 3))
    bench.picture.wait_for_sync()

    show_long_gop(bench, range(3, 11))

    assert bench.asked_s == [104, 109]


def test_what_is_recorded_has_a_sync_sample_before_viewers_have_to_wait() -> None:
    bench = Bench(VIDEO)
    bench.show(0, 100.0)
    bench.picture.record()

    show_long_gop(bench, range(1, 60))

    assert bench.asked_s == [119, 137, 155]


def test_a_gop_of_two_seconds_is_nobodys_business() -> None:
    bench = Bench(VIDEO)
    for number in range(30):
        bench.show(number, 100 + number / 5, time=7_000_000 + number * 18_000)
        bench.picture.record()
        assert not bench.feed.video.is_sync_rare(100 + number / 5)

    assert not bench.asked_s
