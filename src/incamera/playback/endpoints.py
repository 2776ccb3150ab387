"""The timeline over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime

from incamera.access import Permission, access_channel
from incamera.accounts import CurrentActor
from incamera.kit.clock import from_us, to_us
from incamera.playback.errors import InvalidRange, RangeTooLong
from incamera.playback.schemas import GapView, RunView, TimelineView
from incamera.playback.service import PlaybackService
from incamera.playback.timeline import LONGEST_RANGE, Timeline
from incamera.privacy import Db, activity

router = APIRouter(prefix="/api/v1", tags=["playback"])

_DAY: Final = timedelta(days=1)
_FIRST_MOMENT: Final = datetime.min.replace(tzinfo=UTC)
_DETAIL: Final = 2000  # as many marks as a wide screen has pixels
_MOST_DETAIL: Final = 20_000  # bounds the work of one question


def _playback(request: Request) -> PlaybackService:
    service: PlaybackService = request.app.state.playback
    return service


Playback = Annotated[PlaybackService, Depends(_playback)]


@router.get("/channels/{channel_id}/timeline")
@activity("B5.playback")
async def get_timeline(
    channel_id: UUID,
    db: Db,
    actor: CurrentActor,
    playback: Playback,
    response: Response,
    from_: Annotated[AwareDatetime | None, Query(alias="from", description="Default: a day before `to`.")] = None,
    to: Annotated[AwareDatetime | None, Query(description="Default: now.")] = None,
    resolution_s: Annotated[
        float | None,
        Query(gt=0, le=86_400, description="What is shorter is merged away. Default: the range divided by 2,000."),
    ] = None,
) -> TimelineView:
    """When a channel was recorded, and the gaps with their cause; 32 days at most.

    404 for whoever may not look back at this channel, as if it did not exist.
    """
    access = await access_channel(db, actor, channel_id, Permission.VIEW_RECORDINGS)
    now_us = playback.now_us()
    to_moment = to or from_us(now_us)
    from_moment = from_ or to_moment - min(_DAY, to_moment - _FIRST_MOMENT)
    if from_moment >= to_moment:
        raise InvalidRange
    if to_moment - from_moment > LONGEST_RANGE:
        raise RangeTooLong(LONGEST_RANGE)
    range_s = (to_moment - from_moment).total_seconds()
    detail_s = max(resolution_s or range_s / _DETAIL, range_s / _MOST_DETAIL)
    earliest_us = 0 if access.look_back is None else now_us - round(access.look_back.total_seconds() * 1_000_000)
    first_us, last_us = max(to_us(from_moment), earliest_us), max(to_us(to_moment), earliest_us)
    found = await playback.timeline.read(channel_id, first_us, last_us, round(detail_s * 1_000_000))
    response.headers["Cache-Control"] = "no-store"
    return TimelineView(
        from_=from_moment,
        to=to_moment,
        resolution_s=detail_s,
        runs=_runs(found),
        gaps=[GapView(from_us=hole.from_us, to_us=hole.to_us, cause=hole.cause) for hole in found.gaps],
        events=[],
        oldest_us=None if found.oldest_us is None else max(found.oldest_us, earliest_us),
        newest_us=found.newest_us,
        now_us=found.now_us,
    )


def _runs(found: Timeline) -> list[RunView]:
    return [
        RunView(from_us=stretch.from_us, to_us=stretch.to_us, stream=stream)
        for stream, stretches in found.runs.items()
        for stretch in stretches
    ]
