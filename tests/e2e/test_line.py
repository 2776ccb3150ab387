"""The whole line, with real parts: simulated camera → RTSP → edge → uplink → server → sockets and sealed segments."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.camera import PASSWORD, read_counters, running_camera
from tests.support.postgres import postgres_database
from tests.support.replay import assert_gapless, holes, replay, timeline, timeline_path
from tests.support.server import OWNER_EMAIL, OWNER_PASSWORD, Server, running_server
from tests.support.viewer import looking_back, watching

pytestmark = pytest.mark.slow

CARD = {
    "purpose": "To see the garden",
    "placement": "outdoor",
    "sees_public_space": False,
    "staff_informed": None,
    "sound": True,
}


@pytest.fixture(scope="module")
def camera() -> Iterator[str]:
    with running_camera("garden") as address:
        yield address


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("line")) as running:
        running.owner()
        running.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
        yield running
        if "Traceback" in running.log.read_text():
            raise AssertionError(running.log.read_text()[-5000:])


def _body(address: str, mode: str) -> dict[str, Any]:
    channel = {
        "name": "Garden",
        "address": f"{address}/garden/main",
        "sub_address": f"{address}/garden/sub",
        "username": "viewer",
        "password": PASSWORD,
    }
    return {
        "kind": "camera",
        "name": "Garden",
        "time_zone": "Europe/Paris",
        "channels": [channel],
        "privacy_card": CARD,
        "mode": mode,
        "sound": True,
    }


@pytest.fixture(scope="module")
def device(server: Server, camera: str) -> dict[str, Any]:
    """A camera that is recorded, on line."""
    response = server.owner().post("/api/v1/devices", json=_body(camera, "record"))
    assert response.status_code == 201, response.text
    path = f"/api/v1/devices/{response.json()['id']}"
    online: dict[str, Any] = server.wait_for(path, lambda shown: shown["state"]["code"] == "online")
    return online


@pytest.fixture(scope="module")
def channel_id(device: dict[str, Any]) -> str:
    return str(device["channels"][0]["id"])


def test_camera_can_be_tried_before_it_is_added(server: Server, camera: str) -> None:
    login = {"address": f"{camera}/garden/main", "username": "viewer", "password": PASSWORD}
    answer = server.owner().post("/api/v1/devices/probe", json=login).json()
    assert answer["fault"] == "none"
    assert (answer["width"], answer["height"]) == (1280, 720)
    assert answer["picture"].startswith("data:image/jpeg;base64,")


def test_wrong_password_is_said_in_words(server: Server, camera: str) -> None:
    login = {"address": f"{camera}/garden/main", "username": "viewer", "password": "wrong"}
    response = server.owner().post("/api/v1/devices/probe", json=login)
    assert response.status_code >= 400
    assert response.json()["code"] == "camera_refused_password"


async def test_live_picture_and_sound_decode(server: Server, channel_id: str, tmp_path: Path) -> None:
    async with watching(server, channel_id, "main", "audio") as (viewer, handles):
        main, audio = handles["main"], handles["audio"]
        await viewer.until(lambda: main in viewer.streams and len(viewer.streams[main].pictures) >= 75)
        await viewer.until(lambda: audio in viewer.streams and len(viewer.streams[audio].pictures) >= 10)

    (picture,), (sound,) = viewer.streams[main].parts, viewer.streams[audio].parts
    assert picture.pictures[0].is_sync, "a viewer starts where the picture decodes"
    numbers = read_counters(picture.media)
    assert len(numbers) >= 75
    assert_gapless(numbers)
    assert _probe(picture.media, tmp_path)["codec_name"] == "h264"
    assert _probe(sound.media, tmp_path)["codec_name"] == "aac"


async def test_second_viewer_sees_the_first_picture_at_once(server: Server, channel_id: str) -> None:
    async with watching(server, channel_id, "main") as (viewer, handles):
        await viewer.until(lambda: viewer.first_picture_s is not None)
        assert handles["main"] in viewer.streams
    assert viewer.first_picture_s is not None
    assert viewer.first_picture_s < 1.0


async def test_picture_stops_when_its_session_ends(server: Server, channel_id: str) -> None:
    async with watching(server, channel_id, "main") as (viewer, _):
        await viewer.until(lambda: viewer.first_picture_s is not None)
        server.owner().post("/api/v1/sign-out").raise_for_status()
        await viewer.until(lambda: viewer.find("stopped"), timeout_s=5)
    server.sign_in_again()


async def test_recording_can_be_played_again(server: Server, channel_id: str, tmp_path: Path) -> None:
    numbers, parts = await replay(server, channel_id, wanted=50)
    assert_gapless(numbers)
    assert _probe(parts[0].media, tmp_path)["codec_name"] == "h264"


async def test_scrubbing_shows_one_picture(server: Server, channel_id: str) -> None:
    async with looking_back(server, channel_id, "main") as (viewer, opened):
        middle = (opened["from_us"] + opened["to_us"]) // 2
        await viewer.say(scrub={"handle": opened["handle"], "at_us": middle, "request": 7})
        await viewer.until(lambda: viewer.find("scrubbed", request=7))
        (part,) = viewer.streams[opened["handles"]["main"]].parts
    assert len(part.pictures) == 1
    assert part.pictures[0].is_sync
    assert len(read_counters(part.media)) == 1


def test_timeline_knows_what_was_recorded(server: Server, channel_id: str) -> None:
    shown = timeline(server, channel_id)
    assert shown["runs"]
    assert shown["oldest_us"] < shown["newest_us"] <= shown["now_us"] + 2_000_000


async def test_nothing_is_lost_when_the_server_is_killed(server: Server, channel_id: str) -> None:
    """Kill -9 while recording: the edge goes on, and what it could not send comes in afterwards, whole."""
    before = timeline(server, channel_id)["newest_us"]
    server.kill()
    await asyncio.sleep(3)  # the camera goes on, and so does its edge
    server.start()
    server.sign_in_again()

    server.wait_for(
        timeline_path(channel_id),
        lambda shown: shown["newest_us"] and shown["newest_us"] > before + 8_000_000 and not holes(shown, before),
        timeout_s=60,
    )
    numbers, _ = await replay(server, channel_id, wanted=190, from_us=before - 2_000_000)
    assert_gapless(numbers)


def test_killed_edge_comes_back_and_the_timeline_tells(server: Server, channel_id: str) -> None:
    """Killed twice, because after one kill it is back before the two seconds that count as a gap."""
    before = timeline(server, channel_id)["newest_us"]
    first = _edge_pid(server)
    os.kill(first, signal.SIGKILL)
    while (second := _edge_pid(server)) == first:
        time.sleep(0.02)
    os.kill(second, signal.SIGKILL)

    shown = server.wait_for(
        timeline_path(channel_id),
        lambda shown: shown["newest_us"] > before + 5_000_000 and holes(shown, before),
        timeout_s=40,
    )
    hole = holes(shown, before)[0]
    assert hole["cause"] in ("edge_restarted", "line_lost")
    assert hole["to_us"] - hole["from_us"] > 2_000_000


def _edge_pid(server: Server) -> int:
    return int(json.loads((server.data / "edge" / "local-edge.json").read_text())["pid"])


def test_lost_camera_is_told_and_comes_back_by_itself(server: Server) -> None:
    with running_camera("porch") as address:
        body = _body(address, "live")
        body["channels"][0] |= {"address": f"{address}/porch/main", "sub_address": None}
        device = server.owner().post("/api/v1/devices", json={**body, "name": "Porch"}).json()
        path, port = f"/api/v1/devices/{device['id']}", int(address.rsplit(":", 1)[1])
        server.wait_for(path, lambda shown: shown["state"]["code"] == "online")
    shown = server.wait_for(path, lambda shown: shown["state"]["code"] != "online", timeout_s=20)
    assert shown["state"]["fault"] in ("closed", "unreachable")
    with running_camera("porch", port=port):
        server.wait_for(path, lambda shown: shown["state"]["code"] == "online", timeout_s=40)


async def test_stop_tells_viewers_and_leaves_nothing_open(server: Server, channel_id: str) -> None:
    async with watching(server, channel_id, "main") as (viewer, _):
        await viewer.until(lambda: viewer.first_picture_s is not None)
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        with pytest.raises(ConnectionClosed) as closed:
            await viewer.until(lambda: False)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        async with asyncio.timeout(20):
            assert await stopping == 0
    seen = len(server.log.read_text())
    assert await asyncio.to_thread(_check, server) == 0
    server.start()
    server.sign_in_again()
    assert "recording.recovered" not in server.log.read_text()[seen:], "a clean stop leaves nothing to recover"


def _check(server: Server) -> int:
    command = [sys.executable, "-m", "incamera", "check", "--data", str(server.data), "--deep"]
    return subprocess.run(command, check=False, env=server.environment).returncode


async def test_line_works_on_postgresql(camera: str, tmp_path: Path) -> None:
    with postgres_database() as address, running_server(tmp_path, "--database", address) as server:
        server.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
        device = server.owner().post("/api/v1/devices", json=_body(camera, "record")).json()
        channel_id = str(device["channels"][0]["id"])
        server.wait_for(f"/api/v1/devices/{device['id']}", lambda shown: shown["state"]["code"] == "online")
        async with watching(server, channel_id, "main") as (viewer, handles):
            await viewer.until(lambda: handles["main"] in viewer.streams and viewer.streams[handles["main"]].pictures)
        begin = timeline(server, channel_id)["oldest_us"]
        server.wait_for(timeline_path(channel_id), lambda shown: shown["newest_us"] > begin + 3_000_000)
        numbers, _ = await replay(server, channel_id, wanted=50)
        assert_gapless(numbers)


def test_log_holds_nothing_personal(server: Server) -> None:
    text = server.log.read_text()
    assert len(text) > 1000
    for secret in (OWNER_EMAIL, OWNER_PASSWORD, PASSWORD, "Garden", "127.0.0.1", "rtsp://"):
        assert secret not in text, f"{secret!r} is in the log"


def _probe(media: bytes, folder: Path) -> dict[str, Any]:
    """What ffprobe makes of a file; any complaint of the decoder fails."""
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:
        pytest.skip("ffprobe is not here")
    path = folder / "media.mp4"
    path.write_bytes(media)
    command = [ffprobe, "-v", "error", "-show_streams", "-count_frames", "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    stream: dict[str, Any] = json.loads(done.stdout)["streams"][0]
    return stream
