import asyncio
import os
from datetime import timedelta

import pytest

from incamera.access import Permission, revoke_grant
from incamera.playback.socket import AHEAD_S
from incamera.privacy import open_session
from incamera.protocol.messages import GapCause, StreamKind
from incamera.recording import RecordingDamaged
from incamera.recording.model import segment_path
from tests.playback.conftest import Household
from tests.support.recordings import PICTURE_US, Span, number_of, record_once

SECOND_US = 1_000_000


def ago(household: Household, seconds: float) -> int:
    return household.studio.clock.now_us() - round(seconds * SECOND_US)


async def test_playing_starts_at_the_sync_sample_before_and_ends_with_what_is_recorded(household: Household) -> None:
    start = ago(household, 100)
    span = await record_once(household.studio, household.channel_id, pictures=200, started_us=start)
    page, opened = await household.open()
    assert (opened["from_us"], opened["to_us"]) == (start, start + 199 * PICTURE_US)

    await page.say(play={"handle": opened["handle"], "at_us": start + 60 * PICTURE_US, "speed": 1, "request": 7})
    shown = await page.until("end")

    [run] = shown.of("run")
    assert (run["request"], run["codec"], run["run"]) == (7, "avc1.640028", str(span.opened.run_id))
    assert [number_of(chunk) for *_, chunk in shown.pictures] == list(range(50, 200))
    assert shown.pictures[0] == (opened["handle"], True, start + 50 * PICTURE_US, span.sent[50].chunk)
    assert shown.of("end") == [{"type": "end", "request": 7}]


async def test_the_picture_comes_first_and_the_rest_once_it_is_there(household: Household) -> None:
    start = ago(household, 100)
    await record_once(household.studio, household.channel_id, pictures=1000, started_us=start)
    page, opened = await household.open()

    await page.say(play={"handle": opened["handle"], "at_us": start, "speed": 1, "request": 1})
    shown = await page.until(pictures=50)
    at_us = shown.pictures[-1][2]
    await page.say(position={"handle": opened["handle"], "at_us": start})
    later = await page.until(pictures=200)

    assert at_us <= start + 2 * SECOND_US
    assert later.pictures[-1][2] > start + 9 * SECOND_US


async def test_server_keeps_twelve_seconds_ahead_of_the_viewer(household: Household) -> None:
    start = ago(household, 100)
    await record_once(household.studio, household.channel_id, pictures=1000, started_us=start)
    page, opened = await household.open()

    await page.say(play={"handle": opened["handle"], "at_us": start, "speed": 1, "request": 1})
    shown = await page.silence(0.8)
    assert 300 <= len(shown.pictures) <= 310
    await page.say(position={"handle": opened["handle"], "at_us": start + 5 * SECOND_US})
    assert 120 <= len((await page.silence()).pictures) <= 130


async def test_playing_goes_on_over_segments_gaps_and_runs(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 500)
    first = await record_once(studio, channel, pictures=1700, started_us=start)  # two segments
    second_start = start + 300 * SECOND_US
    await record_once(studio, channel, pictures=100, started_us=second_start, gap_cause=GapCause.CAMERA_LOST)
    page, opened = await household.open()
    at_us = start + 1490 * PICTURE_US

    await page.say(play={"handle": opened["handle"], "at_us": at_us, "speed": 1, "request": 1})
    shown = await page.until("run")
    shown = await page.until("run", timeout_s=10)
    assert [number_of(chunk) for *_, chunk in shown.pictures] == list(range(1475, 1700))
    [gap] = shown.of("gap")
    assert (gap["from_us"], gap["to_us"], gap["cause"]) == (
        first.started_us + 1699 * PICTURE_US,
        second_start,
        "camera_lost",
    )
    assert shown.of("run")[0]["gap"]["cause"] == "camera_lost"
    assert len((await page.until(pictures=40)).pictures) == 40, "the gap does not count against what is sent ahead"


async def test_a_page_may_ask_whether_the_line_is_there(household: Household) -> None:
    page, _ = await household.open()

    await page.say(ping=1)

    assert (await page.until("pong")).messages == [{"type": "pong"}]


async def test_playing_in_a_gap_starts_behind_it(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 500)
    await record_once(studio, channel, started_us=start)
    await record_once(studio, channel, started_us=start + 300 * SECOND_US)
    page, opened = await household.open()

    await page.say(play={"handle": opened["handle"], "at_us": start + 100 * SECOND_US, "request": 1})
    shown = await page.until(pictures=1)

    assert shown.pictures[0][2] == start + 300 * SECOND_US
    assert len(shown.of("gap")) == 1


async def test_the_picture_does_not_wait_for_the_sound(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 100)
    await record_once(studio, channel, started_us=start, stream=StreamKind.AUDIO, gop=1, picture_bytes=50)
    await record_once(studio, channel, started_us=start)
    [stored] = await studio.stored(channel, StreamKind.AUDIO)
    path = segment_path(studio.folder, stored.id)
    path.unlink()
    os.mkfifo(path)  # opens only when somebody writes: a disk that stalls just there
    page, opened = await household.open("main", "audio")

    await page.say(play={"handle": opened["handle"], "at_us": start + 40 * PICTURE_US, "request": 1})
    try:
        shown = await page.until(pictures=16)
    finally:
        writer = os.open(path, os.O_RDWR)  # waits for nobody, and whoever waits for a writer goes on
    await page.until("error")
    os.close(writer)

    assert [number_of(chunk) for *_, chunk in shown.pictures] == list(range(25, 41))


async def test_sound_stays_in_step_with_the_picture(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 100)
    run_of_sound = await record_once(
        studio, channel, started_us=start, pictures=600, stream=StreamKind.AUDIO, gop=1, picture_bytes=50
    )
    await record_once(studio, channel, started_us=start, pictures=600)
    page, opened = await household.open("main", "audio")
    handles = opened["handles"]

    await page.say(play={"handle": handles["main"], "at_us": start + 2 * SECOND_US, "request": 1})
    shown = await page.silence()

    assert {run["handle"] for run in shown.of("run")} == set(handles.values())
    assert str(run_of_sound.opened.run_id) in {run["run"] for run in shown.of("run")}
    ends = {handle: max(wall for h, _, wall, _ in shown.pictures if h == handle) for handle in handles.values()}
    assert abs(ends[handles["main"]] - ends[handles["audio"]]) <= 1.1 * SECOND_US
    starts = {handle: min(wall for h, _, wall, _ in shown.pictures if h == handle) for handle in handles.values()}
    assert abs(starts[handles["main"]] - starts[handles["audio"]]) <= PICTURE_US


@pytest.mark.parametrize(("speed", "order"), [(16, 1), (-4, -1)])
async def test_fast_and_backwards_show_sync_samples_only(household: Household, speed: int, order: int) -> None:
    start = ago(household, 200)
    await record_once(household.studio, household.channel_id, pictures=2000, started_us=start)
    page, opened = await household.open()
    at_us = start if order > 0 else start + 70 * SECOND_US

    await page.say(play={"handle": opened["handle"], "at_us": at_us, "speed": speed, "request": 1})
    shown = await page.silence(0.8)

    walls = [wall for _, _, wall, _ in shown.pictures]
    assert all(is_sync for _, is_sync, _, _ in shown.pictures)
    assert walls == sorted(walls, reverse=order < 0)
    assert len(walls) >= 20
    assert abs(walls[-1] - walls[0]) <= AHEAD_S * abs(speed) * SECOND_US + 2 * SECOND_US


async def test_scrubbing_answers_with_one_sync_sample(household: Household) -> None:
    start = ago(household, 100)
    await record_once(household.studio, household.channel_id, pictures=500, started_us=start)
    page, opened = await household.open()

    for number, expects_run in ((130, True), (130, False), (310, False)):
        await page.say(scrub={"handle": opened["handle"], "at_us": start + number * PICTURE_US, "request": number})
        shown = await page.until("scrubbed")
        [picture] = shown.pictures
        assert number_of(picture[3]) == number // 25 * 25
        assert shown.messages[-1] == {"type": "scrubbed", "request": number, "at_us": picture[2]}
        assert bool(shown.of("run")) is expects_run


async def test_scrubbing_where_nothing_is_answers_without_a_picture(household: Household) -> None:
    page, opened = await household.open()
    assert opened["from_us"] is None

    await page.say(scrub={"handle": opened["handle"], "at_us": 5, "request": 1})

    assert (await page.until("scrubbed")).pictures == []


async def test_segment_being_written_is_playable_and_grows(household: Household) -> None:
    start = ago(household, 5)
    span = Span(household.studio, household.channel_id, started_us=start)
    await span.open()
    await span.record(0, 60)
    page, opened = await household.open()

    await page.say(play={"handle": opened["handle"], "at_us": start, "request": 1})
    assert len((await page.until("end")).pictures) == 60
    await span.record(60, 100)
    await page.say(play={"handle": opened["handle"], "at_us": start + 55 * PICTURE_US, "request": 2})
    assert [number_of(chunk) for *_, chunk in (await page.until("end")).pictures] == list(range(50, 100))


@pytest.mark.req("B5-02")
async def test_altered_record_is_a_gap_and_an_event_never_a_picture(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 100)
    span = await record_once(studio, channel, pictures=100, started_us=start)
    [segment] = await studio.stored(channel)
    opened_segment = await studio.recorder.archive.open(segment)
    assert opened_segment is not None
    path = segment_path(studio.folder, segment.id)
    data = bytearray(path.read_bytes())
    data[opened_segment.index.offsets[30] + 70] ^= 1
    path.write_bytes(data)
    told: list[RecordingDamaged] = []
    studio.events.subscribe(RecordingDamaged, told.append)
    page, opened = await household.open()

    await page.say(play={"handle": opened["handle"], "at_us": start, "request": 1})
    shown = await page.until("end")

    numbers = [number_of(chunk) for *_, chunk in shown.pictures]
    assert numbers == [*range(30), *range(50, 100)], "nothing that depends on the altered picture is shown"
    assert all(chunk == span.sent[number].chunk for number, (*_, chunk) in zip(numbers, shown.pictures, strict=True))
    [gap] = shown.of("gap")
    assert (gap["from_us"], gap["to_us"], gap["cause"]) == (
        start + 30 * PICTURE_US,
        start + 49 * PICTURE_US,
        "damaged",
    )
    assert len(told) == 1
    assert "damaged" in {hole["cause"] for hole in (await household.timeline())["gaps"]}


@pytest.mark.req("B5-02")
async def test_file_cut_short_is_a_gap_and_an_event(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 100)
    await record_once(studio, channel, pictures=100, started_us=start)
    [segment] = await studio.stored(channel)
    path = segment_path(studio.folder, segment.id)
    path.write_bytes(path.read_bytes()[: segment.footer_offset // 2])
    page, opened = await household.open()

    await page.say(play={"handle": opened["handle"], "at_us": start, "request": 1})
    shown = await page.until("end")

    assert 20 < len(shown.pictures) < 80
    gaps = (await household.timeline(resolution_s=0.1))["gaps"]
    assert gaps[0]["cause"] == "damaged"
    assert gaps[0]["to_us"] == segment.ended_us


async def test_erased_hour_stops_also_for_those_who_are_watching(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 100)
    await record_once(studio, channel, pictures=1000, started_us=start)
    page, opened = await household.open()
    await page.say(play={"handle": opened["handle"], "at_us": start, "request": 1})
    await page.silence()
    hours = {segment.hour for segment in await studio.stored(channel)}

    await studio.recorder._eraser.erase_hours(hours)
    await page.say(position={"handle": opened["handle"], "at_us": start + 9 * SECOND_US})
    shown = await page.until("end")

    assert shown.pictures == []
    assert shown.of("gap")[-1]["cause"] == "expired"


async def test_outsider_gets_no_ticket_and_a_ticket_is_good_once(household: Household) -> None:
    body = {"for": "playback", "streams": ["main"]}
    path = f"/api/v1/channels/{household.channel_id}/tickets"
    assert (await household.http("POST", path, household.friend, json=body)).status_code == 404

    ticket, page = await household.ticket(), await household.page()
    assert (await page.open(ticket))["type"] == "opened"
    assert (await page.open(ticket))["code"] == "ticket_invalid"


async def test_revoked_grant_stops_playing_at_once(household: Household) -> None:
    start = ago(household, 100)
    await record_once(household.studio, household.channel_id, pictures=1000, started_us=start)
    grant = await household.grant(Permission.VIEW_RECORDINGS)
    page, opened = await household.open(actor=household.friend)
    await page.say(play={"handle": opened["handle"], "at_us": start, "request": 1})
    await page.until(pictures=10)

    async with open_session(household.studio.database, "B3.device_add") as db:
        await revoke_grant(db, grant.id, clock=household.studio.clock, events=household.studio.events)
    shown = await page.until("stopped", timeout_s=5)
    assert shown.of("stopped")[0]["reason"] == "revoked"
    await page.say(play={"handle": opened["handle"], "at_us": start, "request": 2})
    assert (await page.silence()).pictures == []


async def test_look_back_limit_holds_for_pictures_too(household: Household) -> None:
    studio, channel, start = household.studio, household.channel_id, ago(household, 200)
    await record_once(studio, channel, pictures=4800, started_us=start)
    await household.grant(Permission.VIEW_RECORDINGS, look_back=timedelta(seconds=60))
    page, opened = await household.open(actor=household.friend)
    earliest = ago(household, 61)
    assert opened["from_us"] >= earliest

    await page.say(play={"handle": opened["handle"], "at_us": start, "request": 1})
    walls = [wall for _, _, wall, _ in (await page.until(pictures=20)).pictures]
    await page.say(play={"handle": opened["handle"], "at_us": ago(household, 50), "speed": -8, "request": 2})
    walls += [wall for _, _, wall, _ in (await page.until("end")).pictures]

    assert min(walls) >= earliest


async def test_viewing_is_logged_for_the_owner(household: Household) -> None:
    await record_once(household.studio, household.channel_id)
    page, _ = await household.open()
    async with open_session(household.studio.database, "B5.playback", writes=False) as db:
        [line] = await household.playback.log.latest(db, [household.channel_id], 10)
    assert line.account_id == household.owner.account_id

    household.studio.clock.offset_s += 20
    await page.line.close()
    await asyncio.sleep(0.05)
    await household.playback.log.flush()
    async with open_session(household.studio.database, "B5.playback", writes=False) as db:
        [line] = await household.playback.log.latest(db, [household.channel_id], 10)
    assert line.last_seen_at - line.started_at >= timedelta(seconds=20)


@pytest.mark.parametrize("message", [{"play": {"handle": 1, "at_us": 1, "speed": 0}}, {"play": 5}, {"what": 1}])
async def test_nonsense_closes_the_socket(household: Household, message: dict[str, object]) -> None:
    page, _ = await household.open()
    await page.say(**message)
    async with asyncio.timeout(5):
        await page.line.wait_closed()
    assert page.line.close_code == 1008
