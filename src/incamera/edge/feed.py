"""From the units of one connected camera to chunks in lanes: runs, one time line for picture and sound, wall time.

    picture   unit ─► VideoAssembler ─► sample ─► run? ─► Packager ─► lane     decode time 0: first picture of the run
    sound     unit ─► (AAC worker) ─► frames ─► Packager ─► lane               on the same time line, aligned by RTCP

AAC and Opus pass as they are; every other sound becomes AAC in the decoder child.

A run begins when a camera is connected, changes its parameter sets, or was silent for more than two seconds. Nothing
here waits: `on_unit` is called from the camera's own read.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from incamera.edge.decoder.processes import SoundEncoder
from incamera.edge.decoder.sound_formats import SoundFormat
from incamera.edge.lanes import Lane, Run
from incamera.edge.media_time import PictureClock, SoundAligner, TrackPoint, in_order
from incamera.edge.server_clock import ServerClock
from incamera.edge.sources.base import ClockPoint, SourceFault, TrackInfo
from incamera.kit.ids import new_id
from incamera.media.aac import SAMPLES_PER_FRAME, InvalidAudioConfig, aac_track_config, parse_audio_specific_config
from incamera.media.cmaf import Packager
from incamera.media.opus import InvalidOpusPacket, opus_track_config, parse_duration
from incamera.media.sample import AccessUnit, Chunk, Sample, TrackConfig
from incamera.media.video import VIDEO_TIMESCALE
from incamera.media.video.codecs import make_assembler
from incamera.media.video.messages import is_gradual
from incamera.protocol.messages import CameraFault, GapCause

MAX_SILENCE_S: Final = 2.0
FIRST_SYNC_S: Final = 1.0  # most cameras begin with a sync sample; who has sent none by then is asked
LONG_GOP_S: Final = 4.0  # who waits for a sync sample and gets none for so long lets the camera be asked
ASK_AGAIN_S: Final = 5.0
# What is recorded can be shown from its sync samples on only, and a segment of a minute closes at one: a camera that
# has sent none for so long is asked. Well below the 30 s of the server's GOP cache, so that viewers can begin as well.
LONGEST_RECORDED_GOP_S: Final = 18.0
# A run costs messages to the server, rows and files there: a camera that changes with every picture gets no more.
_MAX_RUNS: Final = 20
_MAX_RUNS_WITHIN_S: Final = 10.0
_SOUND_CHUNK_S: Final = 0.060  # frames of AAC are as short as 21 ms; a chunk each would double what they cost
_ALIGN_EVERY_S: Final = 2.0

FindClockPoint = Callable[[int], ClockPoint | None]
OpenEncoder = Callable[[SoundFormat, Callable[[int, bytes], None]], SoundEncoder]
"""`open_encoder(sound_format, on_frame)`: `on_frame(presentation_time, aac)` in ticks of the AAC's sample rate."""


class VideoFeed:
    """The picture of one connection. `on_run` hears of each run before its first chunk goes into the lane."""

    def __init__(
        self,
        info: TrackInfo,
        lane: Lane,
        server_clock: ServerClock,
        first_cause: GapCause,
        on_run: Callable[[Run], None],
        want_sync: Callable[[], None],
    ) -> None:
        self._assembler = make_assembler(info.codec, info.parameter_sets)
        self._lane = lane
        self._server_clock = server_clock
        self._on_run = on_run
        self._want_sync = want_sync
        self._sync_due_s = 0.0  # when to think of asking for a sync sample; 0: no picture has come yet
        self._synced_s: float | None = None  # arrival of the newest sync sample
        self._gop_s = 0.0  # between the last two of them
        self._cause = first_cause
        self._config: TrackConfig | None = None
        self._packager = Packager(VIDEO_TIMESCALE)
        self._picture_clock = PictureClock(VIDEO_TIMESCALE)
        self._newest = 0  # decode time of the last sample, as the assembler counts
        self._arrived_s = 0.0
        self._runs_began_s: deque[float] = deque(maxlen=_MAX_RUNS)
        self.origin = 0  # decode time of the run's first sample, as the assembler counts
        self.run: Run | None = None
        self.sync_chunk: Chunk | None = None  # the newest, for test pictures and covers
        self.sync_wall_us = 0

    def on_unit(self, unit: AccessUnit, arrived_s: float) -> None:
        """One access unit. Hot: 25 times a second and camera."""
        sample = self._assembler.push(unit)
        if arrived_s >= self._sync_due_s:
            self._miss_sync(arrived_s)
        if sample is None:
            return
        is_late = arrived_s - self._arrived_s > MAX_SILENCE_S
        is_far = sample.decode_time - self._newest > MAX_SILENCE_S * VIDEO_TIMESCALE
        self._newest, self._arrived_s = sample.decode_time, arrived_s
        if self._assembler.config is not self._config:
            self._begin_run(sample, arrived_s, GapCause.CAMERA_CHANGED)
        elif is_late or is_far:
            if not sample.is_sync:
                self._assembler.restart()
                self._arrived_s = 0.0  # whatever comes next begins a run
                return
            self._begin_run(sample, arrived_s, GapCause.CAMERA_LOST)
        decode_time = sample.decode_time - self.origin
        chunk = self._packager.push(Sample(decode_time, sample.composition_offset, sample.is_sync, sample.data))
        wall_us = self._picture_clock.wall_us(decode_time, self._server_clock.wall_us(arrived_s))
        if sample.is_sync:
            self.sync_chunk, self.sync_wall_us = chunk, wall_us
            if self._config is None or not is_gradual(self._config.codec, sample.data):
                self._synced(arrived_s)
        self._lane.push(chunk, wall_us, arrived_s)

    def is_sync_rare(self, now_s: float) -> bool:
        """Whether who waits for the next sync sample may have to wait for long."""
        return self._synced_s is None or max(self._gop_s, now_s - self._synced_s) > LONG_GOP_S

    def _synced(self, arrived_s: float) -> None:
        if self._synced_s is not None:
            self._gop_s = arrived_s - self._synced_s
        self._synced_s = arrived_s
        self._sync_due_s = arrived_s + LONG_GOP_S

    def _miss_sync(self, arrived_s: float) -> None:
        """No sync sample for a while: one is asked for, if something can only begin or go on with it."""
        is_first_picture = not self._sync_due_s
        self._sync_due_s = arrived_s + (FIRST_SYNC_S if is_first_picture else ASK_AGAIN_S)
        if is_first_picture:
            return
        if self._synced_s is None or self._lane.needs_sync:
            self._want_sync()
        elif self._lane.is_recorded and arrived_s - self._synced_s >= LONGEST_RECORDED_GOP_S:
            self._want_sync()
            self._sync_due_s = arrived_s + LONGEST_RECORDED_GOP_S

    def _begin_run(self, sample: Sample, arrived_s: float, cause: GapCause) -> None:
        config = self._assembler.config
        assert config is not None
        self._count_run(arrived_s)
        if self._config is None:
            cause = self._cause
        self._config = config
        self.origin = sample.decode_time
        self._packager = Packager(VIDEO_TIMESCALE)
        self._picture_clock = PictureClock(VIDEO_TIMESCALE)
        self.run = Run(new_id(), config, self._server_clock.wall_us(arrived_s), 0, cause)
        self._lane.begin_run(self.run)
        self._on_run(self.run)

    def _count_run(self, arrived_s: float) -> None:
        began_s = self._runs_began_s
        if len(began_s) == _MAX_RUNS and arrived_s - began_s[0] < _MAX_RUNS_WITHIN_S:
            raise SourceFault(CameraFault.PROTOCOL, "its picture changes all the time")
        began_s.append(arrived_s)

    @property
    def config(self) -> TrackConfig | None:
        return self._config

    def wall_us(self, decode_s: float) -> int:
        """Wall time of a moment on the run's time line: sound takes it from its picture."""
        return self._picture_clock.at(decode_s)


class SoundFeed:
    """The sound of one connection, AAC or Opus. It only flows in a run of the picture, whose time line it shares."""

    def __init__(
        self, config: TrackConfig, lane: Lane, server_clock: ServerClock, wall_us: Callable[[float], int]
    ) -> None:
        self._wall_us = wall_us
        self._config = config
        self._rate = config.timescale
        self._lane = lane
        self._server_clock = server_clock
        self._picture_run: Run | None = None
        self._packager = Packager(self._rate)
        self._aligner = SoundAligner()
        self._zero: int | None = None  # presentation time, in our ticks, of the run's decode time 0
        self._has_begun = False
        self._newest = -1
        self._newest_wall_us = 0
        self._waiting: list[Sample] = []
        self._frame_ticks = SAMPLES_PER_FRAME  # how long each of those lasts

    def begin_run(self, picture_run: Run) -> None:
        """The picture begins a run; the sound's own begins with its next frame."""
        self._lane.end_run(picture_run.gap_cause)
        self._picture_run = picture_run
        self._packager = Packager(self._rate)
        self._aligner = SoundAligner()
        self._zero, self._has_begun, self._newest = None, False, -1
        self._waiting.clear()

    def anchor(self, presentation_time: int, arrived_s: float) -> None:
        """What was captured at `presentation_time` came now: until RTCP knows better, that places the sound."""
        run = self._picture_run
        if run is not None and self._zero is None:
            since_start_us = self._server_clock.wall_us(arrived_s) - run.started_us
            self._zero = presentation_time - since_start_us * self._rate // 1_000_000

    def on_frame(
        self, presentation_time: int, data: bytes, arrived_s: float, frame_ticks: int = SAMPLES_PER_FRAME
    ) -> None:
        """One frame, which lasts `frame_ticks`; `presentation_time` in ticks of its sample rate, too."""
        if self._zero is None:
            return
        if frame_ticks != self._frame_ticks and self._waiting:
            self._send(arrived_s)
        self._frame_ticks = frame_ticks
        shift = round(self._aligner.step(frame_ticks / self._rate) * self._rate)
        decode_time = presentation_time - self._zero + shift
        if decode_time < 0:
            return  # before the first picture
        decode_time = max(decode_time, self._newest + 1)
        self._newest = decode_time
        self._waiting.append(Sample(decode_time, 0, True, data))
        if (len(self._waiting) + 0.5) * frame_ticks > _SOUND_CHUNK_S * self._rate:
            self._send(arrived_s)

    def align(self, picture: TrackPoint, sound: ClockPoint, ticks: int) -> None:
        """Both tracks' newest sender reports; `ticks` is the sound's presentation time in our ticks."""
        if self._zero is not None:
            self._aligner.observe(picture, TrackPoint((ticks - self._zero) / self._rate, sound.camera_s))

    def _send(self, arrived_s: float) -> None:
        chunk = self._packager.push_all(self._waiting, sample_duration=self._frame_ticks)
        self._waiting = []
        run = self._picture_run
        if not self._has_begun and run is not None:
            self._has_begun = True
            started_us, cause = run.started_us, run.gap_cause
            self._lane.begin_run(Run(new_id(), self._config, started_us, 0, cause))
        wall_us = in_order(self._newest_wall_us, self._wall_us(chunk.decode_time / self._rate))
        self._newest_wall_us = wall_us
        self._lane.push(chunk, wall_us, arrived_s)


class ConnectionFeed:
    """All received tracks of one connection: what the source calls with every unit.

    `on_run`: a run has begun. `want_sync`: the camera shall be asked for a sync sample.
    """

    def __init__(
        self,
        tracks: tuple[TrackInfo, ...],
        video_lane: Lane,
        audio_lane: Lane | None,
        server_clock: ServerClock,
        clock_point: FindClockPoint,
        open_encoder: OpenEncoder,
        first_cause: GapCause,
        on_run: Callable[[], None],
        want_sync: Callable[[], None] = lambda: None,
    ) -> None:
        self._tell_run = on_run
        self._clock_point = clock_point
        self._server_clock = server_clock
        self._video_track = next(i for i, track in enumerate(tracks) if track.kind == "video" and track.is_received)
        self.video = VideoFeed(
            tracks[self._video_track], video_lane, server_clock, first_cause, self._on_run, want_sync
        )
        self._audio_track = -1
        self._sound: SoundFeed | None = None
        self._encoder: SoundEncoder | None = None
        self._frame_ticks: Callable[[bytes], int] = _aac_frame_ticks
        self._ticks, self._unit_ticks = 1, 1  # of the AAC and of the camera's RTP clock, per second
        self._align_at_s = 0.0
        self._newest_arrival_s = 0.0
        audio = next((i for i, track in enumerate(tracks) if track.kind == "audio" and track.is_received), None)
        if audio is not None and audio_lane is not None:
            self._set_up_sound(audio, tracks[audio], audio_lane, open_encoder)

    def on_unit(self, track: int, unit: AccessUnit, arrived_s: float) -> None:
        """See `sources.base.UnitSink`."""
        if track == self._video_track:
            self.video.on_unit(unit, arrived_s)
        elif track == self._audio_track and self._sound is not None and not unit.is_damaged:
            self._on_sound(self._sound, unit, arrived_s)

    def close(self) -> None:
        """The connection is over."""
        if self._encoder is not None:
            self._encoder.close()

    # --- sound ------------------------------------------------------------------------------------------------------

    def _set_up_sound(self, index: int, info: TrackInfo, lane: Lane, open_encoder: OpenEncoder) -> None:
        sound_format = SoundFormat(info.codec, info.clock_rate, info.channels)
        if sound_format.is_encodable:
            config = sound_format.encoded_config()
            self._encoder = open_encoder(sound_format, self._on_encoded)
        elif info.codec == "OPUS":
            config = opus_track_config(info.channels)
            self._frame_ticks = parse_duration
        elif info.codec == "MPEG4-GENERIC":
            try:
                config = aac_track_config(parse_audio_specific_config(info.config))
            except InvalidAudioConfig:
                return
        else:
            return
        self._audio_track = index
        self._ticks, self._unit_ticks = config.timescale, info.clock_rate
        self._sound = SoundFeed(config, lane, self._server_clock, self.video.wall_us)

    def _on_run(self, run: Run) -> None:
        if self._sound is not None:
            self._sound.begin_run(run)
            self._align_at_s = 0.0
        self._tell_run()

    def _on_sound(self, sound: SoundFeed, unit: AccessUnit, arrived_s: float) -> None:
        ticks = unit.presentation_time * self._ticks // self._unit_ticks
        sound.anchor(ticks, arrived_s)
        self._newest_arrival_s = arrived_s
        if arrived_s >= self._align_at_s:
            self._align_at_s = arrived_s + _ALIGN_EVERY_S
            self._align(sound)
        if self._encoder is not None:
            self._encoder.push(unit.presentation_time, unit.nal_units[0])
        else:
            try:
                frame_ticks = self._frame_ticks(unit.nal_units[0])
            except InvalidOpusPacket:
                return
            sound.on_frame(ticks, unit.nal_units[0], arrived_s, frame_ticks)

    def _on_encoded(self, presentation_time: int, data: bytes) -> None:
        if self._sound is not None:
            self._sound.on_frame(presentation_time, data, self._newest_arrival_s)

    def _align(self, sound: SoundFeed) -> None:
        picture_point = self._clock_point(self._video_track)
        sound_point = self._clock_point(self._audio_track)
        if picture_point is None or sound_point is None or self.video.run is None:
            return
        decode_s = (picture_point.presentation_time - self.video.origin) / VIDEO_TIMESCALE
        ticks = sound_point.presentation_time * self._ticks // self._unit_ticks
        sound.align(TrackPoint(decode_s, picture_point.camera_s), sound_point, ticks)


def _aac_frame_ticks(_frame: bytes) -> int:
    return SAMPLES_PER_FRAME
