"""Live view from ticket to picture, and what ends it."""

import asyncio
import base64
import itertools
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from incamera.access import Permission, revoke_grant
from incamera.accounts import SessionEnd, SessionEnded
from incamera.devices import ChannelTurnedOff, DeviceRemoved, SoundTurnedOff
from incamera.kit.clock import SystemClock
from incamera.kit.ids import new_id
from incamera.live import views
from incamera.live.socket import LIVE_PATH
from incamera.privacy import open_session
from incamera.protocol.frames import parse_viewer_header
from incamera.protocol.messages import CameraFault, CameraState, GapCause
from incamera.streams import ChannelState
from tests.live.conftest import Household
from tests.support.sockets import StreamDouble, eventually


async def test_a_page_gets_run_gop_and_then_each_chunk(household: Household) -> None:
    household.camera.begin()
    household.camera.push(13)
    page = await household.page()

    await page.say(open=await household.ticket(household.owner))
    opened, run = await page.hear("opened"), await page.hear("run")
    first = [await page.chunk() for _ in range(3)]
    household.camera.push()
    fresh = await page.chunk()

    assert opened["channel"] == str(household.channel_id)
    assert opened["stream"] == "main"
    assert base64.b64decode(run["init"]) == b"init of a test"
    assert (run["codec"], run["timescale"], run["gap"]["cause"]) == ("avc1.640028", 90_000, "started")
    headers = [parse_viewer_header(message) for message in (*first, fresh)]
    assert [(handle, is_sync) for handle, is_sync, _, _ in headers] == [
        (opened["handle"], True),
        *[(opened["handle"], False)] * 3,
    ]
    assert [decode_time // 3600 for _, _, decode_time, _ in headers] == [10, 11, 12, 13]
    assert first[0][24 + 4 : 24 + 8] == b"moof"
    await page.line.close()


async def test_two_streams_share_a_socket_and_close_apart(household: Household) -> None:
    other = StreamDouble(household.hub, household.camera.key._replace(stream="audio"), gop=1)  # type: ignore[arg-type]
    household.camera.begin()
    other.begin()
    page = await household.page()
    response = await household.ask(household.owner, "main", "audio")
    tickets = {one["stream"]: one["ticket"] for one in response.json()["tickets"]}
    picture, sound = await page.open(tickets["main"]), await page.open(tickets["audio"])
    assert household.hub.viewer_count(household.channel_id) == 1

    await page.say(close=sound)
    await page.say(close=999)
    await eventually(lambda: not household.hub._streams[other.key].subscribers)
    household.camera.push()
    other.push()

    assert parse_viewer_header(await page.chunk())[0] == picture
    await page.line.close()


async def test_a_ticket_is_good_once_and_for_one_kind_of_socket(household: Household) -> None:
    ticket = await household.ticket(household.owner)
    playback = (await household.ask(household.owner, "main", "audio", audience="playback")).json()["tickets"]
    page = await household.page()
    await page.open(ticket)

    for word in (ticket, playback[0]["ticket"], "guessed"):
        await page.say(open=word)
        error = await page.hear("error")
        assert (error["ticket"], error["code"]) == (word, "ticket_invalid")

    assert len(playback) == 1
    assert playback[0]["streams"] == ["main", "audio"]
    await page.line.close()


@pytest.mark.req("B4-01")
async def test_outsiders_get_no_ticket_and_learn_nothing(household: Household) -> None:
    refused = await household.ask(household.friend)
    household.camera.key = household.camera.key._replace(channel_id=new_id())
    unknown = await household.ask(household.owner)

    assert refused.status_code == unknown.status_code == 404
    assert {**refused.json(), "instance": ""} == {**unknown.json(), "instance": ""}


@pytest.mark.req("B4-06")
async def test_sound_needs_the_permission_to_listen(household: Household) -> None:
    await household.grant(Permission.VIEW_LIVE)

    assert (await household.ask(household.friend, "main")).status_code == 201
    assert (await household.ask(household.friend, "audio")).status_code == 404
    assert (await household.ask(household.friend, "main", "main")).status_code == 422


async def test_other_sites_cannot_open_the_socket(household: Household) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await connect(household.server.url(LIVE_PATH), origin="https://evil.example")

    assert refusal.value.response.status_code == 403


@pytest.mark.req("B4-01")
async def test_a_revoked_grant_ends_the_stream_and_nothing_else(household: Household) -> None:
    grant = await household.grant(Permission.VIEW_LIVE)
    household.camera.begin()
    owner, friend = await household.page(), await household.page()
    await owner.open(await household.ticket(household.owner))
    handle = await friend.open(await household.ticket(household.friend))
    unused = await household.ticket(household.friend)

    async with open_session(household.database, "B3.device_add") as db:
        await revoke_grant(db, grant.id, clock=SystemClock(), events=household.events)

    stopped = await friend.hear("stopped")
    assert stopped == {"type": "stopped", "handle": handle, "reason": "revoked"}
    await friend.say(open=unused)
    assert (await friend.hear("error"))["code"] == "ticket_invalid"
    household.camera.push()
    assert await owner.chunk()
    assert household.hub.viewer_count(household.channel_id) == 1
    await asyncio.gather(owner.line.close(), friend.line.close())


async def test_a_grant_revoked_by_another_process_is_noticed(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "CHECK_S", 0.05)
    grant = await household.grant(Permission.VIEW_LIVE)
    checking = asyncio.create_task(household.live.views.run())
    page = await household.page()
    await page.open(await household.ticket(household.friend))

    async with open_session(household.database, "B3.device_add") as db:
        await revoke_grant(db, grant.id, clock=SystemClock(), events=type(household.events)())

    assert (await page.hear("stopped"))["reason"] == "revoked"
    checking.cancel()
    await page.line.close()


async def test_an_ended_session_ends_its_streams_only(household: Household) -> None:
    page, other = await household.page(), await household.page()
    await page.open(await household.ticket(household.owner))
    await household.grant(Permission.VIEW_LIVE)
    await other.open(await household.ticket(household.friend))
    owner = household.owner

    household.events.publish(SessionEnded(owner.account_id, owner.session_id, SessionEnd.PASSWORD_CHANGED))

    assert (await page.hear("stopped"))["reason"] == "session_ended"
    assert household.hub.viewer_count(household.channel_id) == 1
    await asyncio.gather(page.line.close(), other.line.close())


async def test_watching_keeps_a_session_alive_and_ends_with_it(household: Household) -> None:
    page = await household.page()
    await page.open(await household.ticket(household.owner))

    await household.live.views.renew_sessions()
    household.live.views._end_expired(household.owner.expires_at)
    household.sessions.ended.add(household.owner.session_id)
    household.camera.begin()
    assert (await page.hear("run"))["codec"], "still there at the time the session would have been over"
    await household.live.views.renew_sessions()

    assert (await page.hear("stopped"))["reason"] == "session_ended"
    await page.line.close()


async def test_what_the_owner_turns_off_or_removes_ends_by_its_name(household: Household) -> None:
    response = await household.ask(household.owner, "main", "audio")
    tickets = {one["stream"]: one["ticket"] for one in response.json()["tickets"]}
    removed = await household.ticket(household.owner)
    page, other = await household.page(), await household.page()
    picture, sound = await page.open(tickets["main"]), await page.open(tickets["audio"])

    household.events.publish(SoundTurnedOff(household.channel_id))
    assert await page.hear("stopped") == {"type": "stopped", "handle": sound, "reason": "turned_off"}
    household.events.publish(ChannelTurnedOff(household.channel_id))
    assert await page.hear("stopped") == {"type": "stopped", "handle": picture, "reason": "turned_off"}

    await other.open(removed)
    household.events.publish(DeviceRemoved(household.device_id, (household.channel_id,)))
    assert (await other.hear("stopped"))["reason"] == "removed"
    await asyncio.gather(page.line.close(), other.line.close())


async def test_states_and_a_new_run_reach_open_tiles(household: Household) -> None:
    household.camera.begin()
    household.camera.push(2)
    page = await household.page()
    handle = await page.open(await household.ticket(household.owner))
    await page.hear("run")
    assert household.camera.publication is not None

    household.camera.publication.end(GapCause.CAMERA_LOST)
    lost = ChannelState(CameraState.OFFLINE, CameraFault.STALLED, 5)
    household.hub.announce_state(household.channel_id, lost)
    state = await page.hear("state")
    household.camera.begin(GapCause.CAMERA_LOST)
    run = await page.hear("run")

    assert state == {"type": "state", "handle": handle, "state": "offline", "fault": "stalled", "since_us": 5}
    assert run["gap"]["cause"] == "camera_lost"
    assert run["gap"]["seconds"] >= 0
    await page.line.close()


@pytest.mark.req("B4-04")
async def test_the_owner_can_read_who_watched_and_never_the_address(household: Household) -> None:
    page = await household.page()
    await page.open(await household.ticket(household.owner))
    await household.live.log.flush()
    await page.line.close()
    await eventually(lambda: not household.hub.viewer_count(household.channel_id))
    await household.live.log.flush()

    async with open_session(household.database, "B4.live_view", writes=False) as db:
        viewings = await household.live.log.latest(db, [household.channel_id], 10)

    assert len(viewings) == 1
    assert viewings[0].account_id == household.owner.account_id
    assert viewings[0].last_seen_at >= viewings[0].started_at
    assert not hasattr(viewings[0], "viewer_ip")
    data = b"".join(path.read_bytes() for path in household.database_files())
    assert b"127.0.0.1" not in data, "sealed under the viewer's account"


async def test_the_server_says_farewell(household: Household) -> None:
    page = await household.page()
    await page.open(await household.ticket(household.owner))

    await household.server.stop()

    assert (await page.hear("stopped"))["reason"] == "server_stopping"
    with pytest.raises(ConnectionClosed):
        await page.line.recv()
    assert page.line.close_code == 1001


async def test_a_page_may_ask_whether_the_line_is_there(household: Household) -> None:
    page = await household.page()
    await page.open(await household.ticket(household.owner))

    await page.say(ping=1)

    assert await page.hear("pong") == {"type": "pong"}


@pytest.mark.parametrize("message", ["{}", '{"open": 5}', '{"ping": "x"}', '{"play": {}}', "[1]", "null"])
async def test_what_no_page_says_closes_the_socket(household: Household, message: str) -> None:
    page = await household.page()
    await page.line.send(message)

    with pytest.raises(ConnectionClosed):
        await page.line.recv()
    assert page.line.close_code == 1008


async def test_fifty_viewers_leave_at_once_and_the_rest_see_on(household: Household) -> None:
    """go2rtc dies of this (its issue 1757)."""
    household.camera.begin()
    household.camera.push(3)
    stays = await household.page()
    await stays.open(await household.ticket(household.owner))
    pages = [await household.page() for _ in range(50)]
    for page in pages:
        await page.open(await household.ticket(household.owner))
    assert household.hub.viewer_count(household.channel_id) == 51

    for page in pages:
        page.line.transport.abort()
    household.camera.push(20)

    received = [parse_viewer_header(await stays.chunk())[2] for _ in range(23)]
    assert received == [number * 3600 for number in range(23)]
    await eventually(lambda: household.hub.viewer_count(household.channel_id) == 1)
    assert household.sockets.connection_count(LIVE_PATH) == 1
    await stays.line.close()


@pytest.mark.slow
async def test_a_slow_viewer_skips_to_a_sync_sample_and_nobody_else_notices(household: Household) -> None:
    household.camera.picture_bytes = 10_000
    household.camera.begin()
    household.camera.push(1)
    quick, slow = await household.page(), await household.page(receive_buffer_bytes=512 * 1024)
    await quick.open(await household.ticket(household.owner))
    await slow.open(await household.ticket(household.owner))
    slow.line.transport.pause_reading()
    seen = asyncio.create_task(_collect(quick, 201))

    for _ in range(100):  # for 4 s: the buffers of the kernel fill, then two seconds pass
        household.camera.push(2)
        await asyncio.sleep(0.04)
    slow.line.transport.resume_reading()
    returning = asyncio.create_task(_collect_until_quiet(slow))
    for _ in range(30):
        household.camera.push(1)
        await asyncio.sleep(0.04)

    got = await returning
    jumps = [(a, b) for a, b in itertools.pairwise(got) if b != a + 1]
    assert await seen == list(range(201)), "the quick one misses nothing"
    assert jumps, "the slow one lost something"
    assert all(after % 10 == 0 for _, after in jumps), "and went on at a sync sample"
    assert got[-1] == 230, "up to the present"
    slow.line.transport.abort()
    quick.line.transport.abort()


async def _collect(page: object, count: int) -> list[int]:
    return [parse_viewer_header(await page.chunk())[2] // 3600 for _ in range(count)]  # type: ignore[attr-defined]


async def _collect_until_quiet(page: object) -> list[int]:
    numbers: list[int] = []
    try:
        async with asyncio.timeout(0.6) as deadline:
            while True:
                received = await page.line.recv()  # type: ignore[attr-defined]
                deadline.reschedule(asyncio.get_running_loop().time() + 0.6)
                if isinstance(received, bytes):
                    numbers.append(parse_viewer_header(received)[2] // 3600)
                else:
                    json.loads(received)
    except TimeoutError:
        return numbers
