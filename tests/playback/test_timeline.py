from datetime import timedelta
from typing import Any

import pytest

from incamera.access import Permission
from incamera.kit.clock import from_us
from incamera.playback.timeline import Stretch, cut, merge
from incamera.protocol.messages import GapCause, StreamKind
from tests.playback.conftest import Household
from tests.support.recordings import PICTURE_US, Span, record_once

SECOND_US = 1_000_000


def ago(household: Household, seconds: float) -> int:
    return household.studio.clock.now_us() - round(seconds * SECOND_US)


def bands(timeline: dict[str, Any], stream: str = "main") -> list[tuple[int, int]]:
    return [(run["from_us"], run["to_us"]) for run in timeline["runs"] if run["stream"] == stream]


async def test_runs_of_neighbouring_segments_are_one_band(household: Household) -> None:
    start = ago(household, 300)
    await record_once(household.studio, household.channel_id, pictures=3500, started_us=start)

    timeline = await household.timeline()

    assert len(await household.studio.stored(household.channel_id)) == 3
    assert bands(timeline) == [(start, start + 3499 * PICTURE_US)]
    assert (timeline["oldest_us"], timeline["newest_us"]) == (start, start + 3499 * PICTURE_US)


async def test_gaps_carry_their_cause(household: Household) -> None:
    studio, channel = household.studio, household.channel_id
    first, second = ago(household, 300), ago(household, 200)
    await record_once(studio, channel, started_us=first)
    await record_once(studio, channel, started_us=second, gap_cause=GapCause.CAMERA_LOST)

    timeline = await household.timeline(resolution_s=1)

    between, after = timeline["gaps"]
    assert between == {"from_us": first + 99 * PICTURE_US, "to_us": second, "cause": "camera_lost"}
    assert after["from_us"] == second + 99 * PICTURE_US
    assert after["cause"] == "line_lost"


async def test_what_the_server_knows_goes_before_what_the_edge_supposes(household: Household) -> None:
    studio, channel = household.studio, household.channel_id
    span = Span(studio, channel, started_us=ago(household, 300))
    await span.open()
    await span.record(0, 50)
    await span.close(GapCause.SERVER_STOPPED)
    await record_once(studio, channel, started_us=ago(household, 100), gap_cause=GapCause.LINE_LOST)

    assert (await household.timeline(resolution_s=1))["gaps"][0]["cause"] == "server_stopped"


async def test_what_did_not_fit_at_the_edge_while_the_server_was_away_is_said(household: Household) -> None:
    studio, channel = household.studio, household.channel_id
    span = Span(studio, channel, started_us=ago(household, 300))
    await span.open()
    await span.record(0, 50)
    await span.close(GapCause.SERVER_STOPPED)
    await record_once(studio, channel, started_us=ago(household, 100), gap_cause=GapCause.SPOOL_FULL)

    assert (await household.timeline(resolution_s=1))["gaps"][0]["cause"] == "spool_full"


async def test_backlog_fills_its_gap(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 300)
    await record_once(studio, channel, started_us=start)
    await record_once(studio, channel, started_us=start + 200 * PICTURE_US, gap_cause=GapCause.LINE_LOST)
    await record_once(studio, channel, started_us=start + 100 * PICTURE_US, is_backlog=True)

    assert bands(await household.timeline(resolution_s=0.1)) == [(start, start + 299 * PICTURE_US)]


async def test_zoomed_out_short_gaps_are_merged_away(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 300)
    await record_once(studio, channel, started_us=start)
    await record_once(studio, channel, started_us=start + 10 * SECOND_US)

    assert len(bands(await household.timeline(resolution_s=1))) == 2
    assert len(bands(await household.timeline(resolution_s=30))) == 1


async def test_segment_being_written_is_on_the_timeline(household: Household) -> None:
    start = ago(household, 20)
    span = Span(household.studio, household.channel_id, started_us=start)
    await span.open()
    await span.record(0, 100)

    timeline = await household.timeline()

    assert bands(timeline) == [(start, start + 99 * PICTURE_US)]
    assert timeline["gaps"] == [], "it is being recorded right now"
    assert timeline["newest_us"] == start + 99 * PICTURE_US


async def test_only_the_asked_range_is_told(household: Household) -> None:
    start = ago(household, 400)
    await record_once(household.studio, household.channel_id, pictures=3000, started_us=start)
    window = {"from": from_us(start + 10 * SECOND_US).isoformat(), "to": from_us(start + 20 * SECOND_US).isoformat()}

    timeline = await household.timeline(**window)

    assert bands(timeline) == [(start + 10 * SECOND_US, start + 20 * SECOND_US)]


async def test_range_between_two_recordings_is_one_gap(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 400)
    await record_once(studio, channel, started_us=start)
    await record_once(studio, channel, started_us=start + 300 * SECOND_US, gap_cause=GapCause.EDGE_STOPPED)
    window = {"from": from_us(start + 100 * SECOND_US).isoformat(), "to": from_us(start + 110 * SECOND_US).isoformat()}

    timeline = await household.timeline(**window)

    assert timeline["runs"] == []
    assert timeline["gaps"] == [
        {"from_us": start + 100 * SECOND_US, "to_us": start + 110 * SECOND_US, "cause": "edge_stopped"}
    ]


async def test_sound_has_bands_of_its_own(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 100)
    await record_once(studio, channel, started_us=start)
    await record_once(studio, channel, started_us=start, pictures=50, stream=StreamKind.AUDIO)

    assert bands(await household.timeline(), "audio") == [(start, start + 49 * PICTURE_US)]


async def test_outsider_learns_nothing(household: Household) -> None:
    await record_once(household.studio, household.channel_id)

    response = await household.http("GET", f"/api/v1/channels/{household.channel_id}/timeline", household.friend)

    assert response.status_code == 404


async def test_grant_with_a_look_back_limit_hides_what_is_older(household: Household) -> None:
    studio, channel = household.studio, household.channel_id
    await record_once(studio, channel, started_us=ago(household, 500))
    await record_once(studio, channel, started_us=ago(household, 50))
    await household.grant(Permission.VIEW_RECORDINGS, look_back=timedelta(seconds=100))

    timeline = await household.timeline(household.friend)

    assert len(bands(timeline)) == 1
    assert timeline["oldest_us"] >= ago(household, 101)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "invalid_range"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "range_too_long"),
        ({"to": "0001-01-01T00:00:00Z"}, "invalid_range"),
        ({"to": "0001-01-01T00:00:00+23:59"}, "invalid_range"),
    ],
)
async def test_impossible_ranges_are_refused(household: Household, query: dict[str, str], code: str) -> None:
    response = await household.http("GET", f"/api/v1/channels/{household.channel_id}/timeline", params=query)
    assert (response.status_code, response.json()["code"]) == (422, code)


def test_merge_takes_overlaps_and_short_holes() -> None:
    pieces = [Stretch(0, 10, GapCause.STARTED), Stretch(5, 8, GapCause.LINE_LOST), Stretch(12, 20, GapCause.LINE_LOST)]
    assert merge(pieces, 2) == [Stretch(0, 20, GapCause.STARTED)]
    assert len(merge(pieces, 1)) == 2


def test_damage_is_cut_out() -> None:
    whole = [Stretch(0, 100, GapCause.STARTED)]
    assert cut(whole, 40, 60) == [Stretch(0, 40, GapCause.STARTED), Stretch(60, 100, GapCause.DAMAGED)]
    assert cut(whole, 0, 100) == []
