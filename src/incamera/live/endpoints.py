"""Tickets over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response, status

from incamera.accounts import CurrentActor
from incamera.live.schemas import TicketRequest, TicketsView, TicketView
from incamera.live.service import LiveService
from incamera.privacy import Db, activity

router = APIRouter(prefix="/api/v1", tags=["live"])


def _live(request: Request) -> LiveService:
    service: LiveService = request.app.state.live
    return service


Live = Annotated[LiveService, Depends(_live)]


@router.post("/channels/{channel_id}/tickets", status_code=status.HTTP_201_CREATED)
@activity("B4.live_view")
async def issue_tickets(
    channel_id: UUID, body: TicketRequest, db: Db, actor: CurrentActor, live: Live, response: Response
) -> TicketsView:
    """Tickets for `/media/live` (one per stream) or `/media/playback` (one for all): single use, one minute.

    Sound needs the permission `listen`. 404 for whoever may not see this channel, as if it did not exist.
    """
    issued = await live.issue_tickets(db, actor, channel_id, body.audience, body.streams)
    response.headers["Cache-Control"] = "no-store"
    return TicketsView(
        tickets=[TicketView(ticket=word, stream=streams[0], streams=list(streams)) for word, streams in issued.tickets],
        expires_at=issued.expires_at,
    )
