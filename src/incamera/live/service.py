"""Live view as a whole: its tickets, its open views, its log, and the sockets that use them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from incamera.access import Permission, access_channel
from incamera.accounts import Actor
from incamera.devices import DeviceErased
from incamera.kit.clock import Clock
from incamera.kit.events import EventBus
from incamera.live.errors import NothingAsked
from incamera.live.socket import LiveSocket
from incamera.live.tickets import TICKET_S, Audience, Ticket, TicketOffice
from incamera.live.viewing_log import ViewingLog
from incamera.live.views import OpenViews, Sessions
from incamera.protocol.messages import StreamKind
from incamera.storage.database import Database
from incamera.storage.vault import Vault
from incamera.streams import Hub, WebSocketConnection

_PICTURE_PERMISSION = {Audience.LIVE: Permission.VIEW_LIVE, Audience.PLAYBACK: Permission.VIEW_RECORDINGS}


@dataclass(frozen=True, slots=True)
class Issued:
    """Tickets as (word, streams it is for), and the moment after which none of them is good."""

    tickets: list[tuple[str, tuple[StreamKind, ...]]]
    expires_at: datetime


class LiveService:
    """One per server. `run` for as long as it serves, then `close`.

    app.py: `sockets.add_route(LIVE_PATH, live.make_socket)`; `playback` gets `tickets` and `views`.
    """

    def __init__(
        self, *, database: Database, vault: Vault, hub: Hub, events: EventBus, clock: Clock, sessions: Sessions
    ) -> None:
        self.hub = hub
        self.tickets = TicketOffice(clock, events)
        self.views = OpenViews(database, events, clock, sessions)
        self.log = ViewingLog(database, vault, clock)
        self._clock = clock

    def make_socket(self, connection: WebSocketConnection) -> LiveSocket:
        """The handler for LIVE_PATH."""
        return LiveSocket(connection, self)

    async def issue_tickets(
        self, db: AsyncSession, actor: Actor, channel_id: UUID, audience: Audience, streams: Sequence[StreamKind]
    ) -> Issued:
        """Asks the door and issues one ticket per live stream, or one for all streams of a playback.

        Raises NotFound for an outsider, NothingAsked for an empty or repeated wish.
        """
        if not streams or len(set(streams)) != len(streams):
            raise NothingAsked
        parts = [(stream,) for stream in streams] if audience is Audience.LIVE else [tuple(streams)]
        open_doors = {
            permission: await access_channel(db, actor, channel_id, permission, self._clock)
            for permission in _permissions(audience, streams)
        }
        issued = []
        for part in parts:
            accesses = tuple(open_doors[permission] for permission in _permissions(audience, part))
            issued.append((self.tickets.issue(Ticket(audience, actor, accesses, part)), part))
        return Issued(issued, self._clock.now() + timedelta(seconds=TICKET_S))

    async def erase_device(self, device: DeviceErased) -> None:
        """For `RemovalService.on_erase`: the log of a device goes with it."""
        await self.log.erase(device.channel_ids)

    async def run(self) -> None:
        """The periodic work: asking the door again, writing the log."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.views.run())
            tasks.create_task(self.log.run())

    async def close(self) -> None:
        """Writes down what is left, after the sockets have closed."""
        await self.log.flush()


def _permissions(audience: Audience, streams: Sequence[StreamKind]) -> list[Permission]:
    wanted = [_PICTURE_PERMISSION[audience]]  # who may only listen may not: sound belongs to a picture
    if StreamKind.AUDIO in streams:
        wanted.append(Permission.LISTEN)
    return wanted
