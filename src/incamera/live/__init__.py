"""Seeing cameras live: tickets, the media socket of a page, who watches, and the end of it within seconds.

`playback` uses the same tickets (`TicketOffice`) and the same watch over open streams (`OpenViews`).
"""

from incamera.live.errors import TicketInvalid, TooManyTickets
from incamera.live.service import LiveService
from incamera.live.socket import LIVE_PATH, MAX_ECHO
from incamera.live.tickets import Audience, Ticket, TicketOffice
from incamera.live.viewing_log import ViewingLog
from incamera.live.views import OpenViews, StopReason

__all__ = [
    "LIVE_PATH",
    "MAX_ECHO",
    "Audience",
    "LiveService",
    "OpenViews",
    "StopReason",
    "Ticket",
    "TicketInvalid",
    "TicketOffice",
    "TooManyTickets",
    "ViewingLog",
]
