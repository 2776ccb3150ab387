"""What strangers, grantees and hostile edges try."""

import time
from statistics import median
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi.routing import APIRoute

from incamera.access import Grant, Permission, give_grant
from incamera.devices.endpoints import router
from incamera.kit.ids import new_id
from incamera.privacy import open_session
from incamera.protocol.messages import CameraFault, CameraState, CameraStatus, StreamKind
from incamera.streams import EdgeRefused
from tests.devices.test_endpoints import CARD, a_camera, add, online
from tests.support.household import Household, a_public_key

# What these tests are about does not depend on the database; the endpoints are tested on both.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

BODIES: dict[str, Any] = {
    "PATCH /api/v1/devices/{device_id}": {"name": "mine now"},
    "PUT /api/v1/devices/{device_id}/privacy-card": CARD,
    "PATCH /api/v1/channels/{channel_id}": {"mode": "off"},
    "PUT /api/v1/channels/{channel_id}/source": {"address": "rtsp://evil.example/"},
}
# Routes that name no device of somebody else.
OWN = {
    "GET /api/v1/devices",
    "POST /api/v1/devices",
    "POST /api/v1/devices/find-streams",
    "POST /api/v1/devices/probe",
    "GET /api/v1/edges",
    "POST /api/v1/edges",
    "GET /api/v1/events",
    "DELETE /api/v1/edges/{edge_id}",
}


def targets() -> list[str]:
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    return [f"{method} {route.path}" for route in routes for method in sorted(route.methods)]


async def try_all(client: httpx2.AsyncClient, device: str, channel: str) -> dict[str, httpx2.Response]:
    answers = {}
    for target in sorted(set(targets()) - OWN):
        method, path = target.split()
        url = path.format(device_id=device, channel_id=channel)
        answers[target] = await client.request(method, url, json=BODIES.get(target))
    return answers


@pytest.mark.req("B4-01")
async def test_a_stranger_gets_the_same_bytes_for_foreign_and_for_nothing(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner, server.client() as stranger, server.client() as nobody:
        await server.set_up(owner)
        await server.another_account(stranger)
        device = await add(owner)
        channel = device["channels"][0]["id"]
        await online(server, edge, channel)
        await owner.post(f"/api/v1/channels/{channel}/cover/refresh")

        foreign = await try_all(stranger, device["id"], channel)
        missing = await try_all(stranger, str(new_id()), str(new_id()))
        unknown = await try_all(nobody, device["id"], channel)
        after = (await owner.get(f"/api/v1/devices/{device['id']}")).json()

    assert len(foreign) == 11, "a new route is tried as well"
    for target, answer in foreign.items():
        assert answer.status_code == 404, target
        assert answer.content == missing[target].content, target
        assert answer.headers == missing[target].headers, target
        assert unknown[target].status_code == 401, target
    assert (after["name"], after["channels"][0]["mode"], after["removed_until"]) == ("Front door", "live", None)


@pytest.mark.req("B4-01")
async def test_a_stranger_learns_nothing_from_the_clock(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner, server.client() as stranger:
        await server.set_up(owner)
        await server.another_account(stranger)
        device = (await add(owner))["id"]
        took: dict[str, list[float]] = {"foreign": [], "missing": []}
        for _ in range(40):
            for kind, target in (("foreign", device), ("missing", str(new_id()))):
                started = time.perf_counter()
                await stranger.get(f"/api/v1/devices/{target}")
                took[kind].append(time.perf_counter() - started)

    assert abs(median(took["foreign"]) - median(took["missing"])) < 0.010


@pytest.mark.req("B6-02")
async def test_a_grantee_sees_neither_addresses_nor_viewers_nor_other_channels(server: Household) -> None:
    edge = await server.local_edge()
    channels = [{"name": f"Input {n}", "address": f"rtsp://10.0.0.9/{n}"} for n in (1, 2)]
    async with server.client() as owner, server.client() as friend:
        await server.set_up(owner)
        friend_id = await server.another_account(friend)
        device = await add(owner, kind="recorder", channels=channels, serial="SN-1")
        first, second = (it["id"] for it in device["channels"])
        for channel in (first, second):
            await online(server, edge, channel)
            await owner.post(f"/api/v1/channels/{channel}/cover/refresh")
        grant = Grant(
            id=new_id(),
            device_id=UUID(device["id"]),
            epoch=1,
            grantee_id=friend_id,
            permissions=frozenset({Permission.VIEW_LIVE}),
            channels=frozenset({UUID(first)}),
            hours=None,
            starts_at=server.clock.now(),
            ends_at=None,
            look_back=None,
        )
        async with open_session(server.database, "B3.device_add") as db:
            await give_grant(db, grant, server.clock)

        (shown,) = (await friend.get("/api/v1/devices")).json()["items"]
        refused = await try_all(friend, device["id"], first)
        other = await try_all(friend, device["id"], second)

    assert [it["id"] for it in shown["channels"]] == [first]
    assert (shown["address"], shown["serial"], shown["edge_id"], shown["sign_url"]) == (None, None, None, None)
    assert "10.0.0.9" not in str(shown)
    assert shown["channels"][0]["cover"] is None, "a cover needs the right to see recordings"
    assert shown["permissions"] == ["view_live"]
    allowed = {target for target, answer in refused.items() if answer.status_code == 200}
    assert allowed == {"GET /api/v1/devices/{device_id}"}
    assert {answer.status_code for target, answer in other.items() if "channel_id" in target} == {404}


@pytest.mark.req("B3-04")
async def test_a_grantee_who_may_configure_cannot_move_a_camera_to_an_edge_of_their_own(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner, server.client() as friend:
        await server.set_up(owner)
        friend_id = await server.another_account(friend)
        code = (await friend.post("/api/v1/edges", json={"name": "Lair"})).json()["code"]
        lair = (await server.admission.enrol(code, a_public_key(), "x")).edge_id
        device = await add(owner, edge_id=str(edge))
        grant = Grant(
            id=new_id(),
            device_id=UUID(device["id"]),
            epoch=1,
            grantee_id=friend_id,
            permissions=frozenset({Permission.CONFIGURE, Permission.VIEW_LIVE}),
            channels=None,
            hours=None,
            starts_at=server.clock.now(),
            ends_at=None,
            look_back=None,
        )
        async with open_session(server.database, "B3.device_add") as db:
            await give_grant(db, grant, server.clock)
        path = f"/api/v1/devices/{device['id']}"
        renamed = await friend.patch(path, json={"name": "Renamed by a friend"})
        moved = await friend.patch(path, json={"edge_id": str(lair)})
        card = await friend.put(f"{path}/privacy-card", json=CARD)
        removed = await friend.delete(path)
        source = f"/api/v1/channels/{device['channels'][0]['id']}/source"
        peeks = [
            (await friend.put(source, json=body)).status_code
            for body in (
                {"address": "device:video0"},
                {"address": "file:private.mp4"},
                {"address": "rtsp://cam/", "sub_address": "device:video0"},
            )
        ]

    assert peeks == [404, 404, 404], "what is plugged into the owner's machine has no password to keep a friend out"
    assert renamed.json()["name"] == "Renamed by a friend"
    assert [answer.status_code for answer in (moved, card, removed)] == [404, 404, 404]
    assert (await server.desk.desired(lair)).channels == (), "the camera's password stays with the owner's edge"


async def test_somebody_elses_edge_cannot_be_used_or_removed(server: Household) -> None:
    await server.local_edge()
    async with server.client() as owner, server.client() as stranger:
        await server.set_up(owner)
        await server.another_account(stranger)
        invitation = (await owner.post("/api/v1/edges", json={"name": "Attic"})).json()
        identity = await server.admission.enrol(invitation["code"], a_public_key(), "incamera-edge/0.1.0")
        edge = str(identity.edge_id)
        assert edge in {it["id"] for it in (await owner.get("/api/v1/edges")).json()["items"]}
        assert edge not in {it["id"] for it in (await stranger.get("/api/v1/edges")).json()["items"]}
        for target in (edge, str(new_id())):
            assert (await stranger.delete(f"/api/v1/edges/{target}")).json()["code"] == "edge_not_found"
            probe = await stranger.post(
                "/api/v1/devices/probe", json={"address": "rtsp://10.0.0.1/", "edge_id": target}
            )
            assert probe.json()["code"] == "edge_not_found"
            added = await stranger.post("/api/v1/devices", json=a_camera(edge_id=target))
            assert added.json()["code"] == "edge_not_found"
    assert server.edges.probed == []


async def test_an_edge_cannot_speak_for_cameras_that_are_not_its_own(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        code = (await owner.post("/api/v1/edges", json={"name": "Attic"})).json()["code"]
        hostile = (await server.admission.enrol(code, a_public_key(), "x")).edge_id
        device = await add(owner, edge_id=str(edge))
        channel = UUID(device["channels"][0]["id"])
        assert (await server.desk.desired(hostile)).channels == ()
        assert await server.desk.may_send(hostile, channel, StreamKind.MAIN, 1) == "unknown_channel"
        assert await server.desk.may_send(edge, channel, StreamKind.MAIN, 2) == "stale_epoch"
        await online(server, hostile, str(channel))
        shown = (await owner.get(f"/api/v1/devices/{device['id']}")).json()
    assert shown["state"]["code"] == "connecting"


async def test_what_an_edge_says_is_bounded(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        device = await add(owner)
        channel = UUID(device["channels"][0]["id"])
        for since_us in (-(2**62), 0, 2**62):
            status = CameraStatus(
                channel_id=channel,
                state=CameraState.ONLINE,
                fault=CameraFault.NONE,
                since_us=since_us,
                video_codec="x" * 5000,
                audio_codec="y" * 5000,
                width=2**31,
                height=-5,
            )
            await server.desk.camera_status(edge, status)
        shown = (await owner.get(f"/api/v1/devices/{device['id']}")).json()["channels"][0]
        server.edges.taken_us = 2**62
        assert (await owner.post(f"/api/v1/channels/{channel}/cover/refresh")).status_code == 200
        for picture in (b"", b"<svg onload=alert(1)>", b"\xff\xd8" + b"\x00" * 100):
            server.edges.picture = picture
            assert (await owner.post(f"/api/v1/channels/{channel}/cover/refresh")).json()["code"] == "cover_not_taken"
            probe = await owner.post("/api/v1/devices/probe", json={"address": "rtsp://10.0.0.1/"})
            assert probe.json()["picture"] is None
    assert (len(shown["codec"]), shown["width"], shown["height"]) == (32, 16_384, None)


@pytest.mark.req("B3-01")
async def test_an_enrolment_code_works_once_in_fifteen_minutes_and_cannot_be_guessed(server: Household) -> None:
    async with server.client() as owner:
        await server.set_up(owner)
        used = (await owner.post("/api/v1/edges", json={"name": "Attic"})).json()
        late = (await owner.post("/api/v1/edges", json={"name": "Barn"})).json()["code"]
    spoken = used["code"].lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert used["code"][-17:] == "-ABABABABABABABAB", "the certificate's fingerprint comes along"
    await server.admission.enrol(spoken, a_public_key(), "x")
    with pytest.raises(EdgeRefused, match="used up"):
        await server.admission.enrol(used["code"], a_public_key(), "x")

    server.clock.move(minutes=15)
    with pytest.raises(EdgeRefused):
        await server.admission.enrol(late, a_public_key(), "x")
    async with server.client() as owner:
        await owner.post("/api/v1/sign-in", json={"email": "zoé@example.org", "password": "lampshade harvest 71 quiet"})
        fresh = (await owner.post("/api/v1/edges", json={"name": "Cellar"})).json()["code"]
    for number in range(60):
        with pytest.raises(EdgeRefused):
            await server.admission.enrol(f"AAAAA-{number:05}", a_public_key(), "x")
    with pytest.raises(EdgeRefused) as locked:
        await server.admission.enrol(fresh, a_public_key(), "x")
    assert (locked.value.code, locked.value.is_final) == ("locked_out", False)


async def test_a_removed_edge_does_not_come_back(server: Household) -> None:
    async with server.client() as owner:
        await server.set_up(owner)
        invitation = (await owner.post("/api/v1/edges", json={"name": "Attic"})).json()
        identity = await server.admission.enrol(invitation["code"], a_public_key(), "x")
        assert (await server.admission.find(identity.edge_id)).public_key == identity.public_key
        device = await add(owner, edge_id=str(identity.edge_id))
        refused = await owner.delete(f"/api/v1/edges/{identity.edge_id}")
        assert refused.json()["code"] == "edge_in_use"
        local = await server.local_edge()
        moved = await owner.patch(f"/api/v1/devices/{device['id']}", json={"edge_id": str(local)})
        assert moved.json()["edge_id"] == str(local)
        assert (await owner.delete(f"/api/v1/edges/{identity.edge_id}")).status_code == 204
        assert (await owner.delete(f"/api/v1/edges/{local}")).json()["code"] == "edge_not_found", "the local one stays"
    assert server.edges.disconnected == [identity.edge_id]
    with pytest.raises(EdgeRefused, match="removed"):
        await server.admission.find(identity.edge_id)


async def test_the_local_edge_keeps_its_cameras_when_it_loses_its_folder(server: Household) -> None:
    edge = await server.local_edge()
    async with server.client() as owner:
        await server.set_up(owner)
        await add(owner)
    again = await server.local_edge()
    assert again == edge
    assert len((await server.desk.desired(edge)).channels) == 1
