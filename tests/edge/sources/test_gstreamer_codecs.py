"""H.265 and every kind of sound from GStreamer's encoders and payloaders, through the edge's own feed."""

import asyncio
import io
from collections import Counter
from uuid import UUID

import av
import numpy as np
import pytest

from incamera.edge.decoder.processes import SoundEncoders
from incamera.edge.feed import ConnectionFeed
from incamera.edge.lanes import Lane, Run
from incamera.edge.server_clock import ServerClock
from incamera.kit.clock import SystemClock
from incamera.media.sample import Chunk
from incamera.protocol.messages import GapCause, StreamKind
from tests.support.cameras import a_source, has_gstreamer_elements, running_live_gstreamer

PICTURE = (
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1"
    " ! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=25 option-string={options}"
    " ! h265parse config-interval={sets} ! rtph265pay name=pay0 pt=96 aggregate-mode={aggregate} config-interval={sets}"
)
TONE = (
    "audiotestsrc is-live=true freq=440 volume=0.4 samplesperbuffer={samples}"
    " ! audio/x-raw,rate={rate},channels={channels}"
)
# Name of the payload: encoder and payloader, sample rate, channels, codec of the track that comes out.
SOUNDS = {
    "opus": ("opusenc ! rtpopuspay", 48_000, 1, "opus"),
    "opus, 60 ms": ("opusenc frame-size=60 ! rtpopuspay", 48_000, 1, "opus"),
    "opus, stereo": ("opusenc ! rtpopuspay", 48_000, 2, "opus"),
    "l16 at 16 kHz": ("rtpL16pay", 16_000, 1, "mp4a.40.2"),
    "l16 at 44.1 kHz, stereo": ("rtpL16pay", 44_100, 2, "mp4a.40.2"),
    "g722": ("avenc_g722 ! rtpg722pay", 16_000, 1, "mp4a.40.2"),
    "g726 at 32 kbit/s": ("avenc_g726 bitrate=32000 ! rtpg726pay", 8_000, 1, "mp4a.40.2"),
    "g726 at 16 kbit/s": ("avenc_g726 bitrate=16000 ! rtpg726pay", 8_000, 1, "mp4a.40.2"),
    "a-law": ("alawenc ! rtppcmapay", 8_000, 1, "mp4a.40.2"),
}


class KeepingLane(Lane):
    """Keeps what it is given instead of sending it."""

    def __init__(self, kind: StreamKind) -> None:
        super().__init__(UUID(int=1), kind, None, SystemClock())  # type: ignore[arg-type]
        self.runs: list[Run] = []
        self.chunks: list[Chunk] = []

    def begin_run(self, run: Run) -> None:
        self.runs.append(run)

    def end_run(self, cause: GapCause) -> None:
        pass

    def push(self, chunk: Chunk, wall_us: int, arrived_s: float) -> None:
        self.chunks.append(chunk)

    @property
    def media(self) -> bytes:
        """A whole file."""
        [run] = self.runs
        return run.config.init_segment + b"".join(chunk.data for chunk in self.chunks)


async def receive(address: str, seconds: float) -> tuple[KeepingLane, KeepingLane]:
    """What the edge makes of some seconds of a camera: picture and sound."""
    picture, sound, clock = KeepingLane(StreamKind.MAIN), KeepingLane(StreamKind.AUDIO), SystemClock()
    source, encoders = a_source(address), SoundEncoders(clock)
    tracks = await source.open()
    feed = ConnectionFeed(
        tracks, picture, sound, ServerClock(clock), source.clock_point, encoders.open, GapCause.STARTED, lambda: None
    )
    playing = asyncio.create_task(source.play(feed.on_unit))
    await asyncio.wait([playing], timeout=seconds)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    feed.close()
    await source.close()
    await encoders.close()
    return picture, sound


def a_picture(options: str = '""', *, sets: int = -1, aggregate: str = "zero-latency") -> str:
    if not has_gstreamer_elements("x265enc", "rtph265pay"):
        pytest.skip("GStreamer's x265enc or rtph265pay is absent")
    return PICTURE.format(options=options, sets=sets, aggregate=aggregate)


@pytest.mark.parametrize(
    ("options", "aggregate", "sets"),
    [("bframes=0", "zero-latency", -1), ("bframes=0:slices=4", "max", -1), ("bframes=0:open-gop=1", "none", 1)],
)
async def test_every_h265_picture_decodes(options: str, aggregate: str, sets: int) -> None:
    with running_live_gstreamer(a_picture(options, sets=sets, aggregate=aggregate)) as address:
        picture, _ = await receive(address, 4.0)

    assert picture.runs[0].config.codec.startswith("hvc1.")
    with av.open(io.BytesIO(picture.media)) as container:
        decoded = [frame.pts for frame in container.decode(video=0)]
    assert len(decoded) == len(picture.chunks) > 50
    assert decoded == sorted(decoded)
    assert Counter(chunk.is_sync for chunk in picture.chunks)[True] >= 2


@pytest.mark.parametrize("name", SOUNDS)
async def test_the_tone_is_heard(name: str) -> None:
    launch, rate, channels, codec = SOUNDS[name]
    elements = [part.split()[0] for part in launch.split("!")]
    if not has_gstreamer_elements(*elements):
        pytest.skip(f"GStreamer's {', '.join(elements)} are not all here")
    tone = TONE.format(samples=rate // 50, rate=rate, channels=channels)
    with running_live_gstreamer(f"{a_picture()} {tone} ! {launch} name=pay1 pt=97") as address:
        picture, sound = await receive(address, 5.0)

    assert picture.runs[0].started_us == sound.runs[0].started_us, "they share a time line"
    assert sound.runs[0].config.codec == codec
    with av.open(io.BytesIO(sound.media)) as container:
        frames = list(container.decode(audio=0))
    heard = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    rate = frames[0].sample_rate
    assert heard.shape[1] > 2 * rate
    second = heard[0, rate // 2 : rate * 3 // 2]
    loudest = float(np.argmax(np.abs(np.fft.rfft(second * np.hanning(len(second)))))) * rate / len(second)
    assert abs(loudest - 440) < 4
    times = [chunk.decode_time for chunk in sound.chunks]
    assert times == sorted(set(times))
    assert (times[-1] - times[0]) / rate > 2, "sound goes on for as long as the picture"
