"""Keeps one stream of one camera coming: connect, play, notice the fault, wait, again, until it is told to stop."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog

from incamera.edge.backoff import Backoff
from incamera.edge.feed import ConnectionFeed, OpenEncoder
from incamera.edge.lanes import Lane
from incamera.edge.server_clock import ServerClock
from incamera.edge.sources.base import PatientSource, Source, SourceFault, TrackInfo
from incamera.edge.sync_points import AskSync, ask_nobody
from incamera.edge.turns import OpeningTurns
from incamera.kit.clock import Clock
from incamera.protocol.messages import AnySource, CameraFault, CameraState, CameraStatus, GapCause

log = structlog.get_logger(__name__)

MakeSource = Callable[[AnySource, bool], Source]
"""`make_source(where, want_audio)`; nothing happens yet."""

_STEADY_S: Final = 10.0  # a connection that held this long was good: the next try comes soon
# A camera that refuses a password locks an account out after some tries; nothing else is helped by hurry either.
_NEEDS_A_PERSON: Final = frozenset(
    {
        CameraFault.REFUSED_PASSWORD,
        CameraFault.NEEDS_PASSWORD,
        CameraFault.NOT_FOUND,
        CameraFault.NOT_RTSP,
        CameraFault.NO_VIDEO,
        CameraFault.UNSUPPORTED_CODEC,
        CameraFault.ADDRESS_REFUSED,
        CameraFault.NOT_HTTP,
        CameraFault.NO_PICTURES,
        CameraFault.CERTIFICATE,
        CameraFault.NOT_PERMITTED,
        CameraFault.NO_FILE,
        CameraFault.FILE_UNREADABLE,
    }
)
_LONGEST_DELAY_S: Final = 8.0
_LONGEST_DELAY_WITH_PERSON_S: Final = 60.0

FAULT_WORDS: Final = {
    CameraFault.UNREACHABLE: "The camera does not answer; is it on, and in this network?",
    CameraFault.NAME_NOT_FOUND: "The camera's name is not known in this network; check its address.",
    CameraFault.REFUSED_PASSWORD: "The camera refused the user name or the password.",
    CameraFault.NEEDS_PASSWORD: "The camera wants a user name and a password.",
    CameraFault.NOT_FOUND: "The camera has no stream under this path; check its address.",
    CameraFault.NOT_RTSP: "What answers there is no RTSP camera; check address and port.",
    CameraFault.NO_VIDEO: "The camera offers no picture under this address.",
    CameraFault.UNSUPPORTED_CODEC: "The camera sends a kind of picture that Incamera cannot show; set it to H.264.",
    CameraFault.BUSY: "The camera serves as many viewers as it can; close other programs that watch it.",
    CameraFault.STALLED: "The camera is connected but sends no picture.",
    CameraFault.CLOSED: "The camera hung up.",
    CameraFault.PROTOCOL: "The camera said something that Incamera does not understand.",
    CameraFault.ADDRESS_REFUSED: "The camera's address is outside the ranges that this edge may connect to.",
    CameraFault.NOT_HTTP: "What answers there is no web server; check address and port.",
    CameraFault.NO_PICTURES: "A web server answers with a page and not with pictures; check the path.",
    CameraFault.CERTIFICATE: "The camera's certificate is not the accepted one, and nobody vouches for it.",
    CameraFault.NO_DEVICE: "The USB camera is not plugged in.",
    CameraFault.IN_USE: "Another program has the USB camera; close it.",
    CameraFault.NOT_PERMITTED: "This edge may not use that device or file; start it with --device or --files.",
    CameraFault.NO_FILE: "There is no such file in the folder of this edge.",
    CameraFault.FILE_UNREADABLE: "The file is none that can be played.",
}


@dataclass(frozen=True, slots=True)
class PullerTools:
    """What every puller of an edge uses."""

    clock: Clock
    server_clock: ServerClock
    make_source: MakeSource
    open_encoder: OpenEncoder
    ask_sync: AskSync = ask_nobody
    turns: OpeningTurns = field(default_factory=OpeningTurns)


class Puller:
    """One camera stream with its lanes. `report` hears of every change of its state."""

    def __init__(
        self,
        channel_id: UUID,
        video_lane: Lane,
        audio_lane: Lane | None,
        tools: PullerTools,
        report: Callable[[CameraStatus], None],
    ) -> None:
        self._channel_id = channel_id
        self._video_lane = video_lane
        self._audio_lane = audio_lane
        self._tools = tools
        self._report = report
        self._wanted: tuple[AnySource, bool] | None = None
        self._task: asyncio.Task[None] | None = None
        self._cause = GapCause.STARTED  # why the next run follows a gap
        self._state = (CameraState.OFF, CameraFault.NONE)
        self._since_us = 0
        self._source: Source | None = None
        self._may_wait = False
        self.feed: ConnectionFeed | None = None

    def want(self, source: AnySource | None, *, audio: bool, first_cause: GapCause) -> None:
        """Pulls from here from now on; None: from nowhere. Another address, or sound on or off, connects anew."""
        wanted = None if source is None else (source, audio)
        if wanted == self._wanted:
            return
        if self._wanted is None:
            self._cause = first_cause
        elif wanted is not None:
            self._cause = GapCause.CAMERA_CHANGED
        self._wanted = wanted
        self._cancel(GapCause.TURNED_OFF if wanted is None else GapCause.CAMERA_CHANGED)
        if wanted is None:
            self._tell(CameraState.OFF, CameraFault.NONE)
        else:
            self._task = asyncio.create_task(self._pull(*wanted))

    def may_wait(self, may_wait: bool) -> None:
        """Whether pictures may come some at a time, since nobody waits for them."""
        if may_wait != self._may_wait:
            self._may_wait = may_wait
            self._tell_source()

    def want_sync(self) -> None:
        """Somebody waits for a sync sample: the camera is asked for one, unless that was just done or is in vain."""
        if self._wanted is not None:
            self._tools.ask_sync(self._wanted[0])

    @property
    def is_sync_rare(self) -> bool:
        """Whether the camera's next sync sample may be far away."""
        return self.feed is not None and self.feed.video.is_sync_rare(self._tools.clock.monotonic())

    def _tell_source(self) -> None:
        if isinstance(self._source, PatientSource):
            self._source.set_patient(self._may_wait)

    def stop(self, cause: GapCause) -> asyncio.Task[None] | None:
        """Ends the spans with this cause and lets the camera go; the task that is still saying good-bye."""
        task = self._task
        self._wanted = None
        self._cancel(cause)
        return task

    def _cancel(self, cause: GapCause) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._end_runs(cause)

    def _end_runs(self, cause: GapCause) -> None:
        self.feed = None
        self._video_lane.end_run(cause)
        if self._audio_lane is not None:
            self._audio_lane.end_run(cause)

    async def _pull(self, source: AnySource, want_audio: bool) -> None:
        backoff = Backoff(longest_s=_LONGEST_DELAY_S)
        self._tell(CameraState.CONNECTING, CameraFault.NONE)
        while True:
            started_s = self._tools.clock.monotonic()
            fault = await self._play_once(source, want_audio)
            self._end_runs(GapCause.CAMERA_LOST)
            self._cause = GapCause.CAMERA_LOST
            self._tell(CameraState.OFFLINE, fault)
            if self._tools.clock.monotonic() - started_s > _STEADY_S:
                backoff.reset()
            longest_s = _LONGEST_DELAY_WITH_PERSON_S if fault in _NEEDS_A_PERSON else None
            await self._tools.clock.sleep(backoff.next_delay_s(longest_s=longest_s))

    async def _play_once(self, source: AnySource, want_audio: bool) -> CameraFault:
        """One connection, from dialling to its end; why it ended."""
        connection = self._tools.make_source(source, want_audio)
        feed: ConnectionFeed | None = None
        self._source = connection
        self._tell_source()
        try:
            async with self._tools.turns.at(source):
                tracks = await connection.open()
            feed = self._feed(tracks, connection)
            self.feed = feed
            await connection.play(feed.on_unit)
        except SourceFault as fault:
            log.debug(
                "edge.camera_fault", channel_id=str(self._channel_id), fault=fault.fault.value, detail=fault.detail
            )
            return fault.fault
        except Exception:  # hostile bytes found a hole in a parser: this camera only
            log.exception("edge.camera_failed", channel_id=str(self._channel_id))
            return CameraFault.PROTOCOL
        finally:
            if feed is not None:
                feed.close()
            if self._source is connection:
                self._source = None
            await connection.close()
        return CameraFault.CLOSED

    def _feed(self, tracks: tuple[TrackInfo, ...], connection: Source) -> ConnectionFeed:
        audio = next((track.codec for track in tracks if track.kind == "audio"), "")
        feed = ConnectionFeed(
            tracks,
            self._video_lane,
            self._audio_lane,
            self._tools.server_clock,
            connection.clock_point,
            self._tools.open_encoder,
            self._cause,
            lambda: self._tell_online(feed, audio),
            self.want_sync,
        )
        return feed

    # --- state ------------------------------------------------------------------------------------------------------

    def _tell_online(self, feed: ConnectionFeed, audio_codec: str) -> None:
        config = feed.video.config
        if config is not None:
            self._tell(
                CameraState.ONLINE,
                CameraFault.NONE,
                video_codec=config.codec,
                audio_codec=audio_codec,
                width=config.width,
                height=config.height,
            )

    def _tell(
        self,
        state: CameraState,
        fault: CameraFault,
        *,
        video_codec: str = "",
        audio_codec: str = "",
        width: int = 0,
        height: int = 0,
    ) -> None:
        """Reports a state, and says it in words once: not again while nothing has changed."""
        if (state, fault) != self._state:
            self._state = (state, fault)
            self._since_us = self._tools.server_clock.now_us()
            channel_id, words = str(self._channel_id), FAULT_WORDS.get(fault)
            if words is None:
                log.info("edge.camera_state", channel_id=channel_id, state=state.value)
            else:
                log.warning("edge.camera_state", channel_id=channel_id, state=state.value, says=words)
        self._report(
            CameraStatus(
                channel_id=self._channel_id,
                state=state,
                fault=fault,
                since_us=self._since_us,
                video_codec=video_codec,
                audio_codec=audio_codec,
                width=width,
                height=height,
            )
        )
