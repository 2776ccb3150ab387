"""Wire types of the timeline. Times that end in `_us` are wall time in microseconds since the Unix epoch."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from incamera.protocol.messages import GapCause, StreamKind


class RunView(BaseModel):
    """Recorded without a break."""

    from_us: int
    to_us: int
    stream: StreamKind


class GapView(BaseModel):
    """Nothing was recorded here, or it no longer opens."""

    from_us: int
    to_us: int
    cause: GapCause


class EventView(BaseModel):
    """A mark on the timeline. None are made yet."""

    at_us: int
    kind: str


class TimelineView(BaseModel):
    """One channel at one zoom level. `oldest_us` and `newest_us`: of everything this person may see of it."""

    model_config = ConfigDict(populate_by_name=True)

    from_: datetime = Field(alias="from")
    to: datetime
    resolution_s: float
    runs: list[RunView]
    gaps: list[GapView]
    events: list[EventView]
    oldest_us: int | None
    newest_us: int | None
    now_us: int
