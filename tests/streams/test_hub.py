"""What subscribers of the Hub may rely on."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from incamera.kit.ids import new_id
from incamera.media.cmaf import Packager
from incamera.media.sample import Sample
from incamera.media.video.codecs import make_assembler
from incamera.protocol.frames import parse_viewer_header
from incamera.protocol.messages import CameraFault, CameraState, GapCause, StreamKind
from incamera.streams import ChannelState, Hub, LiveChunk, Run, StreamKey
from incamera.streams import hub as hub_module
from tests.support.clips import a_video
from tests.support.clock import MovableClock
from tests.support.sockets import StreamDouble, a_run


class Listener:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.bursts: list[Sequence[LiveChunk]] = []
        self.chunks: list[LiveChunk] = []
        self.offline: list[GapCause] = []
        self.states: list[ChannelState] = []

    def on_run(self, run: Run) -> None:
        self.runs.append(run)

    def on_burst(self, chunks: Sequence[LiveChunk]) -> None:
        self.bursts.append(chunks)

    def on_chunk(self, chunk: LiveChunk) -> None:
        self.chunks.append(chunk)

    def on_offline(self, cause: GapCause) -> None:
        self.offline.append(cause)

    def on_state(self, state: ChannelState) -> None:
        self.states.append(state)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def hub(clock: MovableClock) -> Hub:
    return Hub(clock)


async def test_newcomer_gets_the_run_and_the_gop_from_its_sync_sample(hub: Hub) -> None:
    stream, listener = StreamDouble(hub, gop=10), Listener()
    stream.begin()
    stream.push(14)

    hub.subscribe(stream.key, listener)
    stream.push()

    assert len(listener.runs) == 1
    assert [chunk.decode_time for chunk in listener.bursts[0]] == [36_000, 39_600, 43_200, 46_800]
    assert listener.bursts[0][0].is_sync
    assert [chunk.decode_time for chunk in listener.chunks] == [50_400]


async def test_all_viewers_share_one_framed_message(hub: Hub) -> None:
    stream, one, other = StreamDouble(hub), Listener(), Listener()
    hub.subscribe(stream.key, one)
    hub.subscribe(stream.key, other)
    stream.begin()
    stream.push()

    frame = one.chunks[0].frame

    assert frame is other.chunks[0].frame
    assert frame[:2] == bytes((0x82, 126))
    assert parse_viewer_header(frame[4:])[:3] == (hub.handle(stream.key), True, 0)
    assert frame[4 + 24 :] == one.chunks[0].data


async def test_a_subscriber_that_fails_is_dropped_and_the_others_hear_on(hub: Hub) -> None:
    class Broken(Listener):
        def on_chunk(self, chunk: LiveChunk) -> None:
            raise RuntimeError("a mistake")

    stream, broken, sound = StreamDouble(hub), Broken(), Listener()
    hub.subscribe(stream.key, broken)
    hub.subscribe(stream.key, sound)
    stream.begin()
    stream.push(3)
    stream.begin()

    assert len(sound.chunks) == 3
    assert (len(broken.runs), len(sound.runs)) == (1, 2)


async def test_chunks_before_the_first_sync_sample_reach_nobody(hub: Hub) -> None:
    stream, listener = StreamDouble(hub), Listener()
    hub.subscribe(stream.key, listener)
    stream.begin()
    assert stream.publication is not None

    stream.publication.publish(is_sync=False, decode_time=0, wall_us=1, chunk=b"x")
    stream.publication.publish(is_sync=True, decode_time=1, wall_us=1, chunk=b"y")

    assert [chunk.decode_time for chunk in listener.chunks] == [1]


async def test_newer_run_silences_the_older_and_tells_the_gap(hub: Hub) -> None:
    stream, listener = StreamDouble(hub), Listener()
    hub.subscribe(stream.key, listener)
    stream.begin()
    stream.push(2)
    older = stream.publication
    assert older is not None

    stream.begin(GapCause.LINE_LOST)
    older.publish(is_sync=True, decode_time=9, wall_us=9, chunk=b"late")
    older.end(GapCause.CAMERA_LOST)

    assert listener.runs[1].gap is not None
    assert listener.runs[1].gap.cause is GapCause.LINE_LOST
    assert listener.runs[1].gap.seconds is not None
    assert len(listener.chunks) == 2
    assert not listener.offline


@pytest.mark.parametrize("limit", ["bytes", "seconds"])
async def test_gop_beyond_the_limits_is_not_kept(hub: Hub, limit: str) -> None:
    stream, listener = StreamDouble(hub), Listener()
    stream.begin()
    assert stream.publication is not None
    step, size = (3600, 6_000_000) if limit == "bytes" else (16 * 90_000, 100)
    for number in range(4):
        stream.publication.publish(is_sync=not number, decode_time=number * step, wall_us=0, chunk=bytes(size))

    hub.subscribe(stream.key, listener)

    assert listener.bursts == [()]


async def test_sound_starts_two_seconds_back(hub: Hub) -> None:
    stream, listener = StreamDouble(hub, StreamKey(new_id(), StreamKind.AUDIO), gop=1), Listener()
    stream.begin()
    stream.push(100)

    hub.subscribe(stream.key, listener)

    assert len(listener.bursts[0]) == 51, "25 chunks a second, both ends included"


@pytest.mark.req("B4-02")
async def test_a_picture_nobody_followed_up_leaves_the_memory(hub: Hub, clock: MovableClock) -> None:
    stream, listener = StreamDouble(hub), Listener()
    stream.begin()
    stream.push(3)

    clock.move(seconds=hub_module.STALE_AFTER_S + 1)
    hub.drop_stale()
    hub.subscribe(stream.key, listener)

    assert listener.bursts == [()]


async def test_end_of_a_run_is_told_and_empties_the_cache(hub: Hub) -> None:
    stream, listener, late = StreamDouble(hub), Listener(), Listener()
    hub.subscribe(stream.key, listener)
    stream.begin()
    stream.push(3)
    assert stream.publication is not None

    stream.publication.end(GapCause.CAMERA_LOST)
    hub.subscribe(stream.key, late)

    assert listener.offline == [GapCause.CAMERA_LOST]
    assert not late.runs
    assert not late.bursts


async def test_watching_starts_at_once_and_ends_after_a_while(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "WATCH_OFF_DELAY_S", 0.05)
    key, heard = StreamKey(new_id(), StreamKind.MAIN), []
    hub.on_watch_change(lambda key, is_watched: heard.append((key.stream, is_watched)))

    hub.subscribe(key, Listener())()
    unsubscribe = hub.subscribe(key, Listener())
    assert heard == [("main", True)], "a reload of the page is no end of watching"
    unsubscribe()
    assert hub.is_watched(key)
    await asyncio.sleep(0.1)

    assert heard == [("main", True), ("main", False)]
    assert not hub.is_watched(key)


async def test_people_are_counted_by_picture_and_machines_are_not(hub: Hub) -> None:
    channel_id, counts = new_id(), []
    hub.on_viewers_change(lambda _channel_id, count: counts.append(count))

    leave = hub.subscribe(StreamKey(channel_id, StreamKind.MAIN), Listener())
    hub.subscribe(StreamKey(channel_id, StreamKind.AUDIO), Listener())
    hub.subscribe(StreamKey(channel_id, StreamKind.SUB), Listener(), is_viewer=False)
    assert hub.viewer_count(channel_id) == 1
    leave()
    leave()

    assert counts == [1, 0]


async def test_state_is_told_to_those_who_watch_and_those_who_come(hub: Hub) -> None:
    stream, listener, late = StreamDouble(hub), Listener(), Listener()
    hub.subscribe(stream.key, listener)
    state = ChannelState(CameraState.OFFLINE, CameraFault.REFUSED_PASSWORD, 7)

    hub.announce_state(stream.key.channel_id, state)
    hub.subscribe(stream.key, late)

    assert listener.states == late.states == [state]


async def test_iterator_skips_to_a_sync_sample_when_its_reader_is_slow(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "GOP_CACHE_BYTES", 60_000)
    stream = StreamDouble(hub, gop=5, picture_bytes=4000)
    stream.begin()
    received = hub.chunks(stream.key)
    first = await anext(received)
    stream.push(12)  # more than the queue takes

    second = await anext(received)

    assert isinstance(first, Run)
    assert isinstance(second, LiveChunk)
    assert second.is_sync
    await received.aclose()


async def test_newcomers_to_a_long_gop_let_the_camera_be_asked_once(hub: Hub, clock: MovableClock) -> None:
    stream, wanted = StreamDouble(hub, gop=10_000), list[StreamKey]()
    hub.on_sync_wanted(wanted.append)
    stream.begin()
    stream.push(50)  # two seconds

    hub.subscribe(stream.key, Listener())
    assert not wanted, "two seconds are soon decoded"
    stream.push(100)
    for _ in range(20):
        hub.subscribe(stream.key, Listener())
    assert wanted == [stream.key]

    clock.move(seconds=hub_module.WANT_SYNC_EVERY_S)
    hub.subscribe(stream.key, Listener())
    assert wanted == [stream.key] * 2


async def test_a_newcomer_after_the_cache_was_given_up_lets_the_camera_be_asked(hub: Hub) -> None:
    stream, listener, wanted = StreamDouble(hub, gop=10_000), Listener(), list[StreamKey]()
    hub.on_sync_wanted(wanted.append)
    stream.begin()
    stream.push(31 * 25)

    hub.subscribe(stream.key, listener)

    assert not listener.bursts[0]
    assert wanted == [stream.key]


async def test_viewers_begin_with_a_picture_that_decodes_alone_not_with_a_gradual_one(hub: Hub) -> None:
    units = a_video(600, gop=50, size=(64, 48), **{"x264-params": "intra-refresh=1:keyint=50:bframes=0"})
    assembler, packager = make_assembler("H264"), Packager(90_000)
    samples = [sample for unit in units[10:] if (sample := assembler.push(unit))]
    stream, listener, wanted = StreamDouble(hub), Listener(), list[StreamKey]()
    hub.on_sync_wanted(wanted.append)
    publication = hub.begin_run(stream.key, replace(a_run(), codec="avc1.64001f"))

    def publish(sample: Sample) -> None:
        chunk = packager.push(sample)
        publication.publish(is_sync=chunk.is_sync, decode_time=chunk.decode_time, wall_us=1, chunk=chunk.data)

    for sample in samples[:60]:
        publish(sample)
    assert not wanted, "nobody is there"
    hub.subscribe(stream.key, listener)
    for sample in samples[60:]:
        publish(sample)

    assert not listener.chunks, "no browser could begin with these"
    assert wanted == [stream.key]
    for number, unit in enumerate(units[:3]):  # the camera has heard us
        sample = make_assembler("H264").push(unit) if number == 0 else assembler.push(unit)
        assert sample is not None
        publish(sample)
    assert [chunk.is_sync for chunk in listener.chunks] == [True, False, False]


async def test_before_the_first_picture_of_a_run_nobody_is_asked(hub: Hub) -> None:
    stream, wanted = StreamDouble(hub), list[StreamKey]()
    hub.on_sync_wanted(wanted.append)

    hub.subscribe(stream.key, Listener())
    stream.begin()
    hub.subscribe(stream.key, Listener())

    assert not wanted, "it begins with a sync sample"
