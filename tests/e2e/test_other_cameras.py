"""Cameras without RTSP, with nothing doubled: server and confined edge as processes, seen live and played again."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.camera import read_counters
from tests.support.cameras import make_clip
from tests.support.http_cameras import PASSWORD, USER, HttpCamera, fingerprint, make_certificate, running_in_a_thread
from tests.support.replay import assert_gapless, replay, timeline
from tests.support.server import Server, running_server
from tests.support.viewer import watching

pytestmark = pytest.mark.slow

CARD = {"purpose": "the yard", "placement": "outdoor", "sees_public_space": False, "sound": False}


@dataclass(frozen=True)
class Home:
    server: Server
    folder: Path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("other")
    films = folder / "films"
    films.mkdir()
    make_clip(films / "yard 1.mp4", seconds=2, b_frames=2, size=(320, 240))
    make_clip(folder / "secret.mp4", seconds=1, size=(320, 240))
    with running_server(folder, "--edge-files", str(films), "--edge-device", "video250") as server:
        server.owner()
        server.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
        yield Home(server, folder)


def add(server: Server, channel: dict[str, str]) -> str:
    """Tries it, adds it, waits until it sends; the channel's id."""
    tried = server.owner().post("/api/v1/devices/probe", json=channel)
    assert tried.status_code == 200, tried.text
    assert tried.json()["picture"].startswith("data:image/jpeg;base64,")
    body = {
        "kind": "camera", "name": "Yard", "time_zone": "Europe/Paris", "channels": [{"name": "Yard", **channel}],
        "privacy_card": CARD, "mode": "record",
    }  # fmt: skip
    added = server.owner().post("/api/v1/devices", json=body)
    assert added.status_code == 201, added.text
    path = f"/api/v1/devices/{added.json()['id']}"
    shown: dict[str, Any] = server.wait_for(path, lambda shown: shown["state"]["code"] == "online")
    return str(shown["channels"][0]["id"])


async def seen(server: Server, channel_id: str, pictures: int) -> list[int]:
    """The numbers in the pictures of a live viewer."""
    async with watching(server, channel_id, "main") as (viewer, handles):
        main = handles["main"]
        await viewer.until(lambda: main in viewer.streams and len(viewer.streams[main].pictures) >= pictures)
    [part] = viewer.streams[main].parts
    return read_counters(part.media)


async def test_mjpeg_over_https_is_watched_and_recorded(home: Home) -> None:
    camera = HttpCamera(challenge="digest", certificate=make_certificate(home.folder))
    with running_in_a_thread(camera) as base:
        login = {"address": f"{base}/video.mjpg", "username": USER, "password": PASSWORD}
        refused = home.server.owner().post("/api/v1/devices/probe", json=login)
        assert (refused.status_code, refused.json()["code"]) == (409, "camera_certificate")
        assert refused.json()["certificate"] == fingerprint(home.folder / "camera.pem")
        channel_id = add(home.server, {**login, "certificate": refused.json()["certificate"]})
        assert_gapless(await seen(home.server, channel_id, 50))
        timeline(home.server, channel_id)
        numbers, _ = await replay(home.server, channel_id, wanted=25)

    assert_gapless(numbers)
    assert PASSWORD not in home.server.log.read_text()


async def test_a_film_is_watched_and_recorded_over_its_seams(home: Home) -> None:
    channel_id = add(home.server, {"address": "file:yard 1.mp4"})
    live = await seen(home.server, channel_id, 85)
    timeline(home.server, channel_id)
    numbers, parts = await replay(home.server, channel_id, wanted=55)

    assert {(after - before) % 50 for before, after in pairwise(live)} == {1}
    assert {(after - before) % 50 for before, after in pairwise(numbers)} == {1}
    assert len(parts) == 1, "one run: decode times never jump"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("file:none.mp4", "camera_no_file"),
        ("device:video0", "camera_not_permitted"),
        ("device:video250", "camera_no_device"),
        ("http://169.254.169.254/latest/meta-data", "camera_address_refused"),
        ("http://127.0.0.1:9/", "camera_unreachable"),
    ],
)
def test_what_is_not_there_or_not_allowed_is_told_in_words(home: Home, address: str, code: str) -> None:
    refused = home.server.owner().post("/api/v1/devices/probe", json={"address": address})

    assert (refused.status_code, refused.json()["code"]) == (409, code)
    assert len(refused.json()["detail"]) > 30


def test_a_link_out_of_the_folder_is_not_followed(home: Home) -> None:
    """Attack: with the folder writable for others, a link would lead to any video of the machine."""
    (home.folder / "films" / "link.mp4").symlink_to(home.folder / "secret.mp4")
    refused = home.server.owner().post("/api/v1/devices/probe", json={"address": "file:link.mp4"})

    assert (refused.status_code, refused.json()["code"]) == (409, "camera_not_permitted")
