"""What was recorded, as a person sees it: the timeline, and the numbers in the pictures when it is played again."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from tests.support.camera import read_counters
from tests.support.server import Server
from tests.support.viewer import Part, Picture, looking_back

_TELL_EVERY = 8  # pictures; a page that says more is told to slow down


def assert_gapless(numbers: list[int]) -> None:
    """Every picture the camera drew, once, in order."""
    missing = sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))
    assert not missing, f"{len(missing)} pictures are missing, from {missing[0]} on"
    assert numbers == sorted(set(numbers)), "a picture came twice, or too late"


async def replay(
    server: Server, channel_id: str, *, wanted: int, from_us: int | None = None
) -> tuple[list[int], list[Part]]:
    """The counters of at least `wanted` recorded pictures, and the parts they came in."""
    async with looking_back(server, channel_id, "main") as (viewer, opened):
        main, start = opened["handles"]["main"], from_us or opened["from_us"]
        await viewer.say(play={"handle": opened["handle"], "at_us": start, "speed": 4, "request": 1})

        def count() -> int:
            return len(viewer.streams[main].pictures) if main in viewer.streams else 0

        while count() < wanted:
            message = await viewer.receive()
            assert not isinstance(message, dict) or message["type"] not in ("error", "end"), (message, count())
            if isinstance(message, Picture) and count() % _TELL_EVERY == 0:
                await viewer.say(position={"handle": opened["handle"], "at_us": message.wall_us})
        parts = viewer.streams[main].parts
    return [number for part in parts if part.pictures for number in read_counters(part.media)], parts


def timeline_path(channel_id: str) -> str:
    """Ten minutes before and after now."""
    now = datetime.now(UTC)
    begin, end = (now - timedelta(minutes=10)).isoformat(), (now + timedelta(minutes=10)).isoformat()
    return f"/api/v1/channels/{channel_id}/timeline?" + urlencode({"from": begin, "to": end, "resolution_s": 1})


def timeline(server: Server, channel_id: str) -> dict[str, Any]:
    """As soon as something was recorded."""
    shown: dict[str, Any] = server.wait_for(timeline_path(channel_id), lambda answer: answer["newest_us"])
    return shown


def holes(shown: dict[str, Any], since_us: int) -> list[dict[str, Any]]:
    """Gaps that end after `since_us`."""
    return [gap for gap in shown["gaps"] if gap["to_us"] > since_us]
