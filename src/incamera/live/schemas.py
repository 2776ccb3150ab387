"""Wire types of live view."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from incamera.live.tickets import Audience
from incamera.privacy import RequestBody
from incamera.protocol.messages import StreamKind


class TicketRequest(RequestBody):
    """`{"for": "live", "streams": ["main", "audio"]}`"""

    model_config = ConfigDict(populate_by_name=True)

    audience: Audience = Field(alias="for", description="Which socket the tickets are for.")
    streams: Annotated[list[StreamKind], Field(min_length=1, max_length=3)]


class TicketView(BaseModel):
    """One ticket: a random word, good once."""

    ticket: str
    stream: StreamKind = Field(description="The first of `streams`.")
    streams: list[StreamKind]


class TicketsView(BaseModel):
    """What was issued, and when the last of it expires."""

    tickets: list[TicketView]
    expires_at: datetime
