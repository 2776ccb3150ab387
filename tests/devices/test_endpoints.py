"""What an owner does with devices, over HTTP."""

from typing import Any
from uuid import UUID

import httpx2
import pytest

from incamera.protocol.messages import (
    AnySource,
    CameraFault,
    CameraState,
    CameraStatus,
    DeviceSource,
    FileSource,
    HttpSource,
    RtspSource,
    SpoolStatus,
    StreamKind,
    StreamMode,
)
from tests.support.household import EMAIL, EXIF, PASSWORD, Household

CARD = {"purpose": "the front door", "placement": "outdoor", "sees_public_space": False, "sound": False}
SECRET = "pass-Wort:1"


def a_camera(**changes: Any) -> dict[str, Any]:
    channel = {"name": "Door", "address": "rtsp://192.168.1.20/main", "username": "vic-TOR", "password": SECRET}
    return {
        "kind": "camera",
        "name": "Front door",
        "time_zone": "Europe/Paris",
        "channels": [channel],
        "privacy_card": CARD,
        "mode": "live",
        "sound": False,
    } | changes


async def add(client: httpx2.AsyncClient, **changes: Any) -> Any:
    answer = await client.post("/api/v1/devices", json=a_camera(**changes))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def online(server: Household, edge: UUID, channel: str, **changes: Any) -> None:
    status = {"state": CameraState.ONLINE, "video_codec": "avc1.64001f", "width": 1920, "height": 1080} | changes
    await server.desk.camera_status(
        edge, CameraStatus(channel_id=UUID(channel), since_us=server.clock.now_us(), **status)
    )


async def test_an_added_camera_is_what_the_edge_shall_open(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner, mode="record", sound=True)
        listed = (await owner.get("/api/v1/devices")).json()

    (wanted,) = (await server.desk.desired(edge)).channels
    assert listed["items"] == [device]
    assert (device["address"], device["state"]["code"]) == ("192.168.1.20", "connecting")
    assert wanted.channel_id == UUID(device["channels"][0]["id"])
    assert wanted.source == RtspSource(url="rtsp://192.168.1.20/main", username="vic-TOR", password=SECRET)
    assert [(it.stream, it.mode) for it in wanted.streams] == [
        (StreamKind.MAIN, StreamMode.RECORD),
        (StreamKind.AUDIO, StreamMode.RECORD),
    ]
    assert edge in server.edges.refreshed


async def test_a_test_picture_comes_before_saving(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        camera = {"address": f"rtsp://vic-TOR:{SECRET}@192.168.1.20:8554/main"}
        answer = await owner.post("/api/v1/devices/probe", json=camera)
        devices = (await owner.get("/api/v1/devices")).json()

    assert answer.json()["picture"].startswith("data:image/jpeg;base64,")
    assert (answer.json()["fault"], answer.json()["width"]) == ("none", 1920)
    assert SECRET not in answer.text
    (source,) = server.edges.probed
    assert (source.url, source.username, source.password) == ("rtsp://192.168.1.20:8554/main", "vic-TOR", SECRET)
    assert devices["items"] == []


async def test_each_fault_of_a_camera_has_words(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        for fault in set(CameraFault) - {CameraFault.NONE}:
            server.edges.fault = fault
            answer = await owner.post("/api/v1/devices/probe", json={"address": "rtsp://192.168.1.20/main"})
            assert (answer.status_code, answer.json()["code"]) == (409, f"camera_{fault}")
            assert len(answer.json()["detail"]) > 30


async def test_a_certificate_that_nobody_vouches_for_is_shown_and_can_be_accepted(server: Household) -> None:
    await server.local_edge()
    server.edges.fault, server.edges.certificate = CameraFault.CERTIFICATE, "ab" * 32
    camera = {"address": "https://192.168.1.20/video.mjpg", "username": "zoe", "password": "s3cret"}
    async with server.client() as owner:
        await server.set_up(owner)
        shown = await owner.post("/api/v1/devices/probe", json=camera)
        server.edges.fault, server.edges.certificate = CameraFault.NONE, ""
        accepted = await owner.post("/api/v1/devices/probe", json=camera | {"certificate": "AB" * 32})

    assert (shown.status_code, shown.json()["code"]) == (409, "camera_certificate")
    assert shown.json()["certificate"] == "ab" * 32
    assert accepted.status_code == 200
    assert [getattr(source, "certificate", None) for source in server.edges.probed] == ["", "ab" * 32]


async def test_what_an_edge_calls_a_certificate_is_bounded(server: Household) -> None:
    """Attack: a hostile edge puts text into the page of its owner."""
    await server.local_edge()
    server.edges.fault, server.edges.certificate = CameraFault.CERTIFICATE, "<script>" * 1000
    async with server.client() as owner:
        await server.set_up(owner)
        shown = await owner.post("/api/v1/devices/probe", json={"address": "https://192.168.1.20/"})

    assert (shown.status_code, shown.json()["code"]) == (409, "camera_certificate")
    assert "certificate" not in shown.json()
    assert "script" not in shown.text


@pytest.mark.parametrize(
    ("address", "source", "place"),
    [
        ("http://cam/video.mjpg", HttpSource(url="http://cam/video.mjpg", username="zoe", password="s3cret"), "cam"),
        (
            "https://cam/1",
            HttpSource(url="https://cam/1", username="zoe", password="s3cret", certificate="ab" * 32),
            "cam",
        ),
        ("file:yard/monday 1.mp4", FileSource(name="yard/monday 1.mp4"), "file:yard/monday 1.mp4"),
        ("device:video0", DeviceSource(device="video0"), "device:video0"),
    ],
)
async def test_each_kind_of_camera_reaches_its_edge_as_it_was_added(
    server: Household, address: str, source: AnySource, place: str
) -> None:
    edge = await server.local_edge()
    given = {"username": "zoe", "password": "s3cret", "certificate": "ab" * 32}
    channel = {"name": "Yard", "address": address, "sub_address": "rtsp://cam/sub", **given}
    async with server.client() as owner:
        await server.set_up(owner)
        added = await owner.post("/api/v1/devices", json=a_camera(channels=[channel]))
        assert added.status_code == 201, added.text
        wanted = (await server.desk.desired(edge)).channels[0]

        assert wanted.source == source
        assert wanted.sub_source == RtspSource(url="rtsp://cam/sub", username="zoe", password="s3cret")
        assert added.json()["address"] == added.json()["channels"][0]["address"] == place

        path = f"/api/v1/channels/{added.json()['channels'][0]['id']}/source"
        assert (await owner.put(path, json={"address": "rtsp://cam/main"})).status_code == 200
        assert (await server.desk.desired(edge)).channels[0].source == RtspSource(url="rtsp://cam/main")


async def test_without_an_edge_the_answer_says_what_to_do(server: Household) -> None:
    async with server.client() as owner:
        await server.set_up(owner)
        nobody = await owner.post("/api/v1/devices/probe", json={"address": "rtsp://192.168.1.20/"})
        edge = await server.local_edge()
        server.edges.connected.clear()
        away = await owner.post("/api/v1/devices/probe", json={"address": "rtsp://192.168.1.20/", "edge_id": str(edge)})

    assert (nobody.status_code, nobody.json()["code"]) == (409, "no_edge")
    assert (away.status_code, away.json()["code"]) == (503, "edge_not_connected")


@pytest.mark.req("B0-01")
async def test_nothing_is_captured_without_a_privacy_card(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        for mode in ("live", "record"):
            refused = await owner.post("/api/v1/devices", json=a_camera(privacy_card=None, mode=mode))
            assert (refused.status_code, refused.json()["code"]) == (409, "privacy_card_needed")
        device = await add(owner, privacy_card=None, mode="off")
        path = f"/api/v1/channels/{device['channels'][0]['id']}"
        for change in ({"mode": "live"}, {"sound": True}):
            assert (await owner.patch(path, json=change)).json()["code"] == "privacy_card_needed"
        assert (await server.desk.desired(edge)).channels == ()

        carded = await owner.put(f"/api/v1/devices/{device['id']}/privacy-card", json=CARD)
        assert carded.json()["sign_url"].startswith("/privacy/camera/")
        assert (await owner.patch(path, json={"mode": "live"})).json()["mode"] == "live"
    assert len((await server.desk.desired(edge)).channels) == 1


@pytest.mark.req("B0-03")
async def test_public_space_is_kept_three_days_at_most(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner)
        path = f"/api/v1/channels/{device['channels'][0]['id']}"
        assert device["channels"][0]["keep"] == "P7D"
        assert (await owner.patch(path, json={"keep": "P30D"})).json()["keep"] == "P30D"
        assert (await owner.patch(path, json={"keep": "P31D"})).json()["code"] == "keep_out_of_range"
        assert (await owner.patch(path, json={"keep": "PT5H"})).json()["code"] == "keep_out_of_range"
        assert (await owner.patch(path, json={"keep": "forever"})).json()["code"] == "invalid_keep"

        public = await owner.put(
            f"/api/v1/devices/{device['id']}/privacy-card", json=CARD | {"sees_public_space": True}
        )
        (channel,) = public.json()["channels"]
        assert (channel["keep"], channel["keep_ceiling"]) == ("P3D", "P3D")
        assert (await owner.patch(path, json={"keep": "P7D"})).json()["code"] == "keep_out_of_range"
    plan = await server.plans.find(UUID(channel["id"]))
    assert plan is not None
    assert plan.keep.days == 3
    assert (await server.plans.keep())[UUID(channel["id"])].sees_public_space


async def test_turning_off_stops_capture_and_turning_sound_on_says_so_on_the_card(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner)
        channel = UUID(device["channels"][0]["id"])
        assert await server.desk.may_send(edge, channel, StreamKind.AUDIO, 1) == "not_wanted"
        await owner.patch(f"/api/v1/channels/{channel}", json={"sound": True})
        shown = (await owner.get(f"/api/v1/devices/{device['id']}")).json()
        assert shown["privacy_card"]["sound"] is True
        assert await server.desk.may_send(edge, channel, StreamKind.AUDIO, 1) is None

        muted = await owner.put(f"/api/v1/devices/{device['id']}/privacy-card", json=CARD | {"sound": False})
        assert muted.json()["channels"][0]["sound"] is False, "a card that says nothing is heard turns sound off"
        assert await server.desk.may_send(edge, channel, StreamKind.AUDIO, 1) == "not_wanted"

        await owner.patch(f"/api/v1/channels/{channel}", json={"mode": "off"})
        assert await server.desk.may_send(edge, channel, StreamKind.MAIN, 1) == "not_wanted"
        assert (await server.desk.desired(edge)).channels == ()
        assert (await owner.get(f"/api/v1/devices/{device['id']}")).json()["state"]["code"] == "off"


async def test_state_is_what_the_edge_says_and_offline_when_the_edge_is(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner)
        (channel,) = device["channels"]
        await online(server, edge, channel["id"])
        shown = (await owner.get(f"/api/v1/devices/{device['id']}")).json()
        assert (shown["state"]["code"], shown["channels"][0]["width"]) == ("online", 1920)

        await online(server, edge, channel["id"], state=CameraState.OFFLINE, fault=CameraFault.REFUSED_PASSWORD)
        shown = (await owner.get(f"/api/v1/devices/{device['id']}")).json()
        assert (shown["state"]["code"], shown["state"]["fault"]) == ("offline", "refused_password")

        await online(server, edge, channel["id"], state=CameraState.OFFLINE, fault=CameraFault.REFUSED_PASSWORD)
        path = f"/api/v1/channels/{channel['id']}/states"
        states = (await owner.get(path)).json()["items"]
        assert [(it["code"], it["fault"]) for it in states] == [("online", None), ("offline", "refused_password")]
        server.clock.move(days=1, seconds=1)
        await owner.post("/api/v1/sign-in", json={"email": EMAIL, "password": PASSWORD})
        assert (await owner.get(path)).json()["items"] == [], "B6-05: a day, no longer"

        server.edges.connected.clear()
        await server.desk.disconnected(edge)
        shown = (await owner.get(f"/api/v1/devices/{device['id']}")).json()
        assert (shown["state"]["code"], shown["state"]["fault"]) == ("offline", "edge_offline")
        assert shown["state"]["since"] is not None


async def test_a_new_password_reaches_the_edge_and_nobody_else(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner)
        path = f"/api/v1/channels/{device['channels'][0]['id']}/source"
        answer = await owner.put(path, json={"address": "rtsp://192.168.1.21/", "password": "new-SECRET"})
        assert answer.status_code == 200
        assert "new-SECRET" not in answer.text
    (wanted,) = (await server.desk.desired(edge)).channels
    assert (wanted.source.url, wanted.source.password) == ("rtsp://192.168.1.21/", "new-SECRET")


async def test_removing_stops_at_once_and_can_be_undone(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner)
        path, channel = f"/api/v1/devices/{device['id']}", UUID(device["channels"][0]["id"])
        removed = await owner.delete(path)
        assert removed.status_code == 200
        assert (await server.desk.desired(edge)).channels == ()
        assert await server.desk.may_send(edge, channel, StreamKind.MAIN, 1) == "not_wanted"
        assert (await owner.get("/api/v1/devices")).json()["items"] == []
        (waiting,) = (await owner.get("/api/v1/devices?removed=true")).json()["items"]
        assert waiting["removed_until"] == removed.json()["removed_until"]
        assert (await owner.patch(path, json={"name": "x"})).status_code == 404

        server.clock.move(minutes=9)
        assert await server.jobs.run_due() == 0
        restored = await owner.post(f"{path}/restore")
        assert restored.json()["removed_until"] is None
        assert len((await owner.get("/api/v1/devices")).json()["items"]) == 1

        server.clock.move(minutes=2)
        await server.jobs.run_due()
        assert (await owner.get(path)).status_code == 200, "the job of an undone removal erases nothing"
        assert (await owner.post(f"{path}/restore")).json()["code"] == "device_not_removed"


async def test_after_ten_minutes_a_removed_device_is_gone_for_good(server: Household) -> None:
    await server.local_edge()
    erased: list[Any] = []

    async def eraser(event: Any) -> None:
        erased.append(event)

    server.services.removal.on_erase(eraser)
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner)
        await owner.delete(f"/api/v1/devices/{device['id']}")
        server.clock.move(minutes=10, seconds=1)
        assert (await owner.post(f"/api/v1/devices/{device['id']}/restore")).json()["code"] == "device_not_removed"
        await server.jobs.run_due()

        assert (await owner.get(f"/api/v1/devices/{device['id']}")).status_code == 404
        assert (await owner.get("/api/v1/devices?removed=true")).json()["items"] == []
    assert [str(event.device_id) for event in erased] == [device["id"]]
    assert [str(channel) for channel in erased[0].channel_ids] == [device["channels"][0]["id"]]
    assert await server.services.removal.erase_removed() == 0


@pytest.mark.req("B7-01")
async def test_a_cover_is_taken_sealed_and_cached_by_nobody(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner)
        channel = device["channels"][0]["id"]
        path = f"/api/v1/channels/{channel}/cover"
        assert (await owner.get(path)).json()["code"] == "no_cover"
        assert (await owner.post(f"{path}/refresh")).json()["code"] == "cover_not_taken"
        await online(server, edge, channel)
        assert (await owner.post(f"{path}/refresh")).status_code == 200

        shown = (await owner.get(f"/api/v1/devices/{device['id']}")).json()["channels"][0]["cover"]
        cover = await owner.get(shown["url"])
    assert cover.headers["content-type"] == "image/jpeg"
    assert cover.headers["cache-control"] == "no-store, private"
    assert cover.content[:2] == b"\xff\xd8"
    assert EXIF not in cover.content, "B7-03"


async def test_names_of_any_script_stay_data(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        for name in ('<script>alert(1)</script>"', "الباب الأمامي", "玄関 🚪", "👩‍👧‍👦", "a" * 64):
            device = await add(owner, name=name)
            assert device["name"] == name
        for name in ("", "   ", "a\nb\x00", "\u202eevil", "a" * 65, "\u200b"):
            refused = await owner.post("/api/v1/devices", json=a_camera(name=name))
            assert refused.status_code == 422, repr(name)
            assert refused.json()["code"] == "invalid_request"


async def test_an_address_that_is_none_is_refused_and_not_repeated(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        for address in (
            "ftp://canary.example/",
            "file:/canary/x",
            "device:/dev/canary",
            "rtsp://canary.example/a\r\nSession: x",
            "rtsp://u:p@canary.example:0/",
        ):
            answer = await owner.post("/api/v1/devices/probe", json={"address": address})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_address")
            assert "canary" not in answer.text
    assert server.edges.probed == []


async def test_a_list_comes_in_pages(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        made = [(await add(owner, name=f"Camera {number}"))["id"] for number in range(5)]
        first = (await owner.get("/api/v1/devices?limit=2")).json()
        second = (await owner.get(f"/api/v1/devices?limit=2&cursor={first['next']}")).json()
        last = (await owner.get(f"/api/v1/devices?limit=2&cursor={second['next']}")).json()
        wrong = await owner.get("/api/v1/devices?cursor=bm9uc2Vuc2U")

    assert [item["id"] for page in (first, second, last) for item in page["items"]] == made
    assert last["next"] is None
    assert wrong.json()["code"] == "invalid_cursor"


async def test_a_recorder_has_a_channel_per_input(server: Household) -> None:
    edge = await server.local_edge()
    channels = [
        {"name": f"Input {n}", "address": f"rtsp://10.0.0.9/{n}/main", "sub_address": f"rtsp://10.0.0.9/{n}/sub"}
        for n in (1, 2)
    ]
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner, kind="recorder", channels=channels)

    assert [(it["number"], it["name"], it["has_sub"]) for it in device["channels"]] == [
        (1, "Input 1", True),
        (2, "Input 2", True),
    ]
    wanted = (await server.desk.desired(edge)).channels
    assert [it.sub_source.url for it in wanted if it.sub_source] == ["rtsp://10.0.0.9/1/sub", "rtsp://10.0.0.9/2/sub"]


@pytest.mark.req("X-07")
async def test_no_name_address_or_secret_lies_in_the_database(server: Household, tmp_path: Any) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner, serial="SN-CANARY-77", model="CanaryCam 9000")
        await online(server, edge, device["channels"][0]["id"])
        await owner.post(f"/api/v1/channels/{device['channels'][0]['id']}/cover/refresh")
    if not server.database.is_sqlite:
        return
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("test.db*"))
    for text in ("Front door", "192.168.1.20", "/main", "vic-TOR", SECRET, "the front door", "SN-CANARY", "CanaryCam"):
        assert text.encode() not in stored
    assert b"\xff\xd8\xff" not in stored, "the cover is sealed"


async def test_an_edge_tells_how_far_behind_it_is(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        path = "/api/v1/edges"
        assert (await owner.get(path)).json()["items"][0]["backlog_bytes"] is None
        await server.desk.spool_status(edge, SpoolStatus(waiting_bytes=4096, limit_bytes=1 << 20))
        shown = (await owner.get(path)).json()["items"][0]
        assert (shown["online"], shown["backlog_bytes"]) == (True, 4096)
        await server.desk.disconnected(edge)
        assert (await owner.get(path)).json()["items"][0]["backlog_bytes"] is None


async def test_a_recorder_is_found_and_added_with_all_its_inputs_in_one_go(server: Household) -> None:
    edge = await server.local_edge()
    address, login = "rtsp://192.168.1.30/Streaming/Channels/101", {"username": "vic-TOR", "password": SECRET}
    server.edges.faults["rtsp://192.168.1.30/Streaming/Channels/301"] = CameraFault.NOT_FOUND
    async with server.client() as owner:
        await server.set_up(owner)
        answer = await owner.post("/api/v1/devices/find-streams", json={"address": address, "count": 64} | login)
        found = answer.json()
        there = [item for item in found["items"] if item["fault"] == "none"]
        channels = [
            {"name": f"Input {it['number']}", "address": it["address"], "sub_address": it["sub_address"]} | login
            for it in there
        ]
        device = await add(owner, kind="recorder", channels=channels)

    assert answer.status_code == 200, answer.text
    assert found["brand"] == "Hikvision"
    assert [item["number"] for item in found["items"]] == list(range(1, 65))
    assert len(device["channels"]) == 63
    assert all(channel["has_sub"] for channel in device["channels"])
    assert SECRET not in answer.text
    desired = await server.desk.desired(edge)
    last = desired.channels[-1]
    assert last.source == RtspSource(
        url="rtsp://192.168.1.30/Streaming/Channels/6401", username="vic-TOR", password=SECRET
    )
    assert last.sub_source == RtspSource(
        url="rtsp://192.168.1.30/Streaming/Channels/6402", username="vic-TOR", password=SECRET
    )


async def test_looking_for_streams_has_limits(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        for wrong in ({"count": 65}, {"first": 0}, {"count": -1}, {"address": "gopher://192.168.1.20/"}):
            body = {"address": "rtsp://192.168.1.20/stream1"} | wrong
            assert (await owner.post("/api/v1/devices/find-streams", json=body)).status_code == 422
        async with server.client() as stranger:
            answer = await stranger.post("/api/v1/devices/find-streams", json={"address": "rtsp://192.168.1.20/"})
    assert answer.status_code == 401
    assert server.edges.probed == []
