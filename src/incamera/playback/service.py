"""Looking back as a whole: the timeline, the sockets, and who looked."""

from uuid import UUID

from incamera.devices import DeviceErased
from incamera.kit.clock import Clock
from incamera.live import LiveService
from incamera.playback.socket import PlaybackSocket
from incamera.playback.timeline import TimelineReader
from incamera.playback.viewing_log import PlaybackLog
from incamera.privacy import open_session
from incamera.recording import Archive, Recorder, TimelineIndex
from incamera.storage.database import Database
from incamera.streams import WebSocketConnection


class PlaybackService:
    """One per server. `run` for as long as it serves, then `close`.

    app.py: `sockets.add_route(PLAYBACK_PATH, playback.make_socket)`; tickets and the watch over rights are those of
    `live`.
    """

    def __init__(self, *, database: Database, recorder: Recorder, live: LiveService, clock: Clock) -> None:
        self.tickets, self.views = live.tickets, live.views
        self.timeline = TimelineReader(database, recorder, clock)
        self.log = PlaybackLog(database, clock)
        self._database, self._clock, self._recorder = database, clock, recorder

    @property
    def archive(self) -> Archive:
        """Where the pictures come from."""
        return self._recorder.archive

    def make_socket(self, connection: WebSocketConnection) -> PlaybackSocket:
        """The handler for PLAYBACK_PATH."""
        return PlaybackSocket(connection, self)

    def now_us(self) -> int:
        return self._clock.now_us()

    async def bounds(self, channel_id: UUID) -> tuple[int, int] | None:
        """Start and end of everything a channel has, what is being written included."""
        async with open_session(self._database, "B5.playback", writes=False) as db:
            stored = await TimelineIndex(db, channel_id).bounds()
        return None if stored is None else (stored[0], self.timeline.newest(channel_id, stored[1]))

    async def erase_device(self, device: DeviceErased) -> None:
        """For `RemovalService.on_erase`: the log of a device goes with it."""
        await self.log.erase(device.channel_ids)

    async def run(self) -> None:
        """The periodic work: the viewing log."""
        await self.log.run()

    async def close(self) -> None:
        """Writes down what is left, after the sockets have closed."""
        await self.log.flush()
