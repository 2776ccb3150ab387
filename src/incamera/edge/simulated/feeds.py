"""The threads behind a simulated stream: one draws and encodes pictures, one makes sound, while somebody watches.

Everything is placed by the tick of wall time it stands for. A picture's number in its counter is that tick, so numbers
have no holes unless the machine was starved for seconds.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Final

from incamera.edge.simulated.cameras import SimulatedCamera
from incamera.edge.simulated.encoder import VIDEO_CLOCK_RATE, SoundEncoder, VideoEncoder
from incamera.edge.simulated.painter import ScenePainter
from incamera.edge.simulated.profiles import VideoCodec
from incamera.edge.simulated.scenes import get_scene
from incamera.edge.simulated.sound import Ambience
from incamera.kit.clock import Clock, from_us
from incamera.media.rtp.aac import packetise_aac
from incamera.media.rtp.h264 import packetise_h264
from incamera.media.rtp.h265 import packetise_h265

Payloads = list[tuple[bool, bytes]]
Deliver = Callable[[int, Payloads, bool], None]
"""`deliver(time, payloads, is_sync)`: ticks since the camera was switched on; called in the feed's thread"""

# One scene at a time: drawing is many small numpy calls, and several threads at it only wait for each other.
_DRAWING: Final = threading.Lock()
_MAX_LAG_S: Final = 5.0


class Anchor:
    """Where tick 0 of a camera lies: monotonic and wall time of the full second before it was switched on.

    At a full second, so that picture number `n` stands for exactly `n / fps` and the sound's tick at a full second can
    be held against it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        now_us = clock.now_us()
        into_second_us = now_us % 1_000_000
        self.monotonic_s = clock.monotonic() - into_second_us / 1_000_000
        self.wall_us = now_us - into_second_us

    def elapsed_s(self) -> float:
        """Seconds since then."""
        return self._clock.monotonic() - self.monotonic_s

    def wall_us_at(self, elapsed_s: float) -> int:
        """Wall time of a moment, undisturbed by whoever sets the machine's clock meanwhile."""
        return self.wall_us + round(elapsed_s * 1_000_000)


class Feed(ABC):
    """A thread that produces one tick after another while it is wanted."""

    def __init__(self, anchor: Anchor, ticks_per_s: float, deliver: Deliver) -> None:
        self._anchor = anchor
        self._ticks_per_s = ticks_per_s
        self._deliver = deliver
        self._thread: threading.Thread | None = None
        self._last_thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._wants_sync = threading.Event()

    def start(self) -> None:
        """Begins, unless it runs."""
        if self._thread is None:
            self._stop = threading.Event()
            before, self._last_thread = self._last_thread, None
            self._thread = threading.Thread(
                target=self._run, args=(self._stop, before), name="simulated-feed", daemon=True
            )
            self._thread.start()

    def request_sync(self) -> None:
        """The next picture shall be a sync sample."""
        self._wants_sync.set()

    def stop(self) -> None:
        """Asks the thread to end; it does so within a tick."""
        self._stop.set()
        if self._thread is not None:
            self._thread, self._last_thread = None, self._thread

    def wait(self, timeout_s: float) -> None:
        """Blocks until a stopped thread has ended, so that the interpreter does not go from under it."""
        if self._last_thread is not None:
            self._last_thread.join(timeout_s)

    @abstractmethod
    def _prepare(self) -> None:
        """Slow work before the first tick: drawing a scene, opening an encoder."""

    @abstractmethod
    def _produce(self, tick: int) -> None:
        """Makes the tick's media and delivers it."""

    def _run(self, stop: threading.Event, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()  # it may be in the middle of its last picture, with the same painter
        self._prepare()
        tick = int(self._anchor.elapsed_s() * self._ticks_per_s) + 1
        while True:
            due_s = tick / self._ticks_per_s
            lag_s = self._anchor.elapsed_s() - due_s
            if lag_s > _MAX_LAG_S:
                tick += int(lag_s * self._ticks_per_s)
            if stop.wait(max(0.0, -lag_s)):
                return
            self._produce(tick)
            tick += 1


class VideoFeed(Feed):
    """Draws and encodes one stream."""

    def __init__(
        self,
        camera: SimulatedCamera,
        codec: VideoCodec,
        width: int,
        height: int,
        fps: int,
        anchor: Anchor,
        deliver: Deliver,
    ) -> None:
        super().__init__(anchor, fps, deliver)
        self._camera = camera
        self._codec = codec
        self._size = (width, height)
        self._fps = fps
        self._encoder: VideoEncoder | None = None
        self._painters: dict[bool, ScenePainter] = {}  # by "is small"
        self._is_small = False
        # Numbers go on from one start of the program to the next: they count ticks of wall time.
        self._first_number = anchor.wall_us * fps // 1_000_000

    def draw_scene(self, is_small: bool = False) -> None:
        """Draws the scene unless it is drawn already: half a second of work, in whatever thread calls first."""
        if is_small in self._painters:
            return  # without the lock: whoever draws the others would hardly let us have it
        with _DRAWING:
            if is_small not in self._painters:
                scene = get_scene(self._camera.scene_name, self._width(is_small) / 1280)
                self._painters[is_small] = ScenePainter(scene, self._camera.title, has_counter=self._camera.has_counter)

    def _width(self, is_small: bool) -> int:
        return self._size[0] * 3 // 4 if is_small else self._size[0]

    def _prepare(self) -> None:
        self._resize(self._camera.profile.is_small(self._anchor.elapsed_s()))

    def _resize(self, is_small: bool) -> None:
        """A fresh encoder; its first picture is a sync sample with new parameter sets."""
        self.draw_scene(is_small)
        self._is_small = is_small
        height = self._size[1] * 3 // 4 if is_small else self._size[1]
        self._encoder = VideoEncoder(self._width(is_small), height, self._fps, self._camera.profile, self._codec)

    def _produce(self, tick: int) -> None:
        is_small = self._camera.profile.is_small(tick / self._fps)
        if is_small is not self._is_small:
            self._resize(is_small)
        assert self._encoder is not None  # _prepare came first
        wall_us = self._anchor.wall_us_at(self._anchor.elapsed_s())
        moment: datetime = from_us(wall_us).astimezone()
        picture = self._painters[self._is_small].paint(moment, self._first_number + tick)
        refreshes = self._camera.profile.refreshes
        is_sync = self._wants_sync.is_set() and not refreshes
        if is_sync:
            self._wants_sync.clear()
        for unit_time, nal_units in self._encoder.encode(picture, tick * VIDEO_CLOCK_RATE // self._fps, is_sync):
            if refreshes and self._encoder.is_sync(nal_units):
                continue  # as for whoever comes to a camera that was switched on long ago
            packetise = packetise_h264 if self._codec == "H264" else packetise_h265
            self._deliver(unit_time, list(packetise(nal_units)), self._encoder.is_sync(nal_units))


class SoundFeed(Feed):
    """Makes the sound of one stream."""

    def __init__(self, encoder: SoundEncoder, anchor: Anchor, deliver: Deliver) -> None:
        super().__init__(anchor, encoder.sample_rate / encoder.frame_samples, deliver)
        self._codec = encoder.codec
        self._encoder = encoder
        self._ambience: Ambience | None = None

    def _prepare(self) -> None:
        if self._ambience is None:
            self._ambience = Ambience(self._encoder.sample_rate)
        self._encoder = SoundEncoder(self._codec)  # a fresh one: no memory of what it encoded a while ago

    def _produce(self, tick: int) -> None:
        assert self._ambience is not None  # _prepare came first
        count = self._encoder.frame_samples
        first = (tick - 1) * count  # the samples before the tick: sound is known only when it is over
        offset = self._anchor.wall_us * self._encoder.sample_rate // 1_000_000
        for unit_time, unit in self._encoder.encode(self._ambience.samples(offset + first, count), first):
            time = max(0, unit_time) * self._encoder.clock_rate // self._encoder.sample_rate
            payloads = list(packetise_aac(unit)) if self._codec == "aac" else [(False, unit)]
            self._deliver(time, payloads, True)
