"""The whole line, with real parts: simulated camera → RTSP → edge → uplink → server → sockets and sealed segments."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.camera import PASSWORD, read_counters, running_camera
from tests.support.server import Server, running_server
from tests.support.viewer import watching

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

    picture, sound = viewer.streams[main], viewer.streams[audio]
    assert picture.pictures[0].is_sync, "a viewer starts where the picture decodes"
    numbers = read_counters(picture.init, picture.media)
    assert len(numbers) >= 75
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "no picture lost or out of order"
    assert _probe(picture.init + picture.media, tmp_path)["codec_name"] == "h264"
    assert _probe(sound.init + sound.media, tmp_path)["codec_name"] == "aac"


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


def _probe(media: bytes, folder: Path) -> dict[str, Any]:
    """What ffprobe makes of a file; any complaint of the decoder fails."""
    import json

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
