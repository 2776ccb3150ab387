"""A camera that sends H.265 through the whole product: tried, recorded, watched, looked back at."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.camera import PASSWORD, read_counters, running_camera
from tests.support.server import Server, running_server
from tests.support.viewer import Part, Picture, looking_back, watching

pytestmark = pytest.mark.slow

REORDERED = 3  # pictures of this camera that arrive before one that is shown earlier, and that one
LOGIN = {"username": "viewer", "password": PASSWORD}
CARD = {
    "purpose": "To see the garden",
    "placement": "outdoor",
    "sees_public_space": False,
    "staff_informed": None,
    "sound": True,
}


@pytest.fixture(scope="module")
def camera() -> Iterator[str]:
    with running_camera("garden:h265+bframes") as address:
        yield address


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("h265")) as running:
        running.owner()
        running.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()[-5000:]


@pytest.fixture(scope="module")
def channel_id(server: Server, camera: str) -> str:
    channel = {"name": "Garden", "address": f"{camera}/garden/main", "sub_address": f"{camera}/garden/sub", **LOGIN}
    body = {
        "kind": "camera", "name": "Garden", "time_zone": "Europe/Paris", "channels": [channel],
        "privacy_card": CARD, "mode": "record", "sound": True,
    }  # fmt: skip
    response = server.owner().post("/api/v1/devices", json=body)
    assert response.status_code == 201, response.text
    path = f"/api/v1/devices/{response.json()['id']}"
    online: dict[str, Any] = server.wait_for(path, lambda shown: shown["state"]["code"] == "online")
    return str(online["channels"][0]["id"])


def test_trying_it_tells_codec_and_size_and_shows_a_picture(server: Server, camera: str) -> None:
    answer = server.owner().post("/api/v1/devices/probe", json={"address": f"{camera}/garden/main", **LOGIN}).json()

    assert answer["fault"] == "none"
    assert answer["video_codec"].startswith("hvc1.1.")
    assert (answer["width"], answer["height"]) == (1280, 720)
    assert answer["picture"].startswith("data:image/jpeg;base64,")


async def test_every_live_picture_decodes(server: Server, channel_id: str, tmp_path: Path) -> None:
    async with watching(server, channel_id, "main") as (viewer, handles):
        main = handles["main"]
        await viewer.until(lambda: main in viewer.streams and len(viewer.streams[main].pictures) >= 120)

    (part,) = viewer.streams[main].parts
    assert part.pictures[0].is_sync
    assert part.run["codec"].startswith("hvc1.1.")
    _expect_every_picture(part, tmp_path)


async def test_recording_is_played_again(server: Server, channel_id: str, tmp_path: Path) -> None:
    async with looking_back(server, channel_id, "main") as (viewer, opened):
        main = opened["handles"]["main"]
        await viewer.say(play={"handle": opened["handle"], "at_us": opened["from_us"], "speed": 4, "request": 1})
        while main not in viewer.streams or len(viewer.streams[main].pictures) < 100:
            message = await viewer.receive()
            assert not isinstance(message, dict) or message["type"] not in ("error", "end"), message
            if isinstance(message, Picture):
                await viewer.say(position={"handle": opened["handle"], "at_us": message.wall_us})

    part = viewer.streams[main].parts[0]
    assert part.pictures[0].is_sync
    _expect_every_picture(part, tmp_path)


def test_cover_is_made_of_it(server: Server, channel_id: str) -> None:
    def has_cover(shown: Any) -> bool:
        return any(channel["cover"] for device in shown["items"] for channel in device["channels"])

    shown = server.wait_for("/api/v1/devices", has_cover, timeout_s=40)
    address = next(channel["cover"]["url"] for device in shown["items"] for channel in device["channels"])
    assert server.owner().get(address).content.startswith(b"\xff\xd8\xff")


def _expect_every_picture(part: Part, folder: Path) -> None:
    """libav and ffprobe decode as many pictures as there are chunks, and the camera's counter has no hole."""
    numbers = read_counters(part.media)
    assert len(numbers) == len(part.pictures)
    without_end = numbers[:-REORDERED]  # what was received ends in decoding order: the pictures between may be to come
    assert without_end == list(range(numbers[0], numbers[0] + len(without_end)))
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:
        pytest.skip("ffprobe is not here")
    path = folder / "media.mp4"
    path.write_bytes(part.media)
    command = [ffprobe, "-v", "error", "-count_frames", "-show_entries", "stream=codec_name,nb_read_frames"]
    done = subprocess.run([*command, "-of", "csv=p=0", str(path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.strip() == f"hevc,{len(part.pictures)}"
