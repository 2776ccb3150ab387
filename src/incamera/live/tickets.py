"""Tickets: how a right that HTTP has checked gets to a socket that has no cookies.

A ticket is a random word, good once, for TICKET_S, for one kind of socket and the streams it names. It remembers who
asked and what the door of `access` answered. Only its hash is kept, in memory: a restart loses at most a minute of
them, and the page simply asks again.
"""

import hashlib
import secrets
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from incamera.access import Access, GrantRevoked, OwnershipEnded
from incamera.accounts import Actor, SessionEnded
from incamera.devices import DeviceRemoved
from incamera.kit.clock import Clock
from incamera.kit.events import EventBus
from incamera.live.errors import TicketInvalid, TooManyTickets
from incamera.protocol.messages import StreamKind

TICKET_S: Final = 60.0
MAX_UNUSED_PER_ACCOUNT: Final = 5000


class Audience(StrEnum):
    """Which socket a ticket is for."""

    LIVE = "live"
    PLAYBACK = "playback"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket allows."""

    audience: Audience
    actor: Actor
    accesses: tuple[Access, ...]  # one per permission that the streams need; the first is that of the picture or sound
    streams: tuple[StreamKind, ...]

    @property
    def channel_id(self) -> UUID:
        channel_id = self.accesses[0].channel_id
        assert channel_id is not None
        return channel_id

    @property
    def device_id(self) -> UUID:
        return self.accesses[0].device_id


@dataclass(frozen=True, slots=True)
class _Issued:
    ticket: Ticket
    expires_at: float  # monotonic seconds


class TicketOffice:
    """Issues and redeems tickets, and tears up those whose right has ended meanwhile."""

    def __init__(self, clock: Clock, events: EventBus) -> None:
        self._clock = clock
        self._issued: dict[bytes, _Issued] = {}  # in the order of issue, hence of expiry
        self._per_account: Counter[UUID] = Counter()
        events.subscribe(SessionEnded, self._session_ended)
        events.subscribe(GrantRevoked, self._grant_revoked)
        events.subscribe(OwnershipEnded, self._device_gone)
        events.subscribe(DeviceRemoved, self._device_gone)

    def issue(self, ticket: Ticket) -> str:
        """The word for a ticket; raises TooManyTickets."""
        self._drop_expired()
        if self._per_account[ticket.actor.account_id] >= MAX_UNUSED_PER_ACCOUNT:
            raise TooManyTickets
        word = secrets.token_urlsafe(32)
        self._issued[_digest(word)] = _Issued(ticket, self._clock.monotonic() + TICKET_S)
        self._per_account[ticket.actor.account_id] += 1
        return word

    def redeem(self, word: str, audience: Audience) -> Ticket:
        """Spends a ticket, also one for another audience; raises TicketInvalid, which tells a guesser nothing."""
        issued = self._take(_digest(word))
        if issued is None or issued.expires_at < self._clock.monotonic() or issued.ticket.audience is not audience:
            raise TicketInvalid
        return issued.ticket

    # --- inside -----------------------------------------------------------------------------------------------------

    def _take(self, digest: bytes) -> _Issued | None:
        issued = self._issued.pop(digest, None)
        if issued is not None:
            account_id = issued.ticket.actor.account_id
            self._per_account[account_id] -= 1
            if not self._per_account[account_id]:
                del self._per_account[account_id]
        return issued

    def _drop_expired(self) -> None:
        now = self._clock.monotonic()
        while self._issued and next(iter(self._issued.values())).expires_at < now:
            self._take(next(iter(self._issued)))

    def _session_ended(self, event: SessionEnded) -> None:
        self._tear_up([key for key, it in self._issued.items() if it.ticket.actor.session_id == event.session_id])

    def _grant_revoked(self, event: GrantRevoked) -> None:
        self._tear_up(
            [
                key
                for key, it in self._issued.items()
                if (it.ticket.device_id, it.ticket.actor.account_id) == (event.device_id, event.account_id)
            ]
        )

    def _device_gone(self, event: OwnershipEnded | DeviceRemoved) -> None:
        self._tear_up([key for key, it in self._issued.items() if it.ticket.device_id == event.device_id])

    def _tear_up(self, digests: list[bytes]) -> None:
        for digest in digests:
            self._take(digest)


def _digest(word: str) -> bytes:
    return hashlib.sha256(word.encode()).digest()
