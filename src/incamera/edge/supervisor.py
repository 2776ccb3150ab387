"""Makes the cameras of an edge follow the desired state, and answers what the server asks about them.

Desired ─► per channel: lanes main, sub, audio (mode, watched) and one puller per address that has something to do
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

import structlog

from incamera.edge.courier import Courier
from incamera.edge.decoder.processes import PictureDecoder, PictureUnreadable
from incamera.edge.lanes import Lane
from incamera.edge.probing import probe
from incamera.edge.puller import Puller, PullerTools
from incamera.protocol.messages import (
    CameraStatus,
    Desired,
    DesiredChannel,
    DesiredStream,
    GapCause,
    Message,
    Probe,
    SnapshotResult,
    StreamKind,
    StreamMode,
    TakeSnapshot,
    WantSync,
)

log = structlog.get_logger(__name__)

Send = Callable[[Message], None]

_GOODBYE_S: Final = 1.0


class Channel:
    """One lens: its lanes and its connections."""

    def __init__(self, wanted: DesiredChannel, courier: Courier, tools: PullerTools, report: Send) -> None:
        self._report = report
        self._lanes = {kind: Lane(wanted.channel_id, kind, courier, tools.clock) for kind in StreamKind}
        main, sub, audio = (self._lanes[kind] for kind in (StreamKind.MAIN, StreamKind.SUB, StreamKind.AUDIO))
        self._main = Puller(wanted.channel_id, main, audio, tools, lambda status: self._hear(self._main, status))
        self._sub = Puller(wanted.channel_id, sub, None, tools, lambda status: self._hear(self._sub, status))
        self._speaks_for_channel = self._main
        self._epoch = wanted.epoch
        self.status: CameraStatus | None = None

    def apply(self, wanted: DesiredChannel, first_cause: GapCause) -> None:
        """Obeys at once: a stream that is turned off ends before this returns."""
        by_kind = {stream.stream: stream for stream in wanted.streams}
        if wanted.epoch != self._epoch:  # what the camera sent under another owner may still be on its way to us
            self._epoch = wanted.epoch
            self._main.want(None, audio=False, first_cause=first_cause)
            self._sub.want(None, audio=False, first_cause=first_cause)
        for kind, lane in self._lanes.items():
            stream = by_kind.get(kind)
            mode = StreamMode.OFF if stream is None else stream.mode
            lane.apply(mode, is_watched=stream is not None and stream.is_watched, epoch=wanted.epoch)
        self._main.may_wait(_may_wait(by_kind.get(StreamKind.MAIN)) and not _is_heard(by_kind.get(StreamKind.AUDIO)))
        self._sub.may_wait(_may_wait(by_kind.get(StreamKind.SUB)))
        audio = _is_on(by_kind.get(StreamKind.AUDIO))
        main_source = wanted.source if audio or _is_on(by_kind.get(StreamKind.MAIN)) else None
        sub_source = wanted.sub_source if _is_on(by_kind.get(StreamKind.SUB)) else None
        self._speaks_for_channel = self._sub if main_source is None and sub_source is not None else self._main
        self._main.want(main_source, audio=audio, first_cause=first_cause)
        self._sub.want(sub_source, audio=False, first_cause=first_cause)
        for kind, puller in ((StreamKind.MAIN, self._main), (StreamKind.SUB, self._sub)):
            if self._lanes[kind].needs_sync and puller.is_sync_rare:
                puller.want_sync()

    def want_sync(self, stream: StreamKind) -> None:
        """Asks the camera for a sync sample of the picture."""
        if stream is not StreamKind.AUDIO:
            (self._sub if stream is StreamKind.SUB else self._main).want_sync()

    def stop(self, cause: GapCause) -> list[asyncio.Task[None]]:
        """Lets the cameras go; tasks that still say good-bye."""
        return [task for task in (self._main.stop(cause), self._sub.stop(cause)) if task is not None]

    def sync_picture(self) -> tuple[bytes, int] | None:
        """Init segment and newest sync sample, as one MP4, and its wall time."""
        for puller in (self._main, self._sub):
            video = None if puller.feed is None else puller.feed.video
            if video is not None and video.sync_chunk is not None and video.config is not None:
                return video.config.init_segment + video.sync_chunk.data, video.sync_wall_us
        return None

    def _hear(self, puller: Puller, status: CameraStatus) -> None:
        """One state per channel: that of its main stream, or of its sub stream where only that is wanted."""
        if puller is self._speaks_for_channel:
            self.status = status
            self._report(status)


class Supervisor:
    """All channels of this edge. Used from the event loop only."""

    def __init__(self, courier: Courier, pictures: PictureDecoder, tools: PullerTools) -> None:
        self._courier = courier
        self._pictures = pictures
        self._tools = tools
        self._channels: dict[UUID, Channel] = {}
        self._send: Send | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connected(self, send: Send) -> None:
        """A line is there: from now on states are told, beginning with what they are."""
        self._send = send
        for channel in self._channels.values():
            if channel.status is not None:
                send(channel.status)

    def disconnected(self) -> None:
        self._send = None

    def apply(self, desired: Desired, *, first_cause: GapCause) -> None:
        """The whole desired state. `first_cause`: why a stream that begins now has nothing before it."""
        wanted = {channel.channel_id: channel for channel in desired.channels}
        for channel_id in self._channels.keys() - wanted.keys():
            self._watch(self._channels.pop(channel_id).stop(GapCause.TURNED_OFF))
        for channel_id, channel in wanted.items():
            if channel_id not in self._channels:
                self._channels[channel_id] = Channel(channel, self._courier, self._tools, self._tell)
            self._channels[channel_id].apply(channel, first_cause)

    async def close(self) -> None:
        """Ends every span and lets every camera go."""
        goodbyes = [task for channel in self._channels.values() for task in channel.stop(GapCause.EDGE_STOPPED)]
        self._channels.clear()
        goodbyes += self._tasks
        if goodbyes:
            await asyncio.wait(goodbyes, timeout=_GOODBYE_S)

    def take_snapshot(self, request: TakeSnapshot) -> None:
        """Answers with a `snapshot.result`, later."""
        self._watch([asyncio.create_task(self._snapshot(request))])

    def want_sync(self, request: WantSync) -> None:
        """Asks the camera for a sync sample, where it lets itself be asked."""
        channel = self._channels.get(request.channel_id)
        if channel is not None:
            channel.want_sync(request.stream)

    def probe(self, request: Probe) -> None:
        """Answers with a `probe.result`, later."""
        self._watch([asyncio.create_task(self._probe(request))])

    async def _snapshot(self, request: TakeSnapshot) -> None:
        channel = self._channels.get(request.channel_id)
        found = None if channel is None else channel.sync_picture()
        picture, taken_us = b"", self._tools.server_clock.now_us()
        if found is not None:
            media, taken_us = found
            try:
                picture = await self._pictures.jpeg(media)
            except PictureUnreadable as error:
                log.warning("edge.snapshot_failed", channel_id=str(request.channel_id), says=str(error))
        self._tell(
            SnapshotResult(
                request_id=request.request_id, channel_id=request.channel_id, taken_us=taken_us, picture=picture
            )
        )

    async def _probe(self, request: Probe) -> None:
        self._tell(await probe(request, self._tools.make_source, self._pictures))

    def _tell(self, message: Message) -> None:
        if self._send is not None:
            self._send(message)

    def _watch(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        for task in tasks:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


def _is_on(stream: DesiredStream | None) -> bool:
    return stream is not None and stream.mode is not StreamMode.OFF


def _may_wait(stream: DesiredStream | None) -> bool:
    """Whether pictures may come some at a time: only of what is recorded, and only while nobody watches.

    Of a stream that is not recorded nothing may wait: what was taken before recording was chosen is never recorded.
    """
    return stream is not None and stream.mode is StreamMode.RECORD and not stream.is_watched


def _is_heard(stream: DesiredStream | None) -> bool:
    return stream is not None and stream.is_watched
